"""Splits batch norms into one Mul and one Add, and folds a Mul into the weights before it."""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search

_FUSED = ('FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3')
_GLOBAL = 'BatchNormWithGlobalNormalization'
_LAYERS = ('Conv2D', 'DepthwiseConv2dNative', 'MatMul')

# TensorFlow's own default for FusedBatchNorm, where a graph leaves it out.
_FUSED_EPSILON = 1e-4


class _Affine(typing.NamedTuple):
    """A batch norm as `x * scale + offset`: float64 `[channels]` each."""

    scale: np.ndarray
    offset: np.ndarray


class _Folded(typing.NamedTuple):
    """A layer's NodeDef, and its weights after a Mul went into them, float32."""

    layer: typing.Any
    weights: np.ndarray


def split_batch_norms(graph_def):
    """Replaces batch norms over constants that follow a layer by `x * scale + offset`.

    The Add has the batch norm's name. A batch norm that follows anything else stays: there are no
    weights to fold its scale into.

    Args:
      graph_def: a GraphDef whose constant sub-graphs are folded.
    """
    nodes = search.nodes_by_name(graph_def)
    new = build.NewGraph(graph_def)
    for node in graph_def.node:
        affine = None
        if nodes_are_constant(nodes, node.input[1:]) and _follows_layer(nodes, node):
            values = [build.value_of(nodes[search.node_name(name)]) for name in node.input[1:]]
            if node.op in _FUSED and not build.attribute(node, 'is_training').b and _is_nhwc(node):
                affine = _fused(node, values)
            elif node.op == _GLOBAL:
                affine = _global(node, values)
        if affine is None:
            new.keep(node)
            continue
        factor = new.constant(node.name + '/scale', affine.scale.astype(np.float32))
        scaled = new.add('Mul', node.name + '/scaled', [node.input[0], factor], T=tf.float32)
        term = new.constant(node.name + '/offset', affine.offset.astype(np.float32))
        new.keep(build.node('Add', node.name, [scaled, term], T=tf.float32))
    return new.graph_def()


def fold_multiplications(graph_def, output_names):
    """Multiplies constant weights by the constant vector that the layer's output is multiplied by.

    The layer then has the Mul's name.

    Args:
      graph_def: a GraphDef, inputs first.
      output_names: list of node names, which stay.
    """
    nodes, users = search.nodes_by_name(graph_def), search.consumers(graph_def)
    folded = {}
    for node in graph_def.node:
        if node.op != 'Mul':
            continue
        for layer_name, factor_name in (node.input[:2], node.input[1::-1]):
            layer = nodes[search.node_name(layer_name)]
            factor = nodes[search.node_name(factor_name)]
            if (
                layer.op in _LAYERS
                and layer.name not in output_names
                and len(users[layer.name]) == 1
            ):
                weights = _scaled_weights(layer, factor, nodes)
                if weights is not None:
                    folded[node.name] = _Folded(layer, weights)
    dropped = {each.layer.name for each in folded.values()}
    new = build.NewGraph(graph_def)
    for node in graph_def.node:
        if node.name in folded:
            scaled = tf.NodeDef()
            scaled.CopyFrom(folded[node.name].layer)
            scaled.name = node.name
            scaled.input[1] = new.constant(node.name + '/weights', folded[node.name].weights)
            new.keep(scaled)
        elif node.name not in dropped:
            new.keep(node)
    return new.graph_def()


def nodes_are_constant(nodes, names):
    """Returns whether all tensors in `names` (and there is one) are Const nodes of `nodes`."""
    return bool(names) and all(nodes[search.node_name(name)].op == 'Const' for name in names)


def _scaled_weights(layer, factor, nodes):
    """Returns a layer's float32 weights times a factor, or None where they cannot be folded."""
    weights = nodes[search.node_name(layer.input[1])]
    if factor.op != 'Const' or weights.op != 'Const' or not _is_nhwc(layer):
        return None
    value, scale = build.value_of(weights), build.value_of(factor)
    channels_first = layer.op == 'MatMul' and build.attribute(layer, 'transpose_b').b
    depthwise = layer.op == 'DepthwiseConv2dNative'
    channels = (
        value.shape[2] * value.shape[3]
        if depthwise
        else value.shape[0]
        if channels_first
        else value.shape[-1]
    )
    if scale.size not in (1, channels) or (scale.ndim and scale.shape[-1] != scale.size):
        return None
    scale = np.broadcast_to(scale.reshape(-1), [channels])
    scale = (
        scale.reshape(value.shape[2:])
        if depthwise
        else scale[:, np.newaxis]
        if channels_first
        else scale
    )
    return (value * scale).astype(np.float32)


def _fused(node, values):
    gamma, beta, mean, variance = [value.astype(np.float64) for value in values]
    epsilon = build.attribute(node, 'epsilon').f if 'epsilon' in node.attr else _FUSED_EPSILON
    scale = gamma / np.sqrt(variance + epsilon)
    return _Affine(scale, beta - mean * scale)


def _global(node, values):
    mean, variance, beta, gamma = [value.astype(np.float64) for value in values]
    scale = 1 / np.sqrt(variance + build.attribute(node, 'variance_epsilon').f)
    if build.attribute(node, 'scale_after_normalization').b:
        scale = scale * gamma
    return _Affine(scale, beta - mean * scale)


def _follows_layer(nodes, node):
    return nodes[search.node_name(node.input[0])].op in _LAYERS


def _is_nhwc(node):
    return build.attribute(node, 'data_format').s in (b'', b'NHWC')
