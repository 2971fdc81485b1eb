"""The tail: the nodes of a network from the boundary to the bottleneck, which are trained too."""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, paths, search
from scripts.networks import backbone as backbone_lib
from scripts.networks.scratch import layers, making
from scripts.training import gradients, parameters

# What holds no values of its own: the values of what it is given, in the same memory.
_ALIASES = ('Identity', 'Reshape', 'Squeeze', 'ExpandDims')


class Tail(typing.NamedTuple):
    """What is trained of a network.

    backbone: the `Backbone` that it stands behind; where what is trained was computed from
      constants (by `Dequantize`, say), those nodes of its graph are constants now.
    constants: tuple of the `parameters.Constant`s that are trained, in the graph's order; none
      where the boundary is the bottleneck.
    statistics: tuple of the `parameters.Constant`s that are moving means and variances of batch
      norms, where the network is trained from scratch; those of pretrained networks stay as they
      are, for few photos ruin them.
    """

    backbone: backbone_lib.Backbone
    constants: typing.Tuple[parameters.Constant, ...]
    statistics: typing.Tuple[parameters.Constant, ...] = ()

    @property
    def parameters(self):
        """How many numbers are trained."""
        return sum(each.value.size for each in self.constants)

    @property
    def bytes_a_photo(self):
        """How many bytes the activations of one photo take, from the boundary on.

        Training keeps them from the forward pass for the backward pass.
        """
        nodes = search.nodes_by_name(self.backbone.graph_def)
        names = [name for name in _path(self.backbone) if nodes[name].op not in _ALIASES]
        with tf.Graph().as_default():
            tensors = backbone_lib.import_nodes(self.backbone, names)
        shapes = [each.shape[1:] for each in tensors if each.shape.ndims]
        return sum(4 * shape.num_elements() for shape in shapes if shape.is_fully_defined())


def find(backbone):
    """Returns the `Tail` behind a `Backbone`.

    Raises:
      UserError: the boundary is not on every path from the fed node to the bottleneck.
    """
    if backbone.boundary == backbone.network.bottleneck_name:
        return Tail(backbone, ())
    found = parameters.find(backbone.graph_def, _path(backbone))
    values = {each.name: each.value for each in found}
    nodes = [
        build.constant(node.name, values[node.name])
        if node.name in values and node.op != 'Const'
        else node
        for node in backbone.graph_def.node
    ]
    folded = backbone._replace(graph_def=build.graph(nodes, backbone.graph_def))
    return Tail(folded, tuple(found), tuple(_statistics(backbone)))


def _statistics(backbone):
    """Yields the statistics of batch norms that training changes, as `parameters.Constant`s."""
    if backbone.network.from_scratch:
        for node in backbone.graph_def.node:
            if node.op == 'Const' and layers.is_statistic(node.name):
                yield parameters.Constant(node.name, build.value_of(node), decayed=False)


def add(tail, features, values):
    """Adds a tail to the current graph.

    Args:
      tail: a `Tail`.
      features: float32 `[batch] + shape`, at its boundary.
      values: a dict from the names of its constants to the tensors of what is trained instead.

    Returns:
      The bottleneck tensor, float32 `[batch, length]`.

    Raises:
      UserError: TensorFlow cannot load the network, or its bottlenecks have another length.
    """
    backbone = tail.backbone
    graph_def = gradients.differentiable(backbone.graph_def, _path(backbone)[1:])
    replaced = dict(values, **{backbone.boundary: features})
    return backbone_lib.import_network(backbone._replace(graph_def=graph_def), replaced)


def add_in_training(tail, features, values, seed, step):
    """Adds the tail of a network from scratch to the current graph, as it is while it is trained.

    Args:
      tail: a `Tail` behind the fed node.
      features: float32 `[batch] + shape`, what that node is fed.
      values: a dict as of `add`.
      seed: int, that of the dropout.
      step: int32 scalar, the number of the step.

    Returns:
      The bottleneck tensor, float32 `[batch, length]`, and a dict from the names of `statistics` to
      tensors of their values after the step.
    """
    with tf.name_scope(gradients.SCOPE + 'in_training'):
        return making.in_training(tail.backbone.network, features, values, seed, step)


def check_gradients(backbone):
    """Raises UserError where what is behind a `Backbone` cannot be trained, before it is.

    That is: there are no weights behind the boundary, or an operation between one of them and the
    bottleneck has no gradient.
    """
    tail = find(backbone)
    if backbone.boundary == backbone.network.bottleneck_name:
        return
    if not tail.constants:
        raise UserError(
            '%s has no float32 weights behind %s that could be trained: fine-tune from another '
            'boundary, or take a network that is not quantized'
            % (backbone.network.name, backbone.boundary)
        )
    with tf.Graph().as_default():
        features = tf.placeholder(tf.float32, (None,) + backbone.shape)
        weights = {
            each.name: tf.placeholder(tf.float32, each.value.shape) for each in tail.constants
        }
        bottleneck = add(tail, features, weights)
        fed = {weights[each.name]: each.value for each in tail.constants}
        fed[features] = np.zeros((1,) + backbone.shape, np.float32)
        path = _path(tail.backbone)[1:]
        gradients.check(bottleneck, list(weights.values()), path, fed, backbone)


def _path(backbone):
    """Returns the names of the nodes from the boundary to the bottleneck, in topological order."""
    network, nodes = backbone.network, search.nodes_by_name(backbone.graph_def)
    boundary, bottleneck = backbone.boundary, network.bottleneck_name
    if boundary not in paths.on_every_path(nodes, network.input_name, bottleneck):
        raise UserError(
            'the node %s is no boundary: there is a path from %s to %s that does not go through it'
            % (boundary, network.input_name, bottleneck)
        )
    return paths.between(nodes, boundary, bottleneck)
