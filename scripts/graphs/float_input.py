"""Makes graphs that are fed 8-bit values take the floats that these stand for.

So there is one way from photos to any graph: a graph that `quantize_graph --quantized_input` wrote
is fed like the float graph that it was made from.
"""

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search

# Ops that take 8-bit values, and which input is the lower end of their range; the upper end is the
# next one.
_RANGE_AT = {
    'Dequantize': 1,
    'QuantizedAvgPool': 1,
    'QuantizedMaxPool': 1,
    'QuantizedRelu': 1,
    'QuantizedRelu6': 1,
    'QuantizedBiasAdd': 2,
    'QuantizedConv2D': 2,
    'QuantizedMatMul': 2,
    'QuantizedReshape': 2,
}


def feed_floats(graph_def, name, takes_bytes):
    """Returns a GraphDef whose placeholder takes float32; the same one where it does already.

    Args:
      graph_def: a GraphDef.
      name: the node that is fed. A node other than a Placeholder stays as it is.
      takes_bytes: whether it is fed unscaled pixels from 0 to 255, which a uint8 placeholder can
        take as well, rounded.

    Raises:
      UserError: it takes another type, or 8-bit values whose range no node gives.
    """
    node = search.nodes_by_name(graph_def)[name]
    dtype = tf.as_dtype(build.attribute(node, 'dtype').type or tf.float32)
    if node.op != 'Placeholder' or dtype == tf.float32:
        return graph_def
    new = build.NewGraph(graph_def)
    scope = new.unused_scope(name + '/eightbit')
    new.keep(_with_dtype(node, tf.float32))
    if dtype == tf.quint8:
        eight = _quantized(new, graph_def, name, scope)
    elif dtype == tf.uint8 and takes_bytes:
        rounded = new.add('Round', scope + '/rounded', [name], T=tf.float32)
        eight = new.add('Cast', scope, [rounded], SrcT=tf.float32, DstT=tf.uint8)
    else:
        raise UserError(
            'the node %s takes %s, and no node says which floats these stand for: expected a graph '
            'that is fed float32, or unscaled uint8 pixels with --input_mean=0 --input_std=1'
            % (name, dtype.name)
        )
    others = [each for each in graph_def.node if each.name != name]
    for each in build.rewire(others, {name: eight}):
        new.keep(each)
    return new.graph_def()


def _quantized(new, graph_def, name, scope):
    """Adds the QuantizeV2 that matches the node that takes the placeholder's values."""
    for user in search.consumers(graph_def)[name]:
        first = _RANGE_AT.get(user.op)
        if first is not None:
            mode = build.attribute(user, 'mode').s or b'MIN_COMBINED'
            inputs = [name] + list(user.input[first : first + 2])
            return new.add('QuantizeV2', scope, inputs, T=tf.quint8, mode=mode)
    raise UserError(
        'the node %s takes 8-bit values, and no node says which floats these stand for: expected '
        'what quantize_graph --quantized_input writes' % name
    )


def _with_dtype(node, dtype):
    copy = tf.NodeDef()
    copy.CopyFrom(node)
    copy.attr['dtype'].type = dtype.as_datatype_enum
    return copy
