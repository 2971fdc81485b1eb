"""How this program opens sessions."""

import tensorflow.compat.v1 as tf

from scripts.graphs import versions

# The largest network of Keras, NASNetLarge, has 6,708 nodes. On a long chain, TensorFlow's own
# rewriting of graphs is quadratic in 1.15 (a minute for 100,000 nodes), and crashes in 2.21 (for
# 49,000).
MOST_REWRITTEN = 20000


def open_session(graph, threads=0):
    """Returns a Session on `graph`, which is finalized: nothing may add nodes to it any more.

    On a GPU, memory is allocated as needed: a Jetson shares it with the whole system. A graph of
    more than MOST_REWRITTEN nodes is run as it is.

    Args:
      graph: a tf.Graph.
      threads: int, how many compute; 0: one for each processor. The first session of a process
        decides for all.
    """
    graph.finalize()
    config = tf.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
    )
    config.gpu_options.allow_growth = True
    if len(graph.get_operations()) > MOST_REWRITTEN:
        config.graph_options.rewrite_options.disable_meta_optimizer = True
    return tf.Session(graph=graph, config=config)


def callable_of(session, fed, fetched, target):
    """Returns a function that runs an operation: it takes what is fed, returns what is fetched.

    It is a quarter faster than Session.run in a small training step: see `versions.PRIVATE`.

    Args:
      session: a Session.
      fed: list of tensors; the function takes an array of its dtype for each.
      fetched: a tensor, or None: the function returns None.
      target: an operation.
    """
    options = versions.CallableOptions(
        feed=[tensor.name for tensor in fed],
        fetch=[] if fetched is None else [fetched.name],
        target=[target.name],
    )
    run = versions.make_callable(session, options)
    return lambda *values: next(iter(run(*values)), None)
