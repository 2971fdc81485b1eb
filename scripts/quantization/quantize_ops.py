"""Mode `eightbit`: ops become their 8-bit kernels, each between a QuantizeV2 and a Dequantize.

`redundant.py` removes the pairs between two 8-bit ops. What an op becomes depends on what takes its
result:
- 8-bit ops: its 32-bit accumulators are requantized to 8 bits;
- float ops only, such as a batch norm or a depthwise convolution (which has no 8-bit kernel on a
  CPU): the accumulators of a convolution or MatMul become floats at once, without a loss. Then each
  channel's weights can have a scale of their own, which a Mul applies.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search
from scripts.quantization import candidates, eight_bits, ranges


def quantize_ops(graph_def, output_names):
    """Replaces ops by their 8-bit kernels, where `candidates.choose` says so.

    Args:
      graph_def: a GraphDef, simplified, inputs first, with float32 values.
      output_names: list of node names; what fetches them still gets floats.
    """
    return _Pass(graph_def, candidates.choose(graph_def, output_names)).run()


class _Pass:
    """One run over a graph: `nodes` of the old one by name, and the `new` one."""

    def __init__(self, graph_def, chosen):
        self.graph_def, self.chosen = graph_def, chosen
        self.users = search.consumers(graph_def)
        self.new = build.NewGraph(graph_def)
        self.quantizer = eight_bits.Quantizer(graph_def, self.new)

    def run(self):
        """Returns the new GraphDef."""
        handlers = {
            'Conv2D': self._layer,
            'MatMul': self._layer,
            'BiasAdd': self._bias_add,
            'Relu': self._relu,
            'Relu6': self._relu,
            'MaxPool': self._pool,
            'AvgPool': self._pool,
            'Concat': self._concat,
            'ConcatV2': self._concat,
            'Reshape': self._reshape,
            candidates.BATCH_NORM: self._batch_norm,
        }
        for node in self.graph_def.node:
            if node.name in self.chosen.names:
                handlers[node.op](node)
            else:
                self.new.keep(node)
        return self.new.graph_def()

    def _layer(self, node):
        pixels = self.quantizer.quantize(node.input[0])
        name = search.node_name(node.input[1])
        transposed = build.attribute(node, 'transpose_b').b
        if any(user.name in self.chosen.names for user in self.users[node.name]):
            weights = self.quantizer.quantize_constant(name, transposed)
            self._requantized(node, self._accumulators(node, pixels, weights))
            return
        weights = self.quantizer.quantize_channels(name, transposed)
        accumulators = self._accumulators(node, pixels, weights.eight)
        self._rescaled(node, accumulators, pixels, weights.scale)

    def _accumulators(self, node, pixels, weights):
        """Adds the kernel of a convolution or MatMul; returns the name of its accumulators."""
        inputs = [pixels.values, weights.values, pixels.low, pixels.high, weights.low, weights.high]
        wanted = node.name + '/sums'
        if node.op == 'MatMul':
            return self.new.add(
                'QuantizedMatMul', wanted, inputs, T1=tf.quint8, T2=tf.quint8, Toutput=tf.qint32
            )
        return self.new.add(
            'QuantizedConv2D',
            wanted,
            inputs,
            Tinput=tf.quint8,
            Tfilter=tf.quint8,
            out_type=tf.qint32,
            strides=list(build.attribute(node, 'strides').list.i),
            padding=build.attribute(node, 'padding').s,
        )

    def _requantized(self, node, accumulators):
        """Requantizes 32-bit accumulators to 8 bits, and dequantizes these."""
        self.quantizer.dequantize(node.name, self.quantizer.requantize(accumulators))

    def _rescaled(self, node, accumulators, pixels, scale):
        """Makes floats of 32-bit accumulators, with a scale for each channel.

        Dequantize has one scale only, and would add 2^31 to the accumulators as floats on the way.
        """
        integers = self.new.add(
            'Bitcast', node.name + '/whole', [accumulators], T=tf.qint32, type=tf.int32
        )
        cast = self.new.add('Cast', node.name + '/cast', [integers], SrcT=tf.int32, DstT=tf.float32)
        scope = self.new.unused_scope(node.name + '/scale')
        weights = self.new.constant(scope + '/weights', (scale / ranges.LEVELS).astype(np.float32))
        width = self.new.add('Sub', scope + '/width', [pixels.high, pixels.low], T=tf.float32)
        factor = self.new.add('Mul', scope, [weights, width], T=tf.float32)
        self.new.keep(build.node('Mul', node.name, [cast, factor], T=tf.float32))

    def _bias_add(self, node):
        eight = self.quantizer.quantize(node.input[0])
        bias = self.quantizer.quantize(node.input[1])
        accumulators = self.new.add(
            'QuantizedBiasAdd',
            node.name + '/sums',
            [eight.values, bias.values, eight.low, eight.high, bias.low, bias.high],
            T1=tf.quint8,
            T2=tf.quint8,
            out_type=tf.qint32,
        )
        self._requantized(node, accumulators)

    def _relu(self, node):
        if search.node_name(node.input[0]) not in self.chosen.names:
            # The range clips as the op does, and so holds no value that the op would drop.
            eight = self.quantizer.quantize(node.input[0], relu=node.op)
            self.quantizer.dequantize(node.name, eight)
            return
        inputs = list(self.quantizer.quantize(node.input[0]))
        self._kernel(node, 'Quantized' + node.op, inputs, Tinput=tf.quint8, out_type=tf.quint8)

    def _kernel(self, node, op, inputs, **attributes):
        """Adds an 8-bit kernel with 8-bit outputs, and their Dequantize."""
        name = self.new.add(op, node.name + '/eight', inputs, **attributes)
        self.quantizer.dequantize(node.name, eight_bits.outputs_of(name))

    def _pool(self, node):
        self._kernel(
            node,
            'Quantized' + node.op,
            list(self.quantizer.quantize(node.input[0])),
            T=tf.quint8,
            ksize=list(build.attribute(node, 'ksize').list.i),
            strides=list(build.attribute(node, 'strides').list.i),
            padding=build.attribute(node, 'padding').s,
        )

    def _concat(self, node):
        parts = [self.quantizer.quantize(name) for name in candidates.data_inputs(node)]
        axis = np.int32(self.chosen.concat_axes[node.name])
        inputs = [self.new.constant(node.name + '/axis32', axis)]
        inputs += [name for part in zip(*parts) for name in part]
        self._kernel(node, 'QuantizedConcat', inputs, N=len(parts), T=tf.quint8)

    def _reshape(self, node):
        eight = self.quantizer.quantize(node.input[0])
        self._kernel(
            node,
            'QuantizedReshape',
            [eight.values, node.input[1], eight.low, eight.high],
            T=tf.quint8,
            Tshape=tf.as_dtype(build.attribute(node, 'Tshape').type or tf.int32),
        )

    def _batch_norm(self, node):
        eights = [self.quantizer.quantize(name) for name in node.input[:5]]
        result = build.node(
            'QuantizedBatchNormWithGlobalNormalization',
            self.new.unused_name(node.name + '/sums'),
            [each for eight in eights for each in eight],
            Tinput=tf.quint8,
            out_type=tf.qint32,
        )
        for key in ('variance_epsilon', 'scale_after_normalization'):
            result.attr[key].CopyFrom(build.attribute(node, key))
        self.new.keep(result)
        self._requantized(node, result.name)
