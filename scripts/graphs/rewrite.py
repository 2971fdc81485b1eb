"""Passes over GraphDefs: each takes one and returns a new one."""

import tensorflow.compat.v1 as tf

from scripts.graphs import search


def cut_at(graph_def, name, shape):
    """Makes the node `name` a float32 placeholder and drops what stood only before it.

    The fed tensor of Inception v3, `Mul`, is the last step of its own decoding and scaling; fed
    from outside, that part is dead weight that other tools stumble over.

    Args:
      graph_def: a GraphDef with the node.
      name: the node's name. A node that is a Placeholder already stays as it is.
      shape: list of int, the placeholder's shape.
    """
    if search.nodes_by_name(graph_def)[name].op == 'Placeholder':
        return graph_def
    needed = _without_ancestors(graph_def, name)
    result = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name == name:
            placeholder = result.node.add(name=name, op='Placeholder')
            placeholder.attr['dtype'].type = tf.float32.as_datatype_enum
            placeholder.attr['shape'].shape.CopyFrom(tf.TensorShape(shape).as_proto())
        elif node.name in needed:
            result.node.add().CopyFrom(node)
    return result


def allow_any_batch(graph_def, input_name):
    """Lets a graph that was made for one image at a time take a batch of any size.

    MobileNet declares its placeholder with one image; Inception's last step reshapes to the
    constant [1, 2048]. Both ones become -1; nothing else changes.

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
        if node.op in ('Reshape', 'QuantizedReshape') and search.node_name(node.input[0]) in fed
    }
    for name in shapes:
        if nodes[name].op == 'Const':
            _free_first_dimension(nodes[name])
    return result


def _free_first_dimension(node):
    shape = tf.make_ndarray(node.attr['value'].tensor)
    if shape.ndim == 1 and shape.size > 1 and shape[0] == 1 and -1 not in shape:
        freed = shape.copy()
        freed[0] = -1
        node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(freed))


def _without_ancestors(graph_def, name):
    """Returns the names of the nodes that some output needs when `name` is fed from outside."""
    nodes = search.nodes_by_name(graph_def)
    needed, waiting = set(), [each for each in search.outputs(graph_def)]
    while waiting:
        current = waiting.pop()
        if current in needed:
            continue
        needed.add(current)
        if current != name:
            waiting.extend(search.node_name(each) for each in nodes[current].input)
    return needed
