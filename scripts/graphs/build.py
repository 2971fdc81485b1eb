"""Making NodeDefs and GraphDefs by hand, without a tf.Graph around them."""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import search


def node(op, name, inputs, **attributes):
    """Returns a NodeDef.

    Args:
      op, name: str.
      inputs: list of tensor names.
      **attributes: a DType, bool, int, float, bytes, or list of int each; other attributes keep
        the op's defaults.
    """
    result = tf.NodeDef(op=op, name=name, input=inputs)
    for key, value in attributes.items():
        attribute = result.attr[key]
        if isinstance(value, tf.DType):
            attribute.type = value.as_datatype_enum
        elif isinstance(value, bool):
            attribute.b = value
        elif isinstance(value, int):
            attribute.i = value
        elif isinstance(value, float):
            attribute.f = value
        elif isinstance(value, bytes):
            attribute.s = value
        else:
            attribute.list.i.extend(value)
    return result


def constant(name, value, dtype=None):
    """Returns a Const NodeDef.

    Args:
      name: str.
      value: numpy array or what makes one.
      dtype: the DType of the node, whose bytes `value` already has in numpy (quint8 is uint8);
        None: the dtype of `value`.
    """
    value = np.asarray(value)
    tensor = tf.make_tensor_proto(value)
    if dtype is not None:
        tensor = tf.make_tensor_proto(value.reshape(-1)[:0], shape=[0])
        tensor.dtype = dtype.as_datatype_enum
        tensor.tensor_shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
        tensor.tensor_content = value.tobytes()
    result = tf.NodeDef(op='Const', name=name)
    result.attr['dtype'].type = tensor.dtype
    result.attr['value'].tensor.CopyFrom(tensor)
    return result


def value_of(const_node):
    """Returns the numpy array that a Const NodeDef holds."""
    return tf.make_ndarray(const_node.attr['value'].tensor)


def attribute(node, key):
    """Returns an attribute of a NodeDef, an empty AttrValue where it has none.

    Reading `node.attr[key]` would add it to the node, which TensorFlow then refuses to load.
    """
    return node.attr[key] if key in node.attr else tf.AttrValue()


def graph(nodes, like):
    """Returns a GraphDef of `nodes` with the versions and function library of `like`."""
    result = tf.GraphDef(versions=like.versions, library=like.library)
    result.node.extend(nodes)
    return result


def port(tensor_name):
    """Returns the output number in a tensor name: 1 for `Split:1`, 0 for `Split`."""
    return int(tensor_name.split(':')[1]) if ':' in tensor_name else 0


def reach(graph_def, names):
    """Returns the NodeDefs that the nodes `names` need, in an order where inputs come first.

    Args:
      graph_def: a GraphDef without loops.
      names: list of node names.
    """
    nodes = search.nodes_by_name(graph_def)
    done, ordered = set(), []
    waiting = [(name, False) for name in reversed(names)]
    while waiting:
        name, ready = waiting.pop()
        if ready:
            ordered.append(nodes[name])
        elif name not in done:
            done.add(name)
            waiting.append((name, True))
            waiting.extend((search.node_name(each), False) for each in reversed(nodes[name].input))
    return ordered


def redirect(nodes, targets):
    """Returns copies of `nodes` in which inputs are replaced.

    Args:
      nodes: NodeDefs.
      targets: dict from a tensor name (`Relu`, `Split:1`) to the tensor name to take instead;
        a chain of replacements is followed. Control inputs follow their node.
    """

    def final(name):
        control = name.startswith('^')
        name = name[1:] if control else name[:-2] if name.endswith(':0') else name
        while name in targets:
            name = targets[name]
        return '^' + search.node_name(name) if control else name

    results = []
    for each in nodes:
        copy = tf.NodeDef()
        copy.CopyFrom(each)
        copy.input[:] = [final(name) for name in each.input]
        results.append(copy)
    return results
