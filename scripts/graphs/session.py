"""How this program opens sessions."""

import tensorflow.compat.v1 as tf


def open_session(graph):
    """Returns a Session on `graph`, which is finalized: nothing may add nodes to it any more.

    On a GPU, memory is taken as it is needed: a Jetson's is shared with the whole system.
    """
    graph.finalize()
    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True
    return tf.Session(graph=graph, config=config)
