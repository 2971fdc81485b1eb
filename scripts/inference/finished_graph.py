"""A finished graph: how it is fed and read, and what its scores mean.

What the settings give wins; then what the graph says of itself; then what its nodes tell.
"""

import logging
import os
import typing

from scripts.common.errors import UserError
from scripts.dataset import labels as labels_lib
from scripts.images import settings as settings_lib
from scripts.images.settings import Channels

_LOG = logging.getLogger(__name__)

# The settings that give fields of `PixelSpec`.
_PIXELS = {
    'input_height': 'height',
    'input_width': 'width',
    'input_mean': 'mean',
    'input_std': 'std',
    'exif_rotation': 'exif_rotation',
    'decode': 'decode',
}
_GRAPH, _LABELS = '_graph.pb', '_labels.txt'


class Settings(typing.NamedTuple):
    """How to read a graph; None: as the graph says. Commands have flags of the same names.

    input_height, input_width: pixels.
    input_mean, input_std: the graph is fed `(pixel - mean) / std`; one number, or one for each of
      red, green and blue.
    exif_rotation: one of `images.settings.EXIF_ROTATIONS`.
    decode: one of `images.settings.DECODINGS`.
    input_layer, output_layer: the names of the nodes that are fed and that give the scores.
    labels: the path of the labels.
    default_labels: the path of the labels if neither the graph nor a file beside it has them.
    allow_tensorrt_engines: whether the graph may hold TensorRT engines, which are machine code.
    """

    input_height: typing.Optional[int] = None
    input_width: typing.Optional[int] = None
    input_mean: typing.Optional[Channels] = None
    input_std: typing.Optional[Channels] = None
    exif_rotation: typing.Optional[str] = None
    decode: typing.Optional[str] = None
    input_layer: typing.Optional[str] = None
    output_layer: typing.Optional[str] = None
    labels: typing.Optional[str] = None
    default_labels: typing.Optional[str] = None
    allow_tensorrt_engines: bool = False


AS_DESCRIBED = Settings()


class Graph(typing.NamedTuple):
    """A graph, how to run it, and what its scores mean.

    path, data: of the file, and its bytes.
    classifier: the `labelling.ScoringGraph`.
    labels: list of str, in the order of the scores.
    description: its `Description`, or None.
    """

    path: str
    data: bytes
    classifier: typing.Any
    labels: typing.List[str]
    description: typing.Any


def check(settings):
    """Raises UserError if `Settings` make no sense with any graph."""
    settings_lib.check_std(settings.input_std)


def read(path, data, settings=AS_DESCRIBED):
    """Returns the `Graph` in a file; warns where settings or labels contradict what it says.

    Args:
      path, data: of the file, and its bytes.
      settings: the `Settings`.

    Raises:
      UserError: it holds no graph, or one without such nodes; or the labels cannot be read.
    """
    from scripts.graphs import description as description_lib
    from scripts.graphs import float_input, graph_files
    from scripts.inference import labelling

    graph_def = graph_files.parse(data, path, settings.allow_tensorrt_engines)
    described = description_lib.find(graph_def)
    description = described and described.description
    graph_input = input_of(graph_def, description, settings)
    pixels = graph_input.pixels
    takes_bytes = (pixels.mean, pixels.std) == (0, 1)
    graph_def = float_input.feed_floats(graph_def, graph_input.name, takes_bytes)
    output_name = settings.output_layer or (described and described.output_name)
    output_name = labelling.output_of(graph_def, output_name)
    classifier = labelling.ScoringGraph(graph_def, graph_input, output_name)
    return Graph(path, data, classifier, _labels(path, description, settings), description)


def input_of(graph_def, description, settings=AS_DESCRIBED):
    """Returns the `GraphInput` of a graph; warns of a guess, and of settings that contradict it.

    Args:
      graph_def: a GraphDef.
      description: its `Description`, or None.
      settings: the `Settings`.

    Raises:
      UserError: the graph has no such node.
    """
    from scripts.images import graph_input as graph_input_lib

    graph_input = graph_input_lib.read_off(graph_def, settings.input_layer, description)
    given = {field: getattr(settings, name) for name, field in _PIXELS.items()}
    given = {field: value for field, value in given.items() if value is not None}
    if description is None and not {'mean', 'std'} <= set(given):
        graph_input_lib.warn_of_guess(graph_input)
    pixels = graph_input.pixels._replace(**given)
    settings_lib.check_channels(pixels)
    graph_input = graph_input._replace(pixels=pixels)
    if description:
        _warn_of_contradictions(graph_input, description.input, given)
    return graph_input


def check_label_count(path, labels, scores):
    """Raises UserError unless a graph gives a score for each label.

    Args:
      path: of the graph.
      labels: list of str.
      scores: `[labels]`, what it gives for a photo.
    """
    if len(scores) != len(labels):
        raise UserError(
            'there are %d labels, and the graph %s gives %d scores: give the labels that were '
            'written with it by --labels' % (len(labels), path, len(scores))
        )


def _labels(graph_path, description, settings):
    path = settings.labels or _labels_beside(graph_path)
    if description is None or not description.labels:
        path = path or settings.default_labels
        if path is None:
            raise UserError('the graph %s holds no labels: give a labels file' % graph_path)
        return labels_lib.read(path)
    described = list(description.labels)
    labels = labels_lib.read(path) if path else described
    if labels != described:
        _LOG.warning(
            'the labels in %s are not those that %s was trained with (%s): %s',
            path,
            graph_path,
            ', '.join(labels_lib.shortened(described)),
            'those in the file are used'
            if settings.labels
            else "the graph's are used; to use the file's, add --labels=%s" % path,
        )
    return labels if settings.labels else described


def _labels_beside(graph_path):
    """Returns the path of the X_labels.txt beside X_graph.pb, or None if there is none."""
    if not graph_path.endswith(_GRAPH):
        return None
    path = graph_path[: -len(_GRAPH)] + _LABELS
    return path if os.path.isfile(path) else None


def _warn_of_contradictions(graph_input, described, given):
    """Warns if settings contradict what the graph says of its input."""
    said = dict(zip(graph_input.pixels._fields, described[1:]))
    different = [
        '--%s=%s (described: %s)' % (name, _typed(given[field]), _typed(said[field]))
        for name, field in _PIXELS.items()
        if given.get(field, said[field]) != said[field]
    ]
    if graph_input.name != described.name:
        different.insert(0, '--input_layer=%s (described: %s)' % (graph_input.name, described.name))
    if different:
        _LOG.warning('flags override what the graph says of itself: %s', ', '.join(different))


def _typed(value):
    """Returns the value of a flag as it would be typed."""
    return ','.join(map(str, value)) if isinstance(value, tuple) else str(value)
