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
      value: numpy array, or what numpy makes one of.
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


def value_or_none(const_node):
    """Returns the numpy array that a Const NodeDef holds, or None where it is corrupt."""
    try:
        return value_of(const_node)
    except (KeyError, TypeError, ValueError):
        return None


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


class NewGraph:
    """The graph that a pass makes of another one: nodes kept under their names, and new ones.

    All names of new nodes are chosen here, where all names of both graphs are known: none clash.
    """

    def __init__(self, graph_def):
        self._like, self._nodes = graph_def, []
        self._names = {node.name for node in graph_def.node}
        self._scopes = set()

    def graph_def(self):
        """Returns the GraphDef, with the versions and function library of the old one."""
        return graph(self._nodes, self._like)

    def keep(self, node):
        """Adds a NodeDef that has the name of a node of the old graph, or one of `unused_name`."""
        self._nodes.append(node)

    def add(self, op, wanted, inputs, **attributes):
        """Adds a `node` under an `unused_name`, which it returns."""
        name = self.unused_name(wanted)
        self.keep(node(op, name, inputs, **attributes))
        return name

    def constant(self, wanted, value, dtype=None):
        """Adds a `constant` under an `unused_name`, which it returns."""
        name = self.unused_name(wanted)
        self.keep(constant(name, value, dtype))
        return name

    def unused_name(self, wanted):
        """Returns `wanted`, or where a node has that name `wanted_1` and so on; it is used then."""
        name = _first_outside(wanted, self._names)
        self._names.add(name)
        return name

    def unused_scope(self, wanted):
        """Returns a name like `unused_name` to put a group of nodes under; one node may have it."""
        scope = _first_outside(wanted, self._names, self._scopes)
        self._scopes.add(scope)
        return scope


def output_index(tensor_name):
    """Returns which output of its node a tensor name means: 1 for `Split:1`, 0 for `Split`."""
    return int(tensor_name.split(':')[1]) if ':' in tensor_name else 0


def scope_of(tensor_name):
    """Returns a tensor's name as a part of a node's: `Split_1` for `Split:1`; it may clash."""
    return tensor_name.replace(':', '_')


def subgraph(graph_def, names):
    """Returns a GraphDef of the nodes that the nodes `names` need; arguments as of `needed`."""
    return graph(needed(graph_def.node, names), graph_def)


def needed(nodes, names):
    """Returns the NodeDefs that the nodes `names` need, in topological order.

    Not tf.graph_util.extract_sub_graph: it keeps the file's order, takes time quadratic in the
    inputs (110 s for a million, where this takes 1 s) and ends in a KeyError on some `_class`es.

    Args:
      nodes: NodeDefs; where they have loops, those come in any order.
      names: list of node names.
    """
    nodes = {node.name: node for node in nodes}
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


def rewire(nodes, targets):
    """Returns copies of `nodes` in which inputs are replaced.

    Args:
      nodes: NodeDefs.
      targets: dict from a tensor name (`Relu`, `Split:1`) to the tensor name to take instead;
        a chain of replacements is followed. Control inputs follow their node.
    """

    targets = dict(targets)

    def final(name):
        control = name.startswith('^')
        name = name[1:] if control else name[:-2] if name.endswith(':0') else name
        passed = []
        while name in targets:
            passed.append(name)
            name = targets[name]
        for each in passed:  # Long chains are followed only once.
            targets[each] = name
        return '^' + search.node_name(name) if control else name

    results = []
    for each in nodes:
        copy = tf.NodeDef()
        copy.CopyFrom(each)
        copy.input[:] = [final(name) for name in each.input]
        results.append(copy)
    return results


def _first_outside(wanted, *taken):
    name, number = wanted, 0
    while any(name in names for names in taken):
        number += 1
        name = '%s_%d' % (wanted, number)
    return name
