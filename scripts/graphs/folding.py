"""The values of nodes that depend on constants only."""

import tensorflow.compat.v1 as tf

from scripts.graphs import build, versions
from scripts.graphs.importing import import_graph
from scripts.graphs.session import open_session

# Ops that are fed, though all their inputs may be constant.
_FED = ('Placeholder', 'PlaceholderV2', 'PlaceholderWithDefault')

# What a Const node cannot hold.
_HANDLES = {tf.variant.as_datatype_enum, tf.resource.as_datatype_enum}


def is_foldable(op):
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


def values(graph_def, names):
    """Returns a dict from the names of nodes, which depend on constants only, to their values."""
    if not names:
        return {}
    needed = build.subgraph(graph_def, names)
    graph = tf.Graph()
    with graph.as_default():
        import_graph(needed)
    with open_session(graph) as session:
        return dict(zip(names, session.run([name + ':0' for name in names])))
