"""A trained graph for TensorRT, by TF-TRT: what it can run is put into nodes of its own."""

import typing

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, description, versions

PRECISIONS = FP32, FP16 = 'FP32', 'FP16'

_ENGINE = 'TRTEngineOp'


class Engines(typing.NamedTuple):
    """How many engines a graph has, and how many nodes of the network they stand for."""

    engines: int
    nodes: int


def optimize(graph_def, output_name, precision):
    """Puts what TensorRT can run of a graph into engines.

    An engine is built when the graph first runs on photos of a shape, on the GPU that runs it, so
    that the graph holds no machine code.

    Args:
      graph_def: a frozen GraphDef.
      output_name: the node that gives the scores, which stays as it is.
      precision: one of PRECISIONS, in which TensorRT may compute.

    Returns:
      The GraphDef, with the description, if there is one.

    Raises:
      UserError: this TensorFlow has no TensorRT, or it can run no part of the graph.
    """
    try:
        optimized = versions.tensorrt_graph(graph_def, [output_name], precision)
    except (RuntimeError, ImportError, tf.errors.OpError) as error:
        raise _refusal(str(error).strip().split('\n')[0])
    if not count(optimized).engines:
        raise _refusal('it made no engine of the graph')
    description.copy(graph_def, optimized)
    return optimized


def count(graph_def):
    """Returns the `Engines` of a GraphDef."""
    functions = {each.signature.name: each for each in graph_def.library.function}
    engines = [node for node in graph_def.node if node.op == _ENGINE]
    segments = [functions.get(_segment(node)) for node in engines]
    return Engines(len(engines), sum(len(each.node_def) for each in segments if each is not None))


def _segment(engine):
    """Returns the name of the function that has the nodes of an engine."""
    return build.attribute(engine, 'segment_func').func.name


def _refusal(why):
    return UserError(
        'TensorFlow %s cannot optimize the graph for TensorRT: %s; nothing was written. It takes a '
        "TensorFlow that is built with TensorRT, such as NVIDIA's 1.15 for Jetson, and a GPU"
        % (tf.VERSION, why)
    )
