"""Modes `round` and `quantize`: float graphs whose values take few levels, to see what that costs.

FakeQuantWithMinMaxVars rounds values to 2^bits levels and restores floats at once. The ranges are
dynamic. Depthwise convolutions are left alone, as in mode `eightbit`.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search

OPS = ('Conv2D', 'BiasAdd', 'MatMul')


def round_outputs(graph_def, bits):
    """Rounds the outputs of Conv2D, BiasAdd and MatMul to 2^bits levels over their ranges.

    Args:
      graph_def: a GraphDef.
      bits: from 2 to 16.
    """
    new = build.NewGraph(graph_def)
    for node in graph_def.node:
        if _is_wanted(node):
            _add_with_rounded_output(new, node, bits)
        else:
            new.keep(node)
    return new.graph_def()


def round_inputs_and_outputs(graph_def, bits):
    """Does what `round_outputs` does, and rounds the inputs of those nodes as well.

    Constant weights are rounded over the range of each channel.

    Args:
      graph_def: a GraphDef without Identity nodes over constants.
      bits: from 2 to 16.
    """
    nodes, rounded = search.nodes_by_name(graph_def), {}
    new = build.NewGraph(graph_def)
    for node in graph_def.node:
        if not _is_wanted(node):
            new.keep(node)
            continue
        copy = tf.NodeDef()
        copy.CopyFrom(node)
        for index, tensor in enumerate(node.input[:2]):
            channels = _channels(nodes, node, index)
            if (tensor, channels) not in rounded:
                suffix = '/rounded' if channels is None else '/rounded_channels'
                scope = new.unused_scope(build.scope_of(tensor) + suffix)
                rounding = _rounding(new, scope, tensor, bits, channels)
                rounding.name = new.unused_name(scope)
                new.keep(rounding)
                rounded[tensor, channels] = rounding.name
            copy.input[index] = rounded[tensor, channels]
        _add_with_rounded_output(new, copy, bits)
    return new.graph_def()


def _is_wanted(node):
    return node.op in OPS and build.attribute(node, 'T').type == tf.float32.as_datatype_enum


def _add_with_rounded_output(new, node, bits):
    exact = tf.NodeDef()
    exact.CopyFrom(node)
    exact.name = new.unused_name(node.name + '/exact')
    new.keep(exact)
    rounding = _rounding(new, new.unused_scope(node.name + '/steps'), exact.name, bits, None)
    rounding.name = node.name
    new.keep(rounding)


def _channels(nodes, node, index):
    """Returns how many channels constant weights have on their last axis, or None."""
    weights = nodes[search.node_name(node.input[index])]
    if index != 1 or weights.op != 'Const' or node.op == 'BiasAdd':
        return None
    if build.attribute(node, 'transpose_b').b:
        return None
    return weights.attr['value'].tensor.tensor_shape.dim[-1].size


def _rounding(new, scope, tensor, bits, channels):
    """Returns a node without a name that rounds `tensor` to 2^bits levels over its range.

    The range holds zero: FakeQuant shifts a range that does not, and all values with it.

    Args:
      new: the `build.NewGraph` that gets the nodes that compute the range.
      scope, tensor: str.
      bits: int.
      channels: how many channels the last axis has, each with a range of its own; None: one range.
    """
    shape, op = [-1], 'FakeQuantWithMinMaxVars'
    if channels is not None:
        shape, op = [-1, channels], 'FakeQuantWithMinMaxVarsPerChannel'
    shape = new.constant(scope + '/shape', np.int32(shape))
    axis = new.constant(scope + '/axis', np.int32([0]))
    rows = new.add('Reshape', scope + '/rows', [tensor, shape], T=tf.float32, Tshape=tf.int32)
    lowest, highest = [
        new.add(end, scope + '/' + end, [rows, axis], T=tf.float32, Tidx=tf.int32, keep_dims=False)
        for end in ('Min', 'Max')
    ]
    zero = new.constant(scope + '/zero', np.float32(0))
    low = new.add('Minimum', scope + '/low', [lowest, zero], T=tf.float32)
    high = new.add('Maximum', scope + '/high', [highest, zero], T=tf.float32)
    return build.node(op, '', [tensor, low, high], num_bits=bits, narrow_range=False)
