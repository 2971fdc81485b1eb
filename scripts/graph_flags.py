"""How a graph is fed and read, and what its scores mean, for the commands that run graphs.

A flag that is given wins; then what the graph says of itself; then what its nodes tell.
"""

import logging
import os
import typing

from scripts.common.command import flags
from scripts.common.errors import UserError
from scripts.dataset import labels as labels_lib
from scripts.images.settings import EXIF_ROTATIONS

_LOG = logging.getLogger(__name__)

# The flags that give fields of `PixelSpec`.
_PIXELS = {
    'input_height': 'height',
    'input_width': 'width',
    'input_mean': 'mean',
    'input_std': 'std',
    'exif_rotation': 'exif_rotation',
}
_GRAPH, _LABELS = '_graph.pb', '_labels.txt'


class Graph(typing.NamedTuple):
    """A graph, and how to run it.

    path, data: of the file, and its bytes.
    graph_def: the GraphDef.
    graph_input: its `GraphInput`.
    output_name: the node that gives the scores.
    labels: list of str, in the order of the scores.
    description: its `Description`, or None.
    """

    path: str
    data: bytes
    graph_def: typing.Any
    graph_input: typing.Any
    output_name: str
    labels: typing.List[str]
    description: typing.Any


def define(flag_values):
    """Defines the flags, none of which needs to be given."""
    _define_pixels(flag_values)
    for name, default, meaning in (
        (
            'labels',
            'tf_files/retrained_labels.txt',
            'The labels, one a line. If not given: those that the graph holds, or else '
            'X_labels.txt beside X_graph.pb.',
        ),
        ('input_layer', None, 'The node that is fed; if not given, input or Mul.'),
        (
            'output_layer',
            None,
            'The node that gives the scores; if not given, final_result or the only output.',
        ),
    ):
        flags.DEFINE_string(name, default, meaning, flag_values=flag_values)
    flags.DEFINE_boolean(
        'allow_tensorrt_engines',
        False,
        'Run the TensorRT engines in a graph: machine code, which nothing checks.',
        flag_values=flag_values,
    )


def _define_pixels(flag_values):
    for name in ('input_height', 'input_width'):
        flags.DEFINE_integer(
            name,
            None,
            'Pixels; if not given, what the graph declares, or else 224 (299 where it is fed at '
            'Mul).',
            lower_bound=1,
            flag_values=flag_values,
        )
    for name, meaning in (
        ('input_mean', 'Subtracted from each pixel'),
        ('input_std', 'What each pixel is then divided by'),
    ):
        flags.DEFINE_float(
            name,
            None,
            meaning + '; if not given, 127.5 where the graph is fed at input, 128 at Mul.',
            flag_values=flag_values,
        )
    flags.DEFINE_enum(
        'exif_rotation',
        None,
        EXIF_ROTATIONS,
        'Whether JPEGs are turned as their EXIF asks; if not given, as in the training of the '
        'graph where it says so, or else not.',
        flag_values=flag_values,
    )


def check(values):
    """Raises UserError where the flags make no sense with any graph."""
    if values.input_std == 0:
        raise UserError('--input_std=0: pixels are divided by it; expected a number such as 127.5')


def read(values, path, data):
    """Returns the `Graph` in a file, with a warning where flags or labels contradict what it says.

    Args:
      values: the parsed flags.
      path, data: of the file, and its bytes.

    Raises:
      UserError: it holds no graph, or one without such nodes; or the labels cannot be read.
    """
    from scripts.graphs import description as description_lib
    from scripts.graphs import float_input, graph_files
    from scripts.images import graph_input as graph_input_lib
    from scripts.inference import labelling

    graph_def = graph_files.parse(data, path, values.allow_tensorrt_engines)
    described = description_lib.find(graph_def)
    description = described and described.description
    graph_input = graph_input_lib.read_off(graph_def, values.input_layer, description)
    given = {field: values[flag].value for flag, field in _PIXELS.items()}
    given = {field: value for field, value in given.items() if value is not None}
    if description is None and not {'mean', 'std'} <= set(given):
        graph_input_lib.warn_of_guess(graph_input)
    graph_input = graph_input._replace(pixels=graph_input.pixels._replace(**given))
    pixels = graph_input.pixels
    takes_bytes = (pixels.mean, pixels.std) == (0, 1)
    graph_def = float_input.feed_floats(graph_def, graph_input.name, takes_bytes)
    if description:
        _warn_of_contradictions(graph_input, description.input, given)
    output_name = values.output_layer or (described and described.output_name)
    output_name = labelling.output_of(graph_def, output_name)
    labels = _labels(values, path, description)
    return Graph(path, data, graph_def, graph_input, output_name, labels, description)


def _labels(values, graph_path, description):
    given = values.labels if values['labels'].present else None
    path = given or _labels_beside(graph_path)
    if description is None:
        return labels_lib.read(path or values.labels)
    described = list(description.labels)
    labels = labels_lib.read(path) if path else described
    if labels != described:
        _LOG.warning(
            'the labels in %s are not those that %s says it was trained with (%s): %s',
            path,
            graph_path,
            ', '.join(labels_lib.shortened(described)),
            'those in the file are used'
            if given
            else "the graph's are used; to use the file's, add --labels=%s" % path,
        )
    return labels if given else described


def _labels_beside(graph_path):
    """Returns the path of the X_labels.txt beside X_graph.pb, or None where there is none."""
    if not graph_path.endswith(_GRAPH):
        return None
    path = graph_path[: -len(_GRAPH)] + _LABELS
    return path if os.path.isfile(path) else None


def _warn_of_contradictions(graph_input, described, given):
    """Warns where what flags say of the input is not what the graph says."""
    said = dict(zip(graph_input.pixels._fields, described[1:]))
    different = [
        '--%s=%s (described: %s)' % (flag, given[field], said[field])
        for flag, field in _PIXELS.items()
        if given.get(field, said[field]) != said[field]
    ]
    if graph_input.name != described.name:
        different.insert(0, '--input_layer=%s (described: %s)' % (graph_input.name, described.name))
    if different:
        _LOG.warning(
            'flags contradict what the graph says of itself, and win: %s', ', '.join(different)
        )
