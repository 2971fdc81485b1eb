"""From a GraphDef to tensors."""

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import validation


def as_graph(graph_def, scope=''):
    """Returns a tf.Graph with the nodes of a GraphDef, under a scope; raises as `import_graph`."""
    graph = tf.Graph()
    with graph.as_default():
        import_graph(graph_def, scope=scope)
    return graph


def import_graph(graph_def, names=(), input_map=None, scope=''):
    """Adds a GraphDef, which stays as it is, to the current graph, under its own names.

    Args:
      graph_def: a GraphDef.
      names: of tensors, such as `input:0`.
      input_map: a dict from the names of tensors to the tensors that replace them, or None.
      scope: what goes before the names of all nodes, without its slash; empty: nothing.

    Returns:
      The list of the named tensors.

    Raises:
      UserError: TensorFlow cannot load it, or `validation` refuses its operations.
    """
    validation.check_operations(graph_def)
    copy = tf.GraphDef()
    copy.CopyFrom(graph_def)  # import_graph_def writes defaults into its argument.
    try:
        return tf.import_graph_def(copy, input_map, return_elements=list(names), name=scope)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise UserError('TensorFlow %s cannot load the graph: %s' % (tf.VERSION, error))
