"""8-bit tensors: made of floats, constants and 32-bit accumulators, and made floats again.

Names of new nodes are a part of what quantize_graph has always written: they stay.
"""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search
from scripts.quantization import constants, ranges
from scripts.quantization.settings import Range

# MIN_COMBINED is the mode whose levels are those of the quantized kernels, and the fastest.
_MODE = b'MIN_COMBINED'

# The level that stands for zero where each channel of weights has a scale of its own.
_ZERO_LEVEL = 128


class EightBits(typing.NamedTuple):
    """Names of an 8-bit tensor and of the two ends of its range."""

    values: str
    low: str
    high: str


class ChannelWeights(typing.NamedTuple):
    """Weights in 8 bits, and what a level of each channel stands for: float64 `[channels]`."""

    eight: EightBits
    scale: np.ndarray


def outputs_of(name):
    """Returns the `EightBits` that an 8-bit kernel gives: its values, then their range."""
    return EightBits(name, name + ':1', name + ':2')


class Quantizer:
    """Adds 8-bit versions of the tensors of an old graph to a new one, each only once."""

    def __init__(self, graph_def, new):
        """Takes the old graph as a GraphDef, and the new one as a `build.NewGraph`."""
        self._nodes = search.nodes_by_name(graph_def)
        self._known = ranges.known(graph_def)
        self._new, self._made = new, {}

    def quantize(self, tensor, relu=None):
        """Quantizes a tensor and returns its `EightBits`.

        Args:
          tensor: the name of a float32 tensor, constant or not.
          relu: 'Relu' or 'Relu6' to apply through the range, which clips values; or None.
        """
        name = search.node_name(tensor)
        if relu is None and self._nodes[name].op == 'Const':
            return self.quantize_constant(name)
        return self._once(('quantized', tensor, relu), lambda: self._quantized(tensor, relu))

    def quantize_constant(self, name, transposed=False):
        """Returns the `EightBits` of a constant, or of its transpose, all on one scale."""

        def make():
            value = self._value(name, transposed)
            low, high = ranges.nudged(
                value.min() if value.size else 0, value.max() if value.size else 0
            )
            step = (high - low) / ranges.LEVELS
            zero = np.round(-low / step)
            scaled = value / step
            if value.ndim > 1:
                quantized = constants.diffuse_errors(scaled, -zero, ranges.LEVELS - zero)
            else:
                quantized = np.clip(np.round(scaled), -zero, ranges.LEVELS - zero)
            return self._add(_scope(name, transposed) + '/8bit', quantized + zero, low, high)

        return self._once(('one scale', name, transposed), make)

    def quantize_channels(self, name, transposed):
        """Returns the `ChannelWeights` of a constant, or of its transpose."""

        def make():
            value = self._value(name, transposed)
            scale = constants.symmetric_scale(value, (value.ndim - 1,), _ZERO_LEVEL - 1)
            quantized = constants.diffuse_errors(value / scale, 1 - _ZERO_LEVEL, _ZERO_LEVEL - 1)
            eight = self._add(
                _scope(name, transposed) + '/channels',
                quantized + _ZERO_LEVEL,
                -_ZERO_LEVEL,
                ranges.LEVELS - _ZERO_LEVEL,
            )
            return ChannelWeights(eight, scale.reshape(-1))

        return self._once(('channels', name, transposed), make)

    def requantize(self, accumulators):
        """Brings the 32-bit accumulators of the kernel of that name to 8 bits, as `EightBits`."""
        limits = list(outputs_of(accumulators))
        scope = self._new.unused_scope(accumulators + '/range')
        found = self._new.add('RequantizationRange', scope, limits, Tinput=tf.qint32)
        ends = ranges.add_nudging(self._new, scope, found, found + ':1')
        name = self._new.add(
            'Requantize',
            accumulators + '/requantize',
            limits + list(ends),
            Tinput=tf.qint32,
            out_type=tf.quint8,
        )
        return outputs_of(name)

    def dequantize(self, name, eight):
        """Adds the Dequantize that makes floats of `EightBits` under the name of an old node."""
        self._new.keep(build.node('Dequantize', name, list(eight), T=tf.quint8, mode=_MODE))

    def _once(self, key, make):
        """Returns what `make` returned when it was first called for `key`."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _quantized(self, tensor, relu):
        limits = Range(0.0, 6.0) if relu == 'Relu6' else self._known.get(search.node_name(tensor))
        if relu == 'Relu' and limits:
            limits = Range(0.0, max(limits.highest, 0.0))
        scope = self._new.unused_scope('%s/%s' % (build.scope_of(tensor), relu or 'eightbit'))
        if limits:
            ends = ranges.add_constant(self._new, scope, *ranges.nudged(*limits))
        else:
            ends = ranges.add_dynamic(self._new, scope, tensor, relu == 'Relu')
        return outputs_of(
            self._new.add(
                'QuantizeV2', scope + '/quantize', [tensor] + list(ends), T=tf.quint8, mode=_MODE
            )
        )

    def _value(self, name, transposed):
        value = build.value_of(self._nodes[name])
        return value.T if transposed else value

    def _add(self, wanted, quantized, low, high):
        scope = self._new.unused_scope(wanted)
        ends = ranges.add_constant(self._new, scope, low, high)
        return EightBits(self._new.constant(scope, quantized.astype(np.uint8), tf.quint8), *ends)


def _scope(constant, transposed):
    return constant + '/turned' if transposed else constant
