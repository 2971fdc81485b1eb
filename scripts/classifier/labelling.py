"""Labelling photos with a retrained graph."""

import os
import time
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.errors import UserError
from scripts.graphs import search
from scripts.graphs.session import open_session
from scripts.images import pixels

_DEFAULT_OUTPUT = 'final_result'


class Scores(typing.NamedTuple):
    """values: float32 `[labels]`. seconds: what the network alone took."""

    values: np.ndarray
    seconds: float


def output_of(graph_def, name=None):
    """Returns the name of the node that gives the scores.

    Args:
      graph_def: a GraphDef.
      name: the node that a person names, or None: `final_result`, or the only output.

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
    """Runs a graph on one photo.

    Args:
      graph_def: a frozen GraphDef.
      graph_input: its `GraphInput`.
      output_name: the node that gives the scores, float32 `[1, labels]`.
      path: the photo's.

    Returns:
      The `Scores`.

    Raises:
      UserError: the photo cannot be read, or the graph does not run on it.
    """
    graph = tf.Graph()
    with graph.as_default():
        try:
            input_tensor, output_tensor = tf.import_graph_def(
                graph_def, return_elements=[graph_input.name + ':0', output_name + ':0'], name=''
            )
        except (ValueError, tf.errors.OpError) as error:
            raise UserError('TensorFlow %s cannot load the graph: %s' % (tf.VERSION, error))
        path_tensor = tf.placeholder(tf.string, [])
        pixels_tensor = pixels.load(path_tensor, graph_input.pixels)[tf.newaxis]
    if not input_tensor.shape.is_compatible_with(pixels_tensor.shape):
        raise UserError(
            'the node %s takes pixels of shape %s, and --input_height and '
            '--input_width make %s: leave them out, and they are read off the graph'
            % (graph_input.name, input_tensor.shape, pixels_tensor.shape)
        )
    with open_session(graph) as session:
        try:
            image = session.run(pixels_tensor, {path_tensor: os.fsencode(path)})
        except tf.errors.OpError as error:
            raise UserError('the photo %s cannot be read: %s' % (path, _first_line(error)))
        start = time.time()
        try:
            values = session.run(output_tensor, {input_tensor: image})
        except tf.errors.OpError as error:
            raise UserError(
                'the graph does not run from %s to %s: %s'
                % (graph_input.name, output_name, _first_line(error))
            )
        seconds = time.time() - start
    if values.ndim != 2:
        raise UserError(
            'the node %s gives values of shape %s, expected scores of shape [1, '
            'labels]: check --output_layer' % (output_name, list(values.shape))
        )
    return Scores(values[0], seconds)


def _first_line(error):
    return error.message.split('\n')[0]
