"""Mode `weights_rounded`: large constants take few distinct values, so that they compress."""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build
from scripts.quantization import constants

_ROUNDS = 30


def round_weights(graph_def, bits):
    """Gives each large float constant at most 2^bits distinct values; nothing else changes.

    The values are the centres of buckets between the least and the greatest value: buckets of
    one width first, which then move to the mean of what they hold (Lloyd's algorithm), so that
    the error is small where the weights are.

    Args:
      graph_def: a GraphDef.
      bits: from 1 to 16.
    """
    nodes = [_rounded(node, bits) if constants.is_large(node) else node for node in graph_def.node]
    return build.graph(nodes, graph_def)


def to_centres(value, count):
    """Returns `value` with each number replaced by the nearest of at most `count` centres."""
    numbers = np.sort(value.ravel().astype(np.float64))
    width = (numbers[-1] - numbers[0]) / count
    centres = numbers[0] + (np.arange(count) + 0.5) * width
    totals = np.concatenate([[0.0], np.cumsum(numbers)])
    for _ in range(_ROUNDS):
        edges = np.searchsorted(numbers, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(numbers)]])
        held = np.diff(edges)
        means = np.diff(totals[edges]) / np.maximum(held, 1)
        centres = np.sort(np.where(held > 0, means, centres))
    nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, value)
    return centres[nearest].astype(value.dtype)


def _rounded(node, bits):
    rounded = tf.NodeDef()
    rounded.CopyFrom(node)
    value = to_centres(build.value_of(node), 2**bits)
    rounded.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value))
    return rounded
