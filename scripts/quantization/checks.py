"""Checks that a graph can be quantized, before any pass, and that the result loads."""

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search, validation
from scripts.quantization import constants

_INTEGERS = {
    dtype.as_datatype_enum
    for dtype in (tf.uint8, tf.int8, tf.int16, tf.quint8, tf.qint8, tf.qint32)
}
_QUANTIZED = ('Dequantize', 'Quantize', 'Requantiz')
_TRAINING = (
    'Variable',
    'VariableV2',
    'VarHandleOp',
    'ReadVariableOp',
    'Assign',
    'AssignVariableOp',
    'AssignAdd',
    'AssignSub',
    'TemporaryVariable',
)
_LOOPS = ('Enter', 'NextIteration', 'Merge', 'While', 'StatelessWhile')


def check_graph(graph_def, output_names):
    """Raises UserError unless a graph is a frozen float graph with the named outputs.

    Args:
      graph_def: a GraphDef.
      output_names: list of node names.
    """
    fitting = search.outputs(graph_def)
    if not output_names:
        raise UserError(
            '--output_node_names is not set: name the output nodes, '
            'such as %s' % ', '.join(fitting[: search.NAMES_IN_A_MESSAGE])
        )
    for name in output_names:
        search.require_node(graph_def, name, fitting)
    for node in graph_def.node:
        if node.op in _TRAINING or node.op.startswith(('Apply', 'ResourceApply', 'SparseApply')):
            raise UserError(
                'node %s (%s) is for training; expected a frozen graph, in which '
                'variables are constants, as retrain writes it' % (node.name, node.op)
            )
        if node.op.startswith(_QUANTIZED) or _is_quantized_weights(node):
            raise UserError(
                'the graph is quantized already: %s is a node of type %s; expected the '
                'float graph that it was made from' % (node.name, node.op)
            )
        if node.op in _LOOPS:
            raise UserError(
                'node %s (%s) is part of a loop; only graphs without loops can be '
                'quantized' % (node.name, node.op)
            )
    validation.check_operations(graph_def)


def check_loads(graph_def):
    """Raises TensorFlow's own error where a graph that the passes made does not load: a bug."""
    copy = tf.GraphDef()
    copy.CopyFrom(graph_def)
    with tf.Graph().as_default():
        tf.import_graph_def(copy, name='')


def _is_quantized_weights(node):
    if node.op != 'Const' or build.attribute(node, 'dtype').type not in _INTEGERS:
        return False
    return constants.size(node) >= constants.LARGE
