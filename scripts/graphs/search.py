"""Finding nodes in a GraphDef, and suggesting names where one is missing."""

import difflib

from scripts.common.errors import UserError

NAMES_IN_A_MESSAGE = 5

# Ops that quantize to a range that they take: which input is its lower end.
_RANGE_INPUT = {
    'QuantizeV2': 1,
    'Requantize': 3,
    'FakeQuantWithMinMaxVars': 1,
    'FakeQuantWithMinMaxVarsPerChannel': 1,
}
# Ops that may quantize to the range of all values that they see, and the default of their attribute
# range_given, which says that they do not.
_RANGE_GIVEN = {
    'QuantizeAndDequantize': False,
    'QuantizeAndDequantizeV2': False,
    'QuantizeAndDequantizeV3': True,
    'QuantizeAndDequantizeV4': True,
    'QuantizeDownAndShrinkRange': False,
}


def node_name(tensor_name):
    """Returns the name of the node behind an input or tensor name: `Mul:0`, `^Mul` and `Mul`."""
    return tensor_name.lstrip('^').split(':')[0]


def nodes_by_name(graph_def):
    """Returns a dict from a node's name to the NodeDef."""
    return {node.name: node for node in graph_def.node}


def require_node(graph_def, name, candidates):
    """Returns the NodeDef that `name` (`Mul` or `Mul:0`) names.

    Args:
      graph_def: the GraphDef to search.
      name: what the user typed.
      candidates: names to suggest, most likely first.

    Raises:
      UserError: there is no such node.
    """
    nodes = nodes_by_name(graph_def)
    wanted = node_name(name)
    if wanted in nodes:
        return nodes[wanted]
    fitting = list(candidates)[:NAMES_IN_A_MESSAGE]
    fitting += [
        close for close in difflib.get_close_matches(wanted, nodes, n=3) if close not in fitting
    ]
    raise UserError(
        'the graph has no node %s; names that would fit: %s'
        % (wanted, ', '.join(fitting) or 'none')
    )


def consumers(graph_def):
    """Returns a dict from a node's name to the list of NodeDefs that take it as an input."""
    users = {node.name: [] for node in graph_def.node}
    for node in graph_def.node:
        for name in {node_name(each) for each in node.input}:
            users.setdefault(name, []).append(node)
    return users


def outputs(graph_def):
    """Returns the names of the nodes whose output no other node takes, the last one first."""
    users = consumers(graph_def)
    return [
        node.name
        for node in reversed(graph_def.node)
        if not users[node.name] and node.op not in ('Const', 'NoOp', 'Placeholder')
    ]


def placeholders(graph_def):
    """Returns the names of the nodes that are fed."""
    return [node.name for node in graph_def.node if node.op == 'Placeholder']


def downstream(graph_def, name):
    """Returns the set of names of the nodes that depend on the node `name`, itself included."""
    users = consumers(graph_def)
    found, waiting = {name}, [name]
    while waiting:
        for node in users.get(waiting.pop(), ()):
            if node.name not in found:
                found.add(node.name)
                waiting.append(node.name)
    return found


def ranges_depend_on(graph_def, name):
    """Returns whether values are quantized to dynamic ranges, computed from what a node is fed.

    Args:
      graph_def: a GraphDef.
      name: of the node.
    """
    fed = downstream(graph_def, name)

    def depends(node):
        if node.op in _RANGE_GIVEN:
            is_set = 'range_given' in node.attr
            return not (node.attr['range_given'].b if is_set else _RANGE_GIVEN[node.op])
        first = _RANGE_INPUT.get(node.op)
        return first is not None and any(
            node_name(each) in fed for each in node.input[first : first + 2]
        )

    return any(depends(node) for node in graph_def.node if node.name in fed)
