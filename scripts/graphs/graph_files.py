"""GraphDefs on disk."""

import warnings

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from scripts.common import files
from scripts.common.errors import UserError
from scripts.graphs import validation


def parse(data, origin, allow_tensorrt_engines=False):
    """Returns the GraphDef that the bytes `data` hold.

    Args:
      data: bytes.
      origin: what a message calls them.
      allow_tensorrt_engines: whether it may hold TensorRT engines, which nothing checks.

    Raises:
      UserError: they hold no GraphDef, or one without nodes, or one that `validation` refuses.
    """
    graph_def = tf.GraphDef()
    if not parse_message(graph_def, data):
        raise UserError(
            '%s is not a frozen graph: its %d bytes do not parse as a GraphDef; '
            'expected a .pb file as retrain writes it' % (origin, len(data))
        )
    if not graph_def.node:
        raise UserError('%s holds a graph without nodes; expected a frozen graph' % origin)
    validation.check_structure(graph_def, origin)
    if not allow_tensorrt_engines:
        validation.check_engines(graph_def, origin)
    validation.drop_unknown_defaults(graph_def, origin)
    return graph_def


def parse_message(message, data):
    """Fills an empty protobuf message from bytes; returns whether they are one, to their end."""
    try:
        with warnings.catch_warnings(record=True) as unparsed:
            # Where it stops in the middle of the bytes, protobuf only warns.
            warnings.simplefilter('always')
            message.ParseFromString(data)
    except DecodeError:
        return False
    return not unparsed


def read(path):
    """Returns the GraphDef in the file at `path`.

    Raises:
      UserError: the file is unreadable or holds no GraphDef.
    """
    return parse(files.read(path, 'graph'), path)


def write(graph_def, path):
    """Writes `graph_def` to `path`: the same graph always gives the same bytes."""
    files.write(path, graph_def.SerializeToString(deterministic=True))
