"""Drops unneeded nodes and steps that change nothing, and folds constants."""

import tensorflow.compat.v1 as tf

from scripts.graphs import build, search, versions
from scripts.graphs.importing import import_graph
from scripts.graphs.session import open_session
from scripts.quantization import constants

# Their output is their input; CheckNumerics only stops a training that diverged.
_PASS_ON = ('Identity', 'CheckNumerics', 'StopGradient')

# Ops that are fed, though all their inputs may be constant.
_FED = ('Placeholder', 'PlaceholderV2', 'PlaceholderWithDefault')

# What a Const node cannot hold.
_HANDLES = {tf.variant.as_datatype_enum, tf.resource.as_datatype_enum}


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
    foldable = {op for op in {node.op for node in graph_def.node} if _is_foldable(op)}
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
    values = _run(graph_def, wanted)
    nodes = [
        build.constant(node.name, values[node.name]) if node.name in values else node
        for node in graph_def.node
    ]
    return prune(build.graph(nodes, graph_def), output_names)


def _is_foldable(op):
    """Returns whether an op has one output, which depends on its inputs alone.

    A stateful op may draw random numbers; a name without an OpDef is a function, which may call
    such an op.
    """
    op_def = versions.op_def(op)
    if op_def is None or op_def.is_stateful or op in _FED or len(op_def.output_arg) != 1:
        return False
    output = op_def.output_arg[0]
    is_list = output.number_attr or output.type_list_attr
    return not is_list and not output.is_ref and output.type not in _HANDLES


def _run(graph_def, names):
    """Returns a dict from each of the node names to its value."""
    if not names:
        return {}
    needed = build.subgraph(graph_def, names)
    graph = tf.Graph()
    with graph.as_default():
        import_graph(needed)
    with open_session(graph) as session:
        return dict(zip(names, session.run([name + ':0' for name in names])))
