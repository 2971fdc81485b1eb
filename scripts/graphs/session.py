"""How this program opens sessions."""

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import config_pb2


def open_session(graph):
    """Returns a Session on `graph`, which is finalized: nothing may add nodes to it any more.

    On a GPU, memory is taken as it is needed: a Jetson's is shared with the whole system.
    """
    graph.finalize()
    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True
    return tf.Session(graph=graph, config=config)


def callable_of(session, fed, fetched, target):
    """Returns a function that runs an operation: it takes what is fed, returns what is fetched.

    Session.run looks up anew each time what is fed and fetched, which takes a quarter of a small
    training step; Session.make_callable does so too where something is fed. What it is made with
    where nothing is fed, private but the same in all versions, looks it up once.

    Args:
      session: a Session.
      fed: list of tensors; the function takes an array of its dtype for each.
      fetched: a tensor.
      target: an operation.
    """
    options = config_pb2.CallableOptions(
        feed=[tensor.name for tensor in fed], fetch=[fetched.name], target=[target.name]
    )
    run = session._make_callable_from_options(options)
    return lambda *values: run(*values)[0]
