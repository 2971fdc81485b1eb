"""Passes over GraphDefs: each takes one and returns a new one."""

import tensorflow.compat.v1 as tf

from scripts.graphs import build, search


def cut_at(graph_def, name, shape):
    """Makes the node `name` a float32 placeholder and drops the nodes that only it needed.

    The fed tensor of Inception v3, `Mul`, is the last step of its own decoding and scaling;
    where that is fed, the nodes before it are unused, and some other tools fail on them.

    Args:
      graph_def: a GraphDef with the node.
      name: the node's name. A node that is a Placeholder already stays as it is.
      shape: list of int, the placeholder's shape.
    """
    if search.nodes_by_name(graph_def)[name].op == 'Placeholder':
        return graph_def
    placeholder = build.node('Placeholder', name, [], dtype=tf.float32)
    placeholder.attr['shape'].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    nodes = [placeholder if node.name == name else node for node in graph_def.node]
    needed = {node.name for node in build.needed(nodes, search.outputs(graph_def))}
    return build.graph([node for node in nodes if node.name in needed], graph_def)


def allow_any_batch(graph_def, input_name):
    """Lets a graph that was made for one image at a time take a batch of any size.

    MobileNet declares its placeholder with one image; Inception's last step reshapes to the
    constant [1, 2048]. Both dimensions of 1 become -1; nothing else changes.

    Args:
      graph_def: a GraphDef.
      input_name: the name of the node that is fed.
    """
    result = tf.GraphDef()
    result.CopyFrom(graph_def)
    nodes = search.nodes_by_name(result)
    if nodes[input_name].op == 'Placeholder':
        dims = nodes[input_name].attr['shape'].shape.dim
        if dims:
            dims[0].size = -1
    fed = search.downstream(result, input_name)
    shapes = {
        search.node_name(node.input[1])
        for node in result.node
        if node.op in ('Reshape', 'QuantizedReshape')
        and len(node.input) > 1
        and search.node_name(node.input[0]) in fed
    }
    for name in shapes:
        if nodes[name].op == 'Const':
            _free_first_dimension(nodes[name])
    return result


def _free_first_dimension(node):
    shape = build.value_or_none(node)
    if (
        shape is not None
        and shape.ndim == 1
        and shape.size > 1
        and shape[0] == 1
        and -1 not in shape
    ):
        freed = shape.copy()
        freed[0] = -1
        node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(freed))
