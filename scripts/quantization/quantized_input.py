"""A graph that is fed 8-bit values instead of floats."""

import tensorflow.compat.v1 as tf

from scripts.graphs import build
from scripts.quantization import ranges


def quantize_input(graph_def, limits):
    """Makes float32 placeholders quint8 ones, with a Dequantize behind each.

    Args:
      graph_def: a GraphDef.
      limits: the `Range` that the 8-bit values 0 to 255 stand for.
    """
    new, fed = build.NewGraph(graph_def), {}
    for node in graph_def.node:
        dtype = build.attribute(node, 'dtype').type
        if node.op != 'Placeholder' or dtype != tf.float32.as_datatype_enum:
            continue
        placeholder = tf.NodeDef()
        placeholder.CopyFrom(node)
        placeholder.attr['dtype'].type = tf.quint8.as_datatype_enum
        new.keep(placeholder)
        scope = new.unused_scope(node.name + '/fed')
        inputs = [node.name] + list(ranges.add_constant(new, scope, *limits))
        fed[node.name] = new.add('Dequantize', scope, inputs, T=tf.quint8, mode=b'MIN_COMBINED')
    others = [node for node in graph_def.node if node.name not in fed]
    for node in build.rewire(others, fed):
        new.keep(node)
    return new.graph_def()
