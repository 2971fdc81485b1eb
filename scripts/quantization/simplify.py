"""Drops unneeded nodes and steps that change nothing, and folds constants."""

from scripts.graphs import build, folding, search
from scripts.quantization import constants

# Their output is their input; CheckNumerics only stops a training that diverged.
_PASS_ON = ('Identity', 'CheckNumerics', 'StopGradient')


def prune(graph_def, output_names):
    """Keeps what the outputs need, inputs first, and the placeholders.

    Args:
      graph_def: a GraphDef.
      output_names: list of node names.
    """
    kept = list(output_names) + search.placeholders(graph_def)
    return build.subgraph(graph_def, kept)


def bypass(graph_def, output_names):
    """Removes Identity, CheckNumerics and StopGradient nodes that are not outputs."""
    # Not tf.graph_util.remove_training_nodes: what takes a CheckNumerics node loses that input,
    # and 1.15 keeps StopGradient where 2 does not.
    targets = {
        node.name: node.input[0]
        for node in graph_def.node
        if node.op in _PASS_ON and node.name not in output_names
    }
    targets = {
        name: target[:-2] if target.endswith(':0') else target for name, target in targets.items()
    }
    nodes = [node for node in graph_def.node if node.name not in targets]
    return prune(build.graph(build.rewire(nodes, targets), graph_def), output_names)


def fold_constants(graph_def, output_names, large_too=False):
    """Replaces nodes that depend on constants only by constants of the same names.

    Args:
      graph_def: a GraphDef, pruned, inputs first.
      output_names: list of node names; their ops stay.
      large_too: whether nodes over large constants are folded. Where not, the large constants
        keep their names and values.
    """
    fixed = {}
    foldable = {op for op in {node.op for node in graph_def.node} if folding.is_foldable(op)}
    for node in graph_def.node:
        if node.op == 'Const':
            fixed[node.name] = large_too or not constants.is_large(node)
        else:
            fixed[node.name] = (
                bool(node.input)
                and node.op in foldable
                and node.name not in output_names
                and all(
                    fixed[search.node_name(name)] and not build.output_index(name)
                    for name in node.input
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
    values = folding.values(graph_def, wanted)
    nodes = [
        build.constant(node.name, values[node.name]) if node.name in values else node
        for node in graph_def.node
    ]
    return prune(build.graph(nodes, graph_def), output_names)
