"""A graph that labels drawn photos by their colour, with errors on purpose."""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import graph_files

# From red, green and blue to the labels of tests.pictures: blue ones, red, green.
_BY_COLOUR = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32)


def by_colour(path, factor=20.0, bias=(0.0, 0.0, 0.0), labels=3, output='final_result'):
    """Writes a graph that takes one photo of 24 x 24, as a real one does; returns `path`.

    Args:
      path: of the file.
      factor: how sure it is; 0: not at all.
      bias: added to the logits of blue ones, red and green.
      labels: how many scores it gives.
      output: 'final_result', softmax, or another name for the logits.
    """
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 24, 24, 3], name='input')
        colours = tf.reduce_mean(images, [1, 2])
        logits = factor * tf.matmul(colours, _BY_COLOUR) + np.array(bias, np.float32)
        logits = tf.pad(logits, [[0, 0], [0, labels - 3]])
        if output == 'final_result':
            tf.nn.softmax(logits, name=output)
        else:
            tf.identity(logits, name=output)
    graph_files.write(graph.as_graph_def(), path)
    return path
