"""The order and the names in an ONNX model, which tf2onnx takes from sets and from a counter."""

import re

# What tf2onnx puts behind a name that it makes.
_NUMBER = re.compile(r'__\d+')


def make_reproducible(model):
    """Sorts and renames the parts of an ONNX ModelProto, so that equal models have equal bytes.

    Nodes keep their names up to a number; constants are numbered. Inputs and outputs stay. A model
    with control flow stays as it is: its parts refer to each other by name.
    """
    graph = model.graph
    if any(attribute.HasField('g') for node in graph.node for attribute in node.attribute):
        return
    graph.name = _NUMBER.sub('', graph.name)
    ends = list(graph.input) + list(graph.output)
    for each in ends:
        for index, dim in enumerate(each.type.tensor_type.shape.dim):
            if dim.HasField('dim_param'):  # Of any size.
                dim.dim_param = 'dim_%d' % index if index else 'batch'
    nodes = _ordered(graph)
    constants = _rename(nodes, graph.initializer, {each.name for each in ends})
    for part, values in ((graph.node, nodes), (graph.initializer, constants)):
        copies = [type(each).FromString(each.SerializeToString()) for each in values]
        del part[:]
        part.extend(copies)


def _rename(nodes, initializers, kept):
    """Renames nodes and values in the order in which they are computed.

    Args:
      nodes: list of NodeProto, in topological order; they are changed.
      initializers: TensorProtos, which are changed.
      kept: set of str, the names of values that stay.

    Returns:
      The list of the initializers that nodes take, in their order.
    """
    constants = {each.name: each for each in initializers}
    names = {name: name for name in kept}
    ordered, taken = [], set(names)
    for node in nodes:
        for name in node.input:
            if name in constants and name not in names:
                names[name] = constants[name].name = 'constant_%d' % len(ordered)
                ordered.append(constants[name])
        node.name = _unused(_NUMBER.sub('', node.name), taken)
        for index, name in enumerate(node.output):
            names.setdefault(name, '%s:%d' % (node.name, index))
        for part in (node.input, node.output):
            part[:] = [name and names[name] for name in part]  # Empty: an input that is left out.
    return ordered


def _ordered(graph):
    """Returns the list of the nodes that the outputs need, in topological order."""
    producers = {name: node for node in graph.node for name in node.output}
    done, ordered = set(), []
    waiting = [(each.name, False) for each in reversed(graph.output)]
    while waiting:
        name, ready = waiting.pop()
        node = producers.get(name)
        if ready:
            ordered.append(node)
        elif node is not None and node.output[0] not in done:
            done.add(node.output[0])
            waiting.append((name, True))
            waiting.extend((each, False) for each in reversed(node.input))
    return ordered


def _unused(wanted, taken):
    """Returns a name that is not in the set `taken`, and adds it."""
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = '%s_%d' % (wanted, number)
    taken.add(name)
    return name
