"""Mode `weights`: large constants are stored as quantized integers and restored as a graph loads.

Cast, Mul and Add, which any TensorFlow from 1.4 on has, restore the float constant under its
old name. They depend on constants only: TensorFlow runs them once, at the first run of a session.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search
from scripts.quantization import constants

# The first layers have few weights, and each of them affects everything behind it. So the smallest
# of the large constants get 16 bits, as long as they add at most this fraction to the graph.
_FINE_FRACTION = 0.05
_FINE_BITS = 16


def quantize_weights(graph_def, bits):
    """Stores large float constants as integers of `bits` bits, the smallest ones of 16.

    Args:
      graph_def: a GraphDef.
      bits: from 2 to 8.
    """
    fine = _fine(graph_def) if bits == 8 else set()
    new, users = build.NewGraph(graph_def), search.consumers(graph_def)
    for node in graph_def.node:
        if constants.is_large(node):
            axes = constants.channel_axes(node, users)
            _add_restored(new, node, axes, _FINE_BITS if node.name in fine else bits)
        else:
            new.keep(node)
    return new.graph_def()


def _add_restored(new, node, axes, bits):
    """Adds the nodes that replace one Const; the last one has its name.

    Args:
      new: the `build.NewGraph` that gets them.
      node: a float32 Const NodeDef.
      axes: which axes number the channels, see `constants.channel_axes`.
      bits: up to 8: the integers are uint8; 16: they are int16.
    """
    value = build.value_of(node)
    if bits > 8:
        # int16: TensorFlow could cast it long before uint16.
        scale = constants.symmetric_scale(value, axes, 2 ** (bits - 1) - 1)
        integers, dtype = np.round(value / scale).astype(np.int16), tf.int16
        steps = [('Mul', scale)]
    else:
        quantized = constants.by_channel(value, axes, bits)
        integers, dtype = quantized.integers.astype(np.uint8), tf.uint8
        steps = [('Mul', quantized.scale), ('Add', quantized.lowest)]
        if quantized.row_scale is not None:
            steps.append(('Mul', quantized.row_scale))
    stored = new.constant(node.name + '/whole', integers)
    result = new.add('Cast', node.name + '/cast', [stored], SrcT=dtype, DstT=tf.float32)
    for index, (op, operand) in enumerate(steps):
        wanted = '%s/%d' % (node.name, index)
        inputs = [result, new.constant(wanted, operand.astype(np.float32))]
        if index < len(steps) - 1:
            result = new.add(op, wanted + op, inputs, T=tf.float32)
        else:
            new.keep(build.node(op, node.name, inputs, T=tf.float32))


def _fine(graph_def):
    """Returns the names of the constants that get 16 bits."""
    sizes = sorted(
        (constants.size(node), node.name) for node in graph_def.node if constants.is_large(node)
    )
    left = _FINE_FRACTION * sum(size for size, _ in sizes) * 4  # A float has 4 bytes.
    names = set()
    for size, name in sizes:
        left -= size  # One byte more than the 8-bit constant has.
        if left < 0:
            break
        names.add(name)
    return names
