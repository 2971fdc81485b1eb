"""Makes networks differentiable, and checks that they are."""

import re

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, versions
from scripts.graphs.session import open_session

# Before the names of nodes that stand only in the training graph.
SCOPE = 'trained_tail/'

_GLOBAL = 'BatchNormWithGlobalNormalization'

# A gradient function of the program that made the graph (Keras has one for swish, at an IdentityN):
# no other program has it, and the operation's own does.
OTHERS_GRADIENT = '_gradient_op_type'

# How a message names an operation, ours, and TensorFlow's where there is no gradient.
_OPERATION = 'the operation %(op)s of the node %(name)s'
_NAMED = re.compile(r"'(?P<name>[^']+)' \(op type: (?P<op>\w+)\)")


def differentiable(graph_def, names):
    """Returns a GraphDef of the same values that has gradients in each TensorFlow.

    The nodes keep their names; new ones are below SCOPE. They wait for no others: what they would
    wait for may stand in front of the boundary, and need pixels.

    Args:
      graph_def: a GraphDef.
      names: of the nodes that gradients go through.
    """
    names, nodes = set(names), []
    for node in graph_def.node:
        if node.name not in names:
            nodes.append(node)
        elif node.op == _GLOBAL:
            nodes += _global_batch_norm(node)
        else:
            copy = tf.NodeDef()
            copy.CopyFrom(node)
            copy.input[:] = [each for each in node.input if not each.startswith('^')]
            copy.attr.pop(OTHERS_GRADIENT, None)
            nodes.append(copy)
    return build.graph(nodes, graph_def)


def check(target, weights, names, fed, backbone):
    """Raises UserError, which names an operation, where a tensor has no gradient.

    Args:
      target: the tensor.
      weights: list of the tensors that it has to have a gradient with respect to.
      names: of the nodes behind the boundary that lead to the target, in topological order.
      fed: a dict from placeholders to values for one photo. The gradient is computed once: some
        operations have one that TensorFlow cannot run, such as a dilated convolution's in 1.15.
      backbone: the `Backbone` behind which it stands, for messages.
    """
    try:
        found = tf.gradients(target, weights)
        blocking = _blocking(target, weights, names) if None in found else None
    except (LookupError, NotImplementedError) as error:
        named = _NAMED.search(str(error))
        what = _OPERATION % named.groupdict() if named else error
        _refuse(backbone, 'TensorFlow %s has no gradient for %s' % (tf.VERSION, what))
    if blocking is not None:
        what = _OPERATION % {'op': blocking.type, 'name': blocking.name}
        _refuse(backbone, '%s lets no gradient through' % what)
    with open_session(target.graph) as session:
        try:
            session.run([gradient.op for gradient in found], fed)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            where = error.op.name if error.op is not None else 'a node'
            why = versions.what_failed(error)
            _refuse(backbone, 'TensorFlow %s cannot compute %s: %s' % (tf.VERSION, where, why))


def _blocking(target, weights, names):
    """Returns the operation by which some weights have no gradient, the nearest to the target."""
    operations = [target.graph.get_operation_by_name(name) for name in names]
    outputs = [each.outputs[0] for each in operations if each != target.op]
    tensors = weights + [each for each in outputs if each.dtype.is_floating]
    found = tf.gradients(target, tensors)
    last = [tensor for tensor, gradient in zip(tensors, found) if gradient is None][-1]
    users = last.consumers()
    return next((each for each in users if each in operations), users[0])


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
    if build.attribute(node, 'scale_after_normalization').b:
        scale = step('Mul', 'scale', scale, gamma)
    offset = step('Sub', 'offset', beta, step('Mul', 'shift', mean, scale))
    add('Add', node.name, step('Mul', 'scaled', features, scale), offset)
    return nodes
