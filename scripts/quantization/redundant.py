"""Removes steps from 8 bits to float and straight back."""

import numpy as np

from scripts.graphs import build, search


def remove_redundant(graph_def):
    """Rewires what takes a QuantizeV2 of a Dequantize to the 8-bit values before the two.

    A QuantizeV2 to a constant range other than that of the values stays: a user or a FakeQuant node
    asked for that range.

    Args:
      graph_def: a GraphDef.

    Returns:
      A new GraphDef; nodes that are no longer needed are still in it.
    """
    nodes = search.nodes_by_name(graph_def)
    targets = {}
    for node in graph_def.node:
        if node.op != 'QuantizeV2':
            continue
        before = nodes[search.node_name(node.input[0])]
        if before.op != 'Dequantize' or _key(before) != _key(node):
            continue
        wanted = [_value(nodes, name) for name in node.input[1:3]]
        present = [_value(nodes, name) for name in before.input[1:3]]
        if None in wanted or np.allclose(
            wanted, [np.nan if each is None else each for each in present]
        ):
            for index in range(3):
                output = node.name if index == 0 else '%s:%d' % (node.name, index)
                targets[output] = before.input[index]
    return build.graph(build.rewire(graph_def.node, targets), graph_def)


def _key(node):
    return build.attribute(node, 'T').type, build.attribute(node, 'mode').s or b'MIN_COMBINED'


def _value(nodes, name):
    """Returns the scalar behind a tensor name, or None where it is not constant."""
    node = nodes[search.node_name(name)]
    return float(build.value_of(node)) if node.op == 'Const' else None
