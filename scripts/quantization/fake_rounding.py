"""Modes `round` and `quantize`: float graphs whose values take few levels, to see what that costs.

FakeQuantWithMinMaxVars brings values to 2^bits levels and back to floats at once. The ranges are
taken as the graph runs. Depthwise convolutions are left alone: eight bits are not for them in mode
`eightbit` either.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search

OPS = ('Conv2D', 'BiasAdd', 'MatMul')


def round_outputs(graph_def, bits):
    """Rounds what Conv2D, BiasAdd and MatMul give to 2^bits levels over its range.

    Args:
      graph_def: a GraphDef.
      bits: from 2 to 16.
    """
    result = []
    for node in graph_def.node:
        result += _with_rounded_output(node, bits) if _is_wanted(node) else [node]
    return build.graph(result, graph_def)


def round_inputs_and_outputs(graph_def, bits):
    """Does what `round_outputs` does, and the same to what those nodes take.

    Constant weights are rounded over the range of each channel.

    Args:
      graph_def: a GraphDef without Identity nodes over constants.
      bits: from 2 to 16.
    """
    nodes, made, result = search.nodes_by_name(graph_def), set(), []
    for node in graph_def.node:
        if not _is_wanted(node):
            result.append(node)
            continue
        copy = tf.NodeDef()
        copy.CopyFrom(node)
        for index, name in enumerate(node.input[:2]):
            channels = _channels(nodes, node, index)
            prefix = '%s/%s' % (
                name.replace(':', '_'),
                'rounded' if channels is None else 'rounded_channels',
            )
            if prefix not in made:
                made.add(prefix)
                result += _rounding(name, prefix, bits, channels)
            copy.input[index] = prefix
        result += _with_rounded_output(copy, bits)
    return build.graph(result, graph_def)


def _is_wanted(node):
    return node.op in OPS and build.attribute(node, 'T').type == tf.float32.as_datatype_enum


def _with_rounded_output(node, bits):
    exact = tf.NodeDef()
    exact.CopyFrom(node)
    exact.name = node.name + '/exact'
    nodes = _rounding(exact.name, node.name + '/steps', bits, None)
    nodes[-1].name = node.name
    return [exact] + nodes


def _channels(nodes, node, index):
    """Returns how many channels constant weights have on their last axis, or None."""
    weights = nodes[search.node_name(node.input[index])]
    if index != 1 or weights.op != 'Const' or node.op == 'BiasAdd':
        return None
    if build.attribute(node, 'transpose_b').b:
        return None
    return weights.attr['value'].tensor.tensor_shape.dim[-1].size


def _rounding(tensor, name, bits, channels):
    """Returns nodes; the last one, `name`, gives `tensor` in 2^bits levels over its range.

    The range holds zero: FakeQuant shifts one that does not, and all values with it.

    Args:
      tensor, name: str.
      bits: int.
      channels: how many channels the last axis has, each with a range of its own; None: one range.
    """
    shape, op = [-1], 'FakeQuantWithMinMaxVars'
    if channels is not None:
        shape, op = [-1, channels], 'FakeQuantWithMinMaxVarsPerChannel'
    return (
        [
            build.constant(name + '/shape', np.int32(shape)),
            build.constant(name + '/axis', np.int32([0])),
            build.node(
                'Reshape', name + '/rows', [tensor, name + '/shape'], T=tf.float32, Tshape=tf.int32
            ),
        ]
        + [
            build.node(
                end,
                '%s/%s' % (name, end),
                [name + '/rows', name + '/axis'],
                T=tf.float32,
                Tidx=tf.int32,
                keep_dims=False,
            )
            for end in ('Min', 'Max')
        ]
        + [
            build.constant(name + '/zero', np.float32(0)),
            build.node('Minimum', name + '/low', [name + '/Min', name + '/zero'], T=tf.float32),
            build.node('Maximum', name + '/high', [name + '/Max', name + '/zero'], T=tf.float32),
            build.node(
                op, name, [tensor, name + '/low', name + '/high'], num_bits=bits, narrow_range=False
            ),
        ]
    )
