"""Which constants matter for a graph's size, and their values as quantized integers and scales."""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build

# Smaller ones, and vectors of any length, are a few percent of a graph: batch norms, biases.
LARGE = 1024

_DEPTHWISE = 'DepthwiseConv2dNative'


class Quantized(typing.NamedTuple):
    """A float constant as `(integers * scale + lowest) * row_scale`.

    integers: float64 array of integers from 0 to 2^bits - 1.
    scale, lowest: float64 arrays that broadcast to it, one value a channel.
    row_scale: the same with one value a row (an input of the layer), or None.
    """

    integers: np.ndarray
    scale: np.ndarray
    lowest: np.ndarray
    row_scale: typing.Optional[np.ndarray]


def is_large(node):
    """Returns whether a node is a float32 constant whose size matters."""
    if node.op != 'Const' or build.attribute(node, 'dtype').type != tf.float32.as_datatype_enum:
        return False
    return len(node.attr['value'].tensor.tensor_shape.dim) > 1 and size(node) >= LARGE


def size(node):
    """Returns how many elements a Const node has."""
    dims = node.attr['value'].tensor.tensor_shape.dim
    return int(np.prod([dim.size for dim in dims], dtype=np.int64))


def channel_axes(node, users):
    """Returns the axes of a constant that number the channels of the layers that take it.

    A depthwise convolution has a channel for each pair of the last two axes; other layers, and
    constants of unknown use, for the last one; a transposed MatMul for the first.

    Args:
      node: the Const NodeDef.
      users: the `search.consumers` of its graph.
    """
    rank = len(node.attr['value'].tensor.tensor_shape.dim)
    for user in users[node.name]:
        if user.op == 'Identity':
            return _channel_axes(users[user.name], rank)
    return _channel_axes(users[node.name], rank)


def _channel_axes(users, rank):
    if any(user.op == _DEPTHWISE for user in users):
        return (2, 3)
    if any(user.op == 'MatMul' and build.attribute(user, 'transpose_b').b for user in users):
        return (0,)
    return (rank - 1,)


def by_channel(value, axes, bits):
    """Quantizes a constant to 2^bits levels a channel, and returns it as `Quantized`.

    Rows (the weights of one input each) are scaled to a similar size first, which makes the levels
    finer where a row is small; a vector of row scales undoes that. Zero is a level.

    Args:
      value: float array of at least two axes.
      axes: tuple of the axes that number the channels.
      bits: from 2 to 16.
    """
    value = value.astype(np.float64)
    rows = tuple(axis for axis in range(value.ndim) if axis not in axes)
    row_scale = _row_scale(value, axes, rows) if len(axes) == 1 else None
    scaled = value if row_scale is None else value / row_scale
    lowest = np.minimum(scaled.min(axis=rows, keepdims=True), 0)
    highest = np.maximum(scaled.max(axis=rows, keepdims=True), 0)
    steps = 2**bits - 1
    scale = np.where(highest > lowest, highest - lowest, 1) / steps
    lowest = np.round(lowest / scale) * scale
    integers = np.clip(np.round((scaled - lowest) / scale), 0, steps)
    return Quantized(integers, scale, lowest, row_scale)


def symmetric_scale(value, axes, highest):
    """Returns what to divide by so that each channel's greatest absolute value is `highest`.

    Args:
      value: float array of at least two axes.
      axes: tuple of the axes that number the channels.
      highest: the greatest integer.

    Returns:
      float64 array that broadcasts to `value`, one number a channel.
    """
    rows = tuple(axis for axis in range(value.ndim) if axis not in axes)
    greatest = np.abs(value.astype(np.float64)).max(axis=rows, keepdims=True)
    return _positive(greatest) / highest


def dequantized(quantized):
    """Returns the float array that a `Quantized` stands for."""
    value = quantized.integers * quantized.scale + quantized.lowest
    return value if quantized.row_scale is None else value * quantized.row_scale


def diffuse_errors(value, lowest, highest):
    """Rounds to integers by error diffusion: each channel's errors add up to almost nothing.

    The error of one rounding is added to the next weight of the same channel. Behind a Relu the
    inputs of a layer are all of one sign, so that errors of one sign would add up in its output.

    Args:
      value: float array `[..., channels]`.
      lowest, highest: the smallest and the largest integer.

    Returns:
      float64 array of integers, same shape.
    """
    rows = value.astype(np.float64).reshape(-1, value.shape[-1])
    result, error = np.empty_like(rows), np.zeros(rows.shape[1])
    for index, row in enumerate(rows):
        result[index] = np.clip(np.round(row + error), lowest, highest)
        error = row + error - result[index]
    return result.reshape(value.shape)


def _row_scale(value, axes, rows):
    """Returns a scale for each row so that rows and channels have similar greatest values."""
    row_axis = value.ndim - 2 if axes == (value.ndim - 1,) else value.ndim - 1
    others = tuple(axis for axis in range(value.ndim) if axis != row_axis)
    row_scale = np.ones([1] * value.ndim)
    # Rows and channels each bound the other's scale; a few rounds are enough to settle.
    for _ in range(10):
        channel = _positive(np.abs(value / row_scale).max(axis=rows, keepdims=True))
        row = _positive(np.abs(value / channel).max(axis=others, keepdims=True))
        row_scale = np.sqrt(row_scale * row)
    return row_scale


def _positive(array):
    return np.where(array > 0, array, 1)
