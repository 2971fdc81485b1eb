"""Makes a frozen graph of a network in another format, for retrain.

  python -m scripts.import_network --keras_application=MobileNetV2 --output_name=my_v2 \\
      --model_dir=tf_files/models
  python -m scripts.retrain --architecture=my_v2 --model_dir=tf_files/models --image_dir=...

Give one source: a network of Keras, a file that Keras has written, a SavedModel (a module of
TensorFlow Hub that was downloaded is one), or a frozen graph. The result is compared with its
source, and runs under TensorFlow 1.15 and 2. Nothing that a file holds is run, but for operations
and layers that only compute.
"""

import logging
import os
import re
import shlex
import tempfile

from scripts.common import command, flags, output_checks
from scripts.common.errors import UserError
from scripts.images import settings as image_settings
from scripts.importing import keras_source, keras_worker
from scripts.importing import settings as settings_lib
from scripts.networks import registry

_LOG = logging.getLogger('scripts.import_network')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()

_SOURCES = ('keras_application', 'keras_file', 'saved_model', 'frozen_graph')
_NAME = re.compile(r'\w[\w.-]*')


def _define_flags(define):
    result, source = define.group('Result'), define.group('Source')
    result.string('output_name', '', 'The name of the network, for --architecture of retrain.')
    flags.define_model_dir(result)
    source.string(
        'keras_application',
        '',
        'A network of tf.keras.applications, such as MobileNetV2; Keras downloads its weights.',
    )
    source.string(
        'keras_weights',
        '',
        'With --keras_application: the file of its weights (.h5), in place of the download.',
    )
    source.string('keras_file', '', 'A whole model that Keras has written: .h5 or .keras.')
    source.string(
        'saved_model', '', 'The folder of a SavedModel, or of a module of TensorFlow Hub.'
    )
    source.string('frozen_graph', '', 'A frozen graph (.pb).')
    _define_nodes(define.group('Nodes'))
    _define_input(define.group('Input'))


def _define_nodes(define):
    define.string('signature', None, 'The signature of a SavedModel. Default: the usual one.')
    define.string(
        'output_layer', None, 'The node, output of a signature, or Keras layer to end with.'
    )
    flags.define_bottleneck_layer(define)


def _define_input(define):
    flags.define_pixels(
        define,
        'as the source says, otherwise 224',
        'as the source says, otherwise 127.5 (to -1..1), for a SavedModel 0 and 255 (to 0..1)',
        'the only one of the graph or signature, which may also be named here',
    )
    define.choice(
        'channel_order',
        None,
        settings_lib.CHANNEL_ORDERS,
        'Whether the source takes red or blue first. Default: as Keras says, otherwise rgb.',
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Imports as the parsed flags say; raises UserError for a user error."""
    command.refuse_arguments(arguments)
    kind = _source(values)
    pixels = settings_lib.Pixels(
        values.input_height,
        values.input_width,
        values.input_mean,
        values.input_std,
        values.channel_order,
    )
    nodes = settings_lib.Nodes(
        values.input_layer, values.output_layer, values.bottleneck_layer, values.signature
    )
    _check(values, kind)
    folder = os.path.join(values.model_dir, values.output_name)
    output_checks.check_folder_writable(folder)
    with tempfile.TemporaryDirectory() as temporary:
        built = None
        if kind.startswith('keras'):
            built = keras_source.build(_request(values, pixels, nodes), temporary)

        # TensorFlow takes a second to import, and Keras has to go first.
        from scripts.graphs import graph_files
        from scripts.importing import importing

        candidate = _candidate(values, built, pixels, nodes)
        imported = importing.import_candidate(candidate, values.output_name, nodes.bottleneck)
    path = importing.path_of(values.model_dir, values.output_name)
    output_checks.check_distinct([('--output_name', path)], [('--' + kind, values[kind].value)])
    graph_files.write(imported.graph_def, path)
    _LOG.info(
        'On random images it differs from its source by at most %.2g; two images by %.2g',
        imported.error,
        imported.difference,
    )
    _report_bottleneck(values)
    _LOG.info(
        'The network is %s. Retrain it with:\n  %s --architecture=%s --model_dir=%s',
        path,
        command.how_to_start('retrain'),
        values.output_name,
        shlex.quote(values.model_dir),
    )


def _candidate(values, built, pixels, nodes):
    from scripts.importing import importing

    if built is not None:
        return importing.of_keras(built)
    if values.saved_model:
        return importing.of_saved_model(values.saved_model, pixels, nodes)
    return importing.of_frozen_graph(values.frozen_graph, pixels, nodes)


def _report_bottleneck(values):
    """Says what retrain will take as the bottleneck, or how to say it."""
    from scripts.networks import backbone as backbone_lib

    try:
        network = registry.find(values.output_name, values.model_dir)
        backbone = backbone_lib.load(network, values.model_dir)
    except UserError as error:
        _LOG.warning('the bottleneck of the network was not found: %s', error)
    else:
        _LOG.info('Bottleneck: %s, %d values', backbone.boundary, backbone.shape[0])


def _source(values):
    """Returns the name of the flag of the one source that is given."""
    given = [name for name in _SOURCES if values[name].value]
    if len(given) != 1:
        raise UserError(
            '%s: give one source, by one of --%s'
            % (
                'no network is given' if not given else '--%s are given' % ' and --'.join(given),
                ', --'.join(_SOURCES),
            )
        )
    return given[0]


def _check(values, kind):
    """Raises UserError for flags that do not go together, before anything is read."""
    name = values.output_name
    if not _NAME.fullmatch(name):
        raise UserError(
            '--output_name=%s: expected a name of letters, digits, _, - and points, such as my_v2'
            % name
        )
    if name in registry.NETWORKS:
        raise UserError('--output_name=%s is the name of another network: choose another' % name)
    image_settings.check_std(values.input_std)
    if values.keras_weights and kind != 'keras_application':
        raise UserError('--keras_weights goes with --keras_application only, found --%s' % kind)
    if kind.startswith('keras') and values.input_layer is not None:
        raise UserError('--input_layer goes with --saved_model and --frozen_graph only')
    if values.signature is not None and kind != 'saved_model':
        raise UserError('--signature goes with --saved_model only, found --%s' % kind)


def _request(values, pixels, nodes):
    return keras_worker.Request(
        values.keras_file or None,
        values.keras_application or None,
        values.keras_weights or None,
        pixels,
        nodes.output,
    )


if __name__ == '__main__':
    command.run(main, FLAGS)
