"""Makes a retrained graph smaller, or makes it compute with 8-bit values.

  python -m scripts.quantize_graph --mode=weights --output_node_names=final_result \\
      --input=tf_files/retrained_graph.pb --output=tf_files/quantized_graph.pb

Modes: weights stores the weights in 8 bits: about a third of the size, the same speed.
weights_rounded keeps the size, but the file compresses well. eightbit also computes with 8-bit
values. round and quantize give float graphs that show what 8 bits or fewer would cost.
"""

import logging
import re

from scripts.common import command, files, flags, output_checks, printing
from scripts.common.errors import UserError
from scripts.dataset import finding
from scripts.inference import finished_graph
from scripts.quantization import settings as settings_lib

_LOG = logging.getLogger('scripts.quantize_graph')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()
_MOST = 1e38  # Of the ends of a range: its width and its steps stay finite in float32.


def _define_flags(define):
    files_group, ranges = define.group('Graphs'), define.group('Ranges of the mode eightbit')
    files_group.string('input', '', 'The frozen graph to quantize.')
    files_group.string('output', '', 'The file of the quantized graph.')
    files_group.string('output_node_names', '', 'The output nodes, separated by commas.')
    files_group.boolean('print_nodes', False, 'Print the nodes of the quantized graph.')
    files_group.string(
        'test_input_dims',
        '1,224,224,3',
        'The shape of the random input on which both graphs are compared. If not given: as the '
        'graph declares, otherwise the default.',
    )
    _define_modes(define.group('Quantization'))
    for name, end in (('min', 'lower'), ('max', 'upper')):
        ranges.float(
            'quantized_fallback_' + name,
            None,
            'The %s end of constant ranges, in place of dynamic ranges.' % end,
        )
    ranges.string(
        'calibration_images',
        '',
        'A folder of photos, with its sub-folders, to measure constant ranges on.',
    )


def _define_modes(define):
    define.choice('mode', settings_lib.ROUND, settings_lib.MODES, 'The mode; see above.')
    define.integer('bitdepth', 8, 'The number of bits; always 8 with eightbit.')
    define.boolean(
        'strip_redundant_quantization',
        True,
        'With eightbit: remove conversions from 8 bits to float and straight back.',
    )
    define.boolean('quantized_input', False, 'Make the graph take 8-bit values as its input.')
    define.float('quantized_input_min', 0, 'The value that the 8-bit input 0 stands for.')
    define.float('quantized_input_max', 1, 'The value that the 8-bit input 255 stands for.')


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Quantizes as the parsed flags say; raises UserError for a user error."""
    command.refuse_arguments(arguments)
    settings = _settings(values)
    dims = _dims(values)
    output_checks.check_writable(values.output)
    photos = []
    if values.calibration_images:
        photos = finding.image_paths([values.calibration_images])
    output_checks.check_distinct(
        [('--output', values.output)],
        [('--input', values.input)] + [('the photo', path) for path in photos],
    )
    graph_data = files.read(values.input, 'graph')

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts.graphs import graph_files
    from scripts.quantization import checks, comparison, modes

    before = graph_files.parse(graph_data, values.input)
    checks.check_graph(before, settings.output_names)
    trial = comparison.run_trial(before, settings, dims)
    calibration = _calibration(before, photos) if photos else None
    after = modes.quantize(before, settings, calibration)
    differences = comparison.differences(trial, after, settings.output_names)
    if values.print_nodes:
        for node in after.node:
            line = '%s %s(%s)' % (node.name, node.op, ', '.join(node.input))
            print(printing.printable(line))
    graph_files.write(after, values.output)
    for line in comparison.table(before, after):
        print(line)
    for each in differences:
        print(
            '%s: on random input the outputs differ by at most %.3g; the largest value is %.3g'
            % (printing.printable(each.name), each.greatest, each.scale)
        )
    for line in comparison.unexpected(differences, settings):
        _LOG.warning('%s', line)
    _LOG.info('The quantized graph is %s.', values.output)


def _settings(values):
    for name in ('input', 'output'):
        if not values[name].value:
            raise UserError('--%s is not set: give the name of a graph file' % name)
    _check_bits(values.mode, values.bitdepth)
    quantized_input = _range(values, 'quantized_input')
    fallback = _range(values, 'quantized_fallback')
    for name in ('calibration_images', 'quantized_fallback_min'):
        if values[name].present and values.mode != settings_lib.EIGHTBIT:
            raise UserError(
                '--%s goes with --mode=eightbit only, found --mode=%s' % (name, values.mode)
            )
    if values.calibration_images and fallback:
        raise UserError(
            '--calibration_images and --quantized_fallback_min both give the ranges: leave one out'
        )
    return settings_lib.Quantization(
        mode=values.mode,
        bitdepth=values.bitdepth,
        output_names=_names(values.output_node_names),
        strip_redundant=values.strip_redundant_quantization,
        quantized_input=quantized_input if values.quantized_input else None,
        fallback=fallback,
    )


def _names(text):
    names = [re.sub(':0$', '', name.strip()) for name in text.split(',')]
    return [name for name in names if name]


def _range(values, name):
    """Returns the `Range` from --NAME_min to --NAME_max, or None where neither is set."""
    low, high = values[name + '_min'].value, values[name + '_max'].value
    if (low is None) != (high is None):
        raise UserError('--%s_min and --%s_max go together: set both or none' % (name, name))
    if low is None:
        return None
    if not low < high:
        raise UserError(
            '--%s_min=%g and --%s_max=%g: expected the first to be smaller'
            % (name, low, name, high)
        )
    if max(-low, high) > _MOST:
        raise UserError(
            '--%s_min=%g and --%s_max=%g: expected numbers from -%g to %g, whose range float32 can '
            'hold' % (name, low, name, high, _MOST, _MOST)
        )
    return settings_lib.Range(low, high)


def _check_bits(mode, bits):
    low, high = settings_lib.BITS[mode]
    if not low <= bits <= high:
        raise UserError(
            '--bitdepth=%d: expected %s with --mode=%s'
            % (bits, low if low == high else '%d to %d' % (low, high), mode)
        )


def _dims(values):
    """Returns the shape to test with, or None: the one that the graph declares."""
    if not values['test_input_dims'].present:
        return None
    try:
        dims = [int(part) for part in values.test_input_dims.split(',')]
    except ValueError:
        dims = [0]
    if min(dims) < 1:
        raise UserError(
            '--test_input_dims=%s: expected integers from 1 on, separated by '
            'commas, such as 1,224,224,3' % values.test_input_dims
        )
    return dims


def _calibration(graph_def, photos):
    from scripts.graphs import description
    from scripts.quantization import modes

    described = description.find(graph_def)
    graph_input = finished_graph.input_of(graph_def, described and described.description)
    return modes.Calibration(photos, graph_input)


if __name__ == '__main__':
    command.run(main, FLAGS)
