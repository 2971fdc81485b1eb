"""Makes networks differentiable, and checks that they are."""

import re

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search

# Before the names of nodes that stand only in the training graph.
SCOPE = 'trained_tail/'

_GLOBAL = 'BatchNormWithGlobalNormalization'

# A gradient function of the program that made the graph (Keras has one for swish, at an IdentityN):
# no other program has it, and the operation's own does.
OTHERS_GRADIENT = '_gradient_op_type'

# How TensorFlow names an operation without a gradient.
_NAMED = re.compile(r"'(?P<name>[^']+)' \(op type: (?P<op>\w+)\)")


def differentiable(graph_def, names):
    """Returns a GraphDef of the same values that has gradients in each TensorFlow.

    The nodes keep their names; new ones are below SCOPE.

    Args:
      graph_def: a GraphDef.
      names: of the nodes that gradients go through.
    """
    names, nodes = set(names), []
    for node in graph_def.node:
        if node.name in names and node.op == _GLOBAL:
            nodes += _global_batch_norm(node)
        elif node.name in names and OTHERS_GRADIENT in node.attr:
            copy = tf.NodeDef()
            copy.CopyFrom(node)
            del copy.attr[OTHERS_GRADIENT]
            nodes.append(copy)
        else:
            nodes.append(node)
    return build.graph(nodes, graph_def)


def check(target, weights, backbone):
    """Raises UserError, which names an operation, where a tensor has no gradient.

    Args:
      target: the tensor.
      weights: a dict from names to the tensors that it has to have a gradient with respect to.
      backbone: the `Backbone` behind which it stands, for messages.
    """
    try:
        found = tf.gradients(target, list(weights.values()))
    except (LookupError, NotImplementedError) as error:
        named = _NAMED.search(str(error))
        what = 'the operation %(op)s of the node %(name)s' % named.groupdict() if named else error
        _refuse(backbone, 'TensorFlow %s has no gradient for %s' % (tf.VERSION, what))
    for name, gradient in zip(weights, found):
        if gradient is None:
            _refuse(backbone, 'no gradient reaches the constant %s' % name)


def _refuse(backbone, reason):
    raise UserError(
        '%s cannot be trained behind %s: %s; fine-tune fewer blocks or another network'
        % (backbone.network.name, backbone.boundary, reason)
    )


def _global_batch_norm(node):
    """Returns the nodes that compute what a BatchNormWithGlobalNormalization does.

    TensorFlow has it, and its gradient, only in graphs of a producer version below 9.
    """
    features, mean, variance, beta, gamma = node.input[:5]
    epsilon = np.float32(build.attribute(node, 'variance_epsilon').f)
    scope = SCOPE + node.name + '/steps/'
    nodes = [build.constant(scope + 'epsilon', epsilon)]

    def add(op, name, *inputs):
        nodes.append(build.node(op, name, inputs, T=tf.float32))
        return name

    def step(op, name, *inputs):
        return add(op, scope + name, *inputs)

    scale = step('Rsqrt', 'rsqrt', step('Add', 'variance', variance, nodes[0].name))
    # As a control input where it is ignored: the frozen graph's node takes it, too.
    ignored = ['^' + search.node_name(gamma)]
    if build.attribute(node, 'scale_after_normalization').b:
        scale, ignored = step('Mul', 'scale', scale, gamma), []
    offset = step('Sub', 'offset', beta, step('Mul', 'shift', mean, scale))
    add('Add', node.name, step('Mul', 'scaled', features, scale), offset, *ignored)
    return nodes
