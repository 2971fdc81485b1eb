"""Labelling photos with a retrained graph."""

import contextlib
import time
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, rewrite, search, versions
from scripts.graphs.importing import import_graph
from scripts.images import bad_images, runner

_DEFAULT_OUTPUT = 'final_result'


class Scores(typing.NamedTuple):
    """values: float32 `[labels]`. seconds: from the photo's file to its scores, without loading."""

    values: np.ndarray
    seconds: float


def output_of(graph_def, name=None):
    """Returns the name of the node that gives the scores.

    Args:
      graph_def: a GraphDef.
      name: the node that the user names, or None: `final_result`, or the only output.

    Raises:
      UserError: there is no such node.
    """
    outputs = search.outputs(graph_def)
    if (
        name is None
        and _DEFAULT_OUTPUT not in search.nodes_by_name(graph_def)
        and len(outputs) == 1
    ):
        return outputs[0]
    return search.require_node(graph_def, name or _DEFAULT_OUTPUT, outputs).name


def score(graph_def, graph_input, output_name, path):
    """Runs a graph, as it is, on one photo.

    Args:
      graph_def: a frozen GraphDef.
      graph_input: its `GraphInput`.
      output_name: the node that gives the scores, float32 `[1, labels]`.
      path: the photo's.

    Returns:
      The `Scores`.

    Raises:
      UserError: the photo is unreadable, or the graph does not run on it.
    """
    declared = _check_fed_shape(graph_def, graph_input)
    if declared not in (None, 1):
        graph_def, declared = rewrite.allow_any_batch(graph_def, graph_input.name), None

    def build(pixels_tensor):
        pixels_tensor.set_shape([declared, None, None, None])
        return _scores_of(pixels_tensor, graph_def, graph_input, output_name)

    with runner.Runner(graph_input.pixels, build) as photos, runs(graph_input, output_name):
        start = time.time()
        ((values, _),) = photos.run([[path]], bad_images.ONLY)
        seconds = time.time() - start
    _check_shape(values, output_name)
    if len(values) != 1:
        raise UserError('the graph gives %d rows of scores for a photo, expected 1' % len(values))
    _check_finite(values, output_name)
    return Scores(values[0], seconds)


def score_many(graph_def, graph_input, output_name, paths):
    """Runs a graph on many photos, in batches, through the same runner as training.

    If the graph has dynamic ranges of 8-bit values, each photo is a batch: the values of another
    one would change its ranges, and so its scores.

    Args:
      graph_def: a frozen GraphDef, which may have been made for one image at a time.
      graph_input: its `GraphInput`.
      output_name: the node that gives the scores, float32 `[batch, labels]`.
      paths: list of str.

    Yields:
      For each batch of photos, in order: its slice of `paths`, the scores, float32
      `[batch, labels]`, and a bool array `[batch]` that is False for unreadable photos, each of
      which is a warning.

    Raises:
      UserError: the graph does not run.
    """

    def build(pixels_tensor):
        freed = rewrite.allow_any_batch(graph_def, graph_input.name)
        return _scores_of(pixels_tensor, freed, graph_input, output_name)

    _check_fed_shape(graph_def, graph_input)
    alone = search.ranges_depend_on(graph_def, graph_input.name)
    groups = runner.groups(len(paths), 1 if alone else runner.BATCH_SIZE)
    with runs(graph_input, output_name):
        results = runner.run(graph_input.pixels, build, [paths[group] for group in groups])
        for group, (values, readable) in zip(groups, results):
            _check_shape(values, output_name)
            if len(values) != len(readable):
                raise UserError(
                    'the graph gives %d rows of scores for a batch of %d photos, so it takes them '
                    'one at a time only' % (len(values), len(readable))
                )
            _check_finite(values[readable], output_name)
            yield group, values, readable


def _check_fed_shape(graph_def, graph_input):
    """Raises UserError if the fed node does not take a batch of such pixels.

    Returns:
      How many photos it is declared to take at once, or None.
    """
    node, spec = search.nodes_by_name(graph_def)[graph_input.name], graph_input.pixels
    shape = tf.TensorShape([None, spec.height, spec.width, 3])
    declared = tf.TensorShape(
        build.attribute(node, 'shape').shape if 'shape' in node.attr else None
    )
    if not declared.is_compatible_with(shape):
        raise UserError(
            'the node %s takes pixels of shape %s, and photos are %s (batch, height, width, RGB): '
            'leave --input_height and --input_width out, or name another node by --input_layer'
            % (graph_input.name, declared, shape)
        )
    return declared.as_list()[0] if declared.ndims else None


def _scores_of(pixels_tensor, graph_def, graph_input, output_name):
    """Adds a graph behind pixels; returns its scores, float32. UserError: it gives no numbers."""
    fed = {graph_input.name + ':0': pixels_tensor}
    (output_tensor,) = import_graph(graph_def, [output_name + ':0'], fed)
    dtype = output_tensor.dtype
    if not (dtype.is_floating or dtype.is_integer):
        raise UserError(
            'the node %s gives %s values, expected scores as numbers: check --output_layer'
            % (output_name, dtype.name)
        )
    return tf.cast(output_tensor, tf.float32)


@contextlib.contextmanager
def runs(graph_input, output_name):
    """Turns an error of TensorFlow in running a graph into a UserError."""
    try:
        yield
    except tf.errors.OpError as error:
        raise UserError(
            'the graph does not run from %s to %s: %s'
            % (graph_input.name, output_name, versions.what_failed(error))
        )


def _check_shape(values, output_name):
    if values.ndim != 2:
        raise UserError(
            'the node %s gives values of shape %s, expected scores of shape [1, '
            'labels]: check --output_layer' % (output_name, list(values.shape))
        )


def _check_finite(values, output_name):
    if not np.isfinite(values).all():
        raise UserError(
            'the node %s gives scores that are not finite: the graph is corrupt' % output_name
        )
