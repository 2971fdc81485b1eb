"""A trained graph for TensorFlow Lite."""

import os
import re
import sys

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import versions
from scripts.graphs.importing import import_graph


def convert(graph_def, graph_input, output_name):
    """Returns a graph as the bytes of a float TensorFlow Lite file.

    It takes the pixels of one photo, float32 `[1, height, width, channels]`, normalized as the
    `GraphInput` says, and gives scores, float32 `[1, labels]`.

    Args:
      graph_def: a frozen GraphDef.
      graph_input: its `GraphInput`.
      output_name: the node that gives the scores.

    Raises:
      UserError: TensorFlow Lite lacks an operation of the network.
    """
    graph = tf.Graph()
    with graph.as_default():
        input_tensor, scores_tensor = import_graph(
            graph_def, [graph_input.name + ':0', output_name + ':0']
        )
    converter = tf.lite.TFLiteConverter(graph_def, [input_tensor], [scores_tensor])
    # The converter runs a program that stands beside Python, which need not be on the path.
    path_before = os.environ.get('PATH', '')
    os.environ['PATH'] = os.path.dirname(sys.executable) + os.pathsep + path_before
    try:
        return converter.convert()
    except versions.ConverterError as error:
        lacking = re.search(
            r'(?:custom implementations|TF Select ops|Custom ops): ([^\n]*?)\.?\n', str(error)
        )
        raise UserError(
            'TensorFlow Lite does not take this network: %s; leave --tflite_output_file out'
            % ('it lacks ' + lacking.group(1) if lacking else str(error).strip().split('\n')[-1])
        )
    finally:
        os.environ['PATH'] = path_before
