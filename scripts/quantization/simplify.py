"""Drops what the outputs do not need, steps that change nothing, and work on constants only."""

import tensorflow.compat.v1 as tf

from scripts.graphs import build, search
from scripts.graphs.importing import import_graph
from scripts.graphs.session import open_session
from scripts.quantization import constants

# What these give is what they take; CheckNumerics only stops a training that went wrong.
_PASS_ON = ('Identity', 'CheckNumerics', 'StopGradient')

# Ops without a constant result though all they take is constant, or whose default is there to
# be replaced from outside.
_NEVER_FOLDED = (
    'Placeholder',
    'PlaceholderWithDefault',
    'NoOp',
    'RandomUniform',
    'RandomStandardNormal',
    'TruncatedNormal',
    'Multinomial',
)


def prune(graph_def, output_names):
    """Keeps what the outputs need, inputs first, and the placeholders.

    Args:
      graph_def: a GraphDef.
      output_names: list of node names.
    """
    kept = list(output_names) + search.placeholders(graph_def)
    return build.graph(build.reach(graph_def, kept), graph_def)


def bypass(graph_def, output_names):
    """Takes out Identity, CheckNumerics and StopGradient nodes that are not outputs."""
    targets = {
        node.name: node.input[0]
        for node in graph_def.node
        if node.op in _PASS_ON and node.name not in output_names
    }
    targets = {
        name: target[:-2] if target.endswith(':0') else target for name, target in targets.items()
    }
    nodes = [node for node in graph_def.node if node.name not in targets]
    return prune(build.graph(build.redirect(nodes, targets), graph_def), output_names)


def fold_constants(graph_def, output_names, large_too=False):
    """Replaces nodes that depend on constants only by constants of the same names.

    Args:
      graph_def: a GraphDef, pruned, inputs first.
      output_names: list of node names; they stay the ops that they are.
      large_too: whether nodes over large constants are folded. Where not, the large constants
        keep their names and values.
    """
    fixed = {}
    for node in graph_def.node:
        if node.op == 'Const':
            fixed[node.name] = large_too or not constants.is_large(node)
        else:
            fixed[node.name] = (
                bool(node.input)
                and node.op not in _NEVER_FOLDED
                and node.name not in output_names
                and all(
                    fixed[search.node_name(name)] and not build.port(name) for name in node.input
                )
            )
    users = search.consumers(graph_def)
    wanted = [
        node.name
        for node in graph_def.node
        if fixed[node.name]
        and node.op != 'Const'
        and any(not fixed[user.name] for user in users[node.name])
    ]
    values = _run(graph_def, wanted)
    nodes = [
        build.constant(node.name, values[node.name]) if node.name in values else node
        for node in graph_def.node
    ]
    return prune(build.graph(nodes, graph_def), output_names)


def _run(graph_def, names):
    """Returns a dict from each of the node names to its value."""
    if not names:
        return {}
    needed = build.graph(build.reach(graph_def, names), graph_def)
    graph = tf.Graph()
    with graph.as_default():
        import_graph(needed)
    with open_session(graph) as session:
        return dict(zip(names, session.run([name + ':0' for name in names])))
