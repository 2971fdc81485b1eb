"""Ranges of 8-bit values: known beforehand, or dynamic, computed as the graph runs.

All ranges here hold zero, and hold it exactly at one of the 256 levels: padding, which is zero,
and the constant zero points of the kernels would be off by up to half a level otherwise.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search
from scripts.quantization.settings import Range

LEVELS = 255

# Keeps the step between levels above zero where a tensor is all zeros.
_SMALLEST = 1e-12

_FAKE_QUANT = ('FakeQuantWithMinMaxVars', 'FakeQuantWithMinMaxArgs')
_BOUNDED = {
    'Relu6': Range(0.0, 6.0),
    'Softmax': Range(0.0, 1.0),
    'Sigmoid': Range(0.0, 1.0),
    'Tanh': Range(-1.0, 1.0),
}
_KEEP_RANGE = ('Identity', 'MaxPool', 'AvgPool', 'Reshape', 'Squeeze', 'Relu')


def nudged(lowest, highest):
    """Returns the `Range` nearest to a range that has zero at one of its 256 levels."""
    lowest, highest = min(float(lowest), 0.0), max(float(highest), 0.0)
    highest = max(highest, lowest + _SMALLEST)
    step = (highest - lowest) / LEVELS
    zero = np.round(-lowest / step)
    return Range(-zero * step, (LEVELS - zero) * step)


def known(graph_def):
    """Returns a dict from nodes' names to the `Range`s that values cannot leave.

    Nodes without a known range are not in it.

    Args:
      graph_def: a GraphDef, inputs first.
    """
    nodes, found = search.nodes_by_name(graph_def), {}
    for node in graph_def.node:
        limits = _BOUNDED.get(node.op) or _of_fake_quant(node, nodes)
        if node.op in _KEEP_RANGE and node.input:
            limits = found.get(search.node_name(node.input[0]))
            if limits and node.op == 'Relu':
                limits = Range(0.0, max(limits.highest, 0.0))
        if limits:
            found[node.name] = limits
    return found


def _of_fake_quant(node, nodes):
    """Returns the range of a node's values where it is a FakeQuant node with a constant one."""
    if node.op == 'FakeQuantWithMinMaxArgs':
        return nudged(
            build.attribute(node, 'min').f if 'min' in node.attr else -6.0,
            build.attribute(node, 'max').f if 'max' in node.attr else 6.0,
        )
    if node.op == 'FakeQuantWithMinMaxVars':
        ends = [nodes[search.node_name(each)] for each in node.input[1:]]
        if all(end.op == 'Const' for end in ends):
            return nudged(*[build.value_of(end) for end in ends])
    return None


def add_constant(new, scope, lowest, highest):
    """Adds a constant range, and returns the names of its two ends.

    Args:
      new: a `build.NewGraph`.
      scope: str, what names begin with.
      lowest, highest: numbers.
    """
    return (
        new.constant(scope + '/min', np.float32(lowest)),
        new.constant(scope + '/max', np.float32(highest)),
    )


def add_dynamic(new, scope, tensor, from_zero=False):
    """Adds what computes a tensor's dynamic range, and returns the names of its two ends.

    Args:
      new: a `build.NewGraph`.
      scope: str, what names begin with.
      tensor: name of a float32 tensor of any shape.
      from_zero: whether values below zero are ignored.
    """
    every = new.constant(scope + '/all', np.int32([-1]))
    axis = new.constant(scope + '/axis', np.int32([0]))
    flat = new.add('Reshape', scope + '/flat', [tensor, every], T=tf.float32, Tshape=tf.int32)

    def end(op, suffix):
        return new.add(
            op, scope + suffix, [flat, axis], T=tf.float32, Tidx=tf.int32, keep_dims=False
        )

    if from_zero:
        highest = end('Max', '/highest')
        lowest = new.constant(scope + '/lowest', np.float32(0))
    else:
        lowest, highest = end('Min', '/lowest'), end('Max', '/highest')
    return add_nudging(new, scope, lowest, highest)


def add_nudging(new, scope, lowest, highest):
    """Adds nodes that compute `nudged`, and returns the names of the two ends.

    Args:
      new: a `build.NewGraph`.
      scope: str, what names begin with.
      lowest, highest: names of float32 scalars.
    """
    zero = new.constant(scope + '/zero', np.float32(0))
    smallest = new.constant(scope + '/smallest', np.float32(_SMALLEST))
    levels = new.constant(scope + '/levels', np.float32(LEVELS))

    def add(op, suffix, *inputs):
        return new.add(op, scope + suffix, inputs, T=tf.float32)

    lowest = add('Minimum', '/below', lowest, zero)
    width = add('Sub', '/width', add('Maximum', '/above', highest, smallest), lowest)
    step = add('RealDiv', '/step', width, levels)
    below = add('Round', '/steps_below', add('RealDiv', '/parts_below', lowest, step))
    above = add('Add', '/steps_above', below, levels)
    return add('Mul', '/min', below, step), add('Mul', '/max', above, step)


def set_constant(graph_def, chosen):
    """Replaces dynamic ranges by constant ones.

    Args:
      graph_def: a GraphDef.
      chosen: dict from the name of a node that quantizes (see `dynamic`) to its
        `Range`.

    Returns:
      A new GraphDef; nodes that computed the dynamic ranges are still in it.
    """
    new = build.NewGraph(graph_def)
    for node in graph_def.node:
        if node.name not in chosen:
            new.keep(node)
            continue
        scope = new.unused_scope(node.name + '/range')
        ends = add_constant(new, scope, *nudged(*chosen[node.name]))
        copy = tf.NodeDef()
        copy.CopyFrom(node)
        first = first_end(node)
        copy.input[first : first + 2] = ends
        new.keep(copy)
    return new.graph_def()


def dynamic(graph_def):
    """Returns the nodes that quantize to a dynamic range, in the graph's order."""
    nodes = search.nodes_by_name(graph_def)
    return [
        node
        for node in graph_def.node
        if node.op in ('QuantizeV2', 'Requantize')
        and nodes[search.node_name(node.input[first_end(node)])].op != 'Const'
    ]


def first_end(node):
    """Returns which input of a QuantizeV2 or Requantize node is its range's lower end."""
    return 1 if node.op == 'QuantizeV2' else 3


def propagate(graph_def):
    """Makes what takes a range from a QuantizeV2 or Requantize take the input of that node.

    So whatever is computed of constant ranges can be folded.
    """
    targets = {}
    for node in graph_def.node:
        if node.op in ('QuantizeV2', 'Requantize'):
            first = first_end(node)
            targets[node.name + ':1'] = node.input[first]
            targets[node.name + ':2'] = node.input[first + 1]
    return build.graph(build.rewire(graph_def.node, targets), graph_def)
