"""Mode `eightbit`: ops become their 8-bit kernels, each between a QuantizeV2 and a Dequantize.

The pairs that this puts between two 8-bit ops are taken out by `redundant.py`. What an op becomes
depends on what takes its result:
- 8-bit ops: its 32-bit sums are brought to 8 bits (Requantize) and stay so;
- float ops only, such as a batch norm or a depthwise convolution (which has no 8-bit kernel on a
  CPU): the sums of a convolution or MatMul become floats at once, without a loss. Then each
  channel's weights can have a scale of their own, which a Mul brings back.
"""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search
from scripts.graphs.importing import import_graph
from scripts.quantization import constants, ranges

_LAYERS = ('Conv2D', 'MatMul')
_POOLS = ('MaxPool', 'AvgPool')
_CONCATS = ('Concat', 'ConcatV2')
_RELUS = ('Relu', 'Relu6')
_BATCH_NORM = 'BatchNormWithGlobalNormalization'
OPS = _LAYERS + _POOLS + _CONCATS + _RELUS + ('BiasAdd', 'Reshape', _BATCH_NORM)

# MIN_COMBINED is the mode whose levels are those of the quantized kernels, and the fastest.
_MODE = b'MIN_COMBINED'

# The share of a graph's weights that may stay floats: those of the convolutions with the fewest,
# which stand where images are largest and so cost the most time in 8 bits. Leaving them out makes
# MobileNet twice as fast, and its labels better, for 2% of the bytes.
_FLOAT_SHARE = 0.04

# The lower and upper end of channel weights in whole numbers; 128 of them stands for zero.
_ZERO_LEVEL = 128


def quantize_ops(graph_def, output_names):
    """Replaces the ops in OPS by their 8-bit kernels, where they have one.

    Left as they are: layers whose weights or filters are computed, other layouts than NHWC,
    dilations, the convolutions with the fewest weights (_FLOAT_SHARE), and ops between float ops
    on all sides, where a trip to 8 bits and back would cost time and gain nothing.

    Args:
      graph_def: a GraphDef, simplified, inputs first, with float32 values.
      output_names: list of node names; what fetches them still gets floats.
    """
    return _Pass(graph_def, output_names).run()


class _Eight(typing.NamedTuple):
    """Names of an 8-bit tensor and of the two ends of its range."""

    values: str
    low: str
    high: str


class _Pass:
    """One run over a graph: `nodes` of the old one by name, and the `new` one."""

    def __init__(self, graph_def, output_names):
        self.graph_def, self.output_names = graph_def, output_names
        self.nodes = search.nodes_by_name(graph_def)
        self.users = search.consumers(graph_def)
        self.known = ranges.known(graph_def)
        self.new, self.made = build.NewGraph(graph_def), {}
        candidates = {node.name for node in graph_def.node if self._has_kernel(node)}
        candidates -= self._light_convolutions(candidates)
        self.chosen = {name for name in candidates if self._worth_it(name, candidates)}

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
            _BATCH_NORM: self._batch_norm,
        }
        for node in self.graph_def.node:
            if node.name in self.chosen:
                handlers[node.op](node)
            else:
                self.new.keep(node)
        return self.new.graph_def()

    # What is chosen.

    def _has_kernel(self, node):
        is_float = build.attribute(node, 'T').type == tf.float32.as_datatype_enum
        is_nhwc = build.attribute(node, 'data_format').s in (b'', b'NHWC')
        if node.op not in OPS or not is_float or not is_nhwc:
            return False
        if node.op == 'Conv2D':
            return (
                self._constant(node.input[1])
                and set(build.attribute(node, 'dilations').list.i) <= {1}
                and self._is_aligned(node)
            )
        if node.op == 'MatMul' and build.attribute(node, 'transpose_a').b:
            return False
        if node.op in _CONCATS:
            return self._concat_axis(node) is not None
        with_constants = ('MatMul', 'BiasAdd', _BATCH_NORM)
        return node.op not in with_constants or all(map(self._constant, node.input[1:]))

    def _light_convolutions(self, candidates):
        """Returns the convolutions with the fewest weights, _FLOAT_SHARE of the graph's in all."""
        room = _FLOAT_SHARE * sum(
            constants.size(node) for node in self.graph_def.node if constants.is_large(node)
        )
        sizes = sorted(
            (constants.size(self.nodes[search.node_name(self.nodes[name].input[1])]), name)
            for name in candidates
            if self.nodes[name].op == 'Conv2D'
        )
        totals = np.cumsum([size for size, _ in sizes])
        return {name for (_, name), total in zip(sizes, totals) if total <= room}

    def _concat_axis(self, node):
        """Returns the axis of a Concat, counted from the front, or None where it is unknown."""
        axis = self.nodes[search.node_name(node.input[0 if node.op == 'Concat' else -1])]
        if axis.op != 'Const':
            return None
        axis = int(build.value_of(axis))
        if axis >= 0:
            return axis
        rank = self._once('ranks', lambda: _ranks(self.graph_def))[node.name]
        return None if rank is None else rank + axis

    def _is_aligned(self, node):
        """Returns whether QuantizedConv2D looks at the pixels that Conv2D looks at.

        Where a stride leaves pixels out at the border, the kernel of TensorFlow 1.15 shifts by
        half of them (quantized_conv_ops.cc divides a negative offset).
        """
        dims = self.nodes[search.node_name(node.input[1])].attr['value'].tensor.tensor_shape.dim
        strides = list(build.attribute(node, 'strides').list.i)[1:3]
        if build.attribute(node, 'padding').s == b'SAME':
            return all(stride <= dim.size + 1 for stride, dim in zip(strides, dims))
        return build.attribute(node, 'padding').s == b'VALID' and max(strides) <= 3

    def _worth_it(self, name, candidates):
        node = self.nodes[name]
        if node.op in _LAYERS:
            return True
        before = {search.node_name(each) for each in self._data_inputs(node)}
        after = {user.name for user in self.users[name]}
        computed = {each for each in before if self.nodes[each].op != 'Placeholder'}
        return (
            bool((before | after) & candidates)
            or not computed
            or name in self.output_names
            and not after
        )

    def _data_inputs(self, node):
        if node.op == 'Concat':
            return [name for name in node.input[1:] if not name.startswith('^')]
        if node.op == 'ConcatV2':
            return [name for name in node.input[:-1] if not name.startswith('^')]
        return node.input[:1]

    def _constant(self, name):
        return self.nodes[search.node_name(name)].op == 'Const'

    def _stays_eight(self, name):
        """Returns whether some 8-bit op takes the result of the node `name`."""
        return any(user.name in self.chosen for user in self.users[name])

    # Parts that ops are made of.

    def _once(self, key, make):
        """Returns what `make` returned when it was first called for `key`."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def _eight(self, tensor, clip=None):
        """Quantizes a float tensor and returns its `_Eight`.

        Args:
          tensor: a tensor name.
          clip: 'Relu' or 'Relu6', which the range can do: values outside of it end at its ends.
        """
        if clip is None and self._constant(tensor):
            return self._constant_eight(search.node_name(tensor))
        return self._once(('quantized', tensor, clip), lambda: self._quantized(tensor, clip))

    def _quantized(self, tensor, clip):
        limits = (0.0, 6.0) if clip == 'Relu6' else self.known.get(search.node_name(tensor))
        if clip == 'Relu' and limits:
            limits = (0.0, max(limits[1], 0.0))
        scope = self.new.unused_scope('%s/%s' % (build.scope_of(tensor), clip or 'eightbit'))
        if limits:
            ends = ranges.add_constant(self.new, scope, *ranges.nudged(*limits))
        else:
            ends = ranges.add_running(self.new, scope, tensor, clip == 'Relu')
        name = self.new.add(
            'QuantizeV2', scope + '/quantize', [tensor] + list(ends), T=tf.quint8, mode=_MODE
        )
        return _Eight(name, name + ':1', name + ':2')

    def _constant_eight(self, name, turned=False):
        """Returns the `_Eight` of a constant, or of its transpose, all on one scale."""

        def make():
            value = build.value_of(self.nodes[name])
            value = value.T if turned else value
            low, high = ranges.nudged(
                value.min() if value.size else 0, value.max() if value.size else 0
            )
            step = (high - low) / ranges.LEVELS
            zero = np.round(-low / step)
            scaled = value / step
            if value.ndim > 1:
                whole = constants.carried(scaled, -zero, ranges.LEVELS - zero)
            else:
                whole = np.clip(np.round(scaled), -zero, ranges.LEVELS - zero)
            return self._add_whole(_scope(name, turned) + '/8bit', whole + zero, low, high)

        return self._once(('one scale', name, turned), make)

    def _add_whole(self, wanted, whole, low, high):
        scope = self.new.unused_scope(wanted)
        ends = ranges.add_constant(self.new, scope, low, high)
        return _Eight(self.new.constant(scope, whole.astype(np.uint8), tf.quint8), *ends)

    def _from_sums(self, node, sums):
        """Brings the 32-bit sums of the node called `sums` to 8 bits, and to floats."""
        limits = [sums, sums + ':1', sums + ':2']
        scope = self.new.unused_scope(sums + '/range')
        found = self.new.add('RequantizationRange', scope, limits, Tinput=tf.qint32)
        ends = ranges.add_nudging(self.new, scope, found, found + ':1')
        name = self.new.add(
            'Requantize',
            sums + '/requantize',
            limits + list(ends),
            Tinput=tf.qint32,
            out_type=tf.quint8,
        )
        self._floats(node, _Eight(name, name + ':1', name + ':2'))

    def _floats(self, node, eight):
        """Adds the Dequantize that has the old node's name."""
        self.new.keep(build.node('Dequantize', node.name, list(eight), T=tf.quint8, mode=_MODE))

    # The ops.

    def _layer(self, node):
        pixels = self._eight(node.input[0])
        name = search.node_name(node.input[1])
        turned = build.attribute(node, 'transpose_b').b
        if self._stays_eight(node.name):
            self._from_sums(node, self._sums(node, pixels, self._constant_eight(name, turned)))
            return
        value = build.value_of(self.nodes[name])
        value = value.T if turned else value
        _, scale = constants.symmetric(value, (value.ndim - 1,), _ZERO_LEVEL - 1)
        weights = self._once(
            ('channels', name, turned),
            lambda: self._add_whole(
                _scope(name, turned) + '/channels',
                constants.carried(value / scale, 1 - _ZERO_LEVEL, _ZERO_LEVEL - 1) + _ZERO_LEVEL,
                -_ZERO_LEVEL,
                ranges.LEVELS - _ZERO_LEVEL,
            ),
        )
        self._rescaled(node, self._sums(node, pixels, weights), pixels, scale.reshape(-1))

    def _sums(self, node, pixels, weights):
        """Adds the kernel of a convolution or MatMul; returns the name of its 32-bit sums."""
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

    def _rescaled(self, node, sums, pixels, scale):
        """Makes floats of 32-bit sums, with a scale for each channel.

        Dequantize has one scale only, and would add 2^31 to the sums as floats on the way.
        """
        whole = self.new.add('Bitcast', node.name + '/whole', [sums], T=tf.qint32, type=tf.int32)
        cast = self.new.add('Cast', node.name + '/cast', [whole], SrcT=tf.int32, DstT=tf.float32)
        scope = self.new.unused_scope(node.name + '/scale')
        weights = self.new.constant(scope + '/weights', (scale / ranges.LEVELS).astype(np.float32))
        width = self.new.add('Sub', scope + '/width', [pixels.high, pixels.low], T=tf.float32)
        factor = self.new.add('Mul', scope, [weights, width], T=tf.float32)
        self.new.keep(build.node('Mul', node.name, [cast, factor], T=tf.float32))

    def _bias_add(self, node):
        eight = self._eight(node.input[0])
        bias = self._eight(node.input[1])
        sums = self.new.add(
            'QuantizedBiasAdd',
            node.name + '/sums',
            [eight.values, bias.values, eight.low, eight.high, bias.low, bias.high],
            T1=tf.quint8,
            T2=tf.quint8,
            out_type=tf.qint32,
        )
        self._from_sums(node, sums)

    def _relu(self, node):
        source = search.node_name(node.input[0])
        if source not in self.chosen:
            # The range does what the op does, and so holds nothing that the op would drop.
            self._floats(node, self._eight(node.input[0], node.op))
            return
        inputs = list(self._eight(node.input[0]))
        self._kernel(node, 'Quantized' + node.op, inputs, Tinput=tf.quint8, out_type=tf.quint8)

    def _kernel(self, node, op, inputs, **attributes):
        """Adds an 8-bit kernel that gives 8-bit values with a range, and floats of them."""
        name = self.new.add(op, node.name + '/eight', inputs, **attributes)
        self._floats(node, _Eight(name, name + ':1', name + ':2'))

    def _pool(self, node):
        self._kernel(
            node,
            'Quantized' + node.op,
            list(self._eight(node.input[0])),
            T=tf.quint8,
            ksize=list(build.attribute(node, 'ksize').list.i),
            strides=list(build.attribute(node, 'strides').list.i),
            padding=build.attribute(node, 'padding').s,
        )

    def _concat(self, node):
        eights = [self._eight(name) for name in self._data_inputs(node)]
        axis = self.new.constant(node.name + '/axis32', np.int32(self._concat_axis(node)))
        inputs = [axis] + [name for part in zip(*eights) for name in part]
        self._kernel(node, 'QuantizedConcat', inputs, N=len(eights), T=tf.quint8)

    def _reshape(self, node):
        eight = self._eight(node.input[0])
        self._kernel(
            node,
            'QuantizedReshape',
            [eight.values, node.input[1], eight.low, eight.high],
            T=tf.quint8,
            Tshape=tf.as_dtype(build.attribute(node, 'Tshape').type or tf.int32),
        )

    def _batch_norm(self, node):
        eights = [self._eight(name) for name in node.input[:5]]
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
        self._from_sums(node, result.name)


def _scope(constant, turned):
    return constant + '/turned' if turned else constant


def _ranks(graph_def):
    """Returns a dict from each node's name to how many axes its first output has, or None."""
    graph = tf.Graph()
    with graph.as_default():
        import_graph(graph_def)
    return {
        operation.name: operation.outputs[0].shape.ndims if operation.outputs else None
        for operation in graph.get_operations()
    }
