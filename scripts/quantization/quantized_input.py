"""A graph that is fed 8-bit values instead of floats."""

import tensorflow.compat.v1 as tf

from scripts.graphs import build


def quantize_input(graph_def, limits):
    """Makes float32 placeholders quint8 ones, with a Dequantize behind each.

    Args:
      graph_def: a GraphDef.
      limits: (lowest, highest), what the 8-bit values 0 and 255 stand for.
    """
    result, targets, made = [], {}, set()
    for node in graph_def.node:
        result.append(node)
        if (
            node.op != 'Placeholder'
            or build.attribute(node, 'dtype').type != tf.float32.as_datatype_enum
        ):
            continue
        placeholder = tf.NodeDef()
        placeholder.CopyFrom(node)
        placeholder.attr['dtype'].type = tf.quint8.as_datatype_enum
        prefix = node.name + '/fed'
        added = [
            build.constant(prefix + '/min', tf.float32.as_numpy_dtype(limits[0])),
            build.constant(prefix + '/max', tf.float32.as_numpy_dtype(limits[1])),
            build.node(
                'Dequantize',
                prefix,
                [node.name, prefix + '/min', prefix + '/max'],
                T=tf.quint8,
                mode=b'MIN_COMBINED',
            ),
        ]
        result[-1:] = [placeholder] + added
        targets[node.name] = prefix
        made.update(each.name for each in added)
    taking = build.redirect([node for node in result if node.name not in made], targets)
    by_name = {node.name: node for node in taking}
    return build.graph([by_name.get(node.name, node) for node in result], graph_def)
