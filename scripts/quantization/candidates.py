"""Which ops of a graph mode `eightbit` replaces by their 8-bit kernels."""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search
from scripts.graphs.importing import as_graph
from scripts.quantization import constants

LAYERS = ('Conv2D', 'MatMul')
_POOLS = ('MaxPool', 'AvgPool')
_CONCATS = ('Concat', 'ConcatV2')
_RELUS = ('Relu', 'Relu6')
BATCH_NORM = 'BatchNormWithGlobalNormalization'
OPS = LAYERS + _POOLS + _CONCATS + _RELUS + ('BiasAdd', 'Reshape', BATCH_NORM)
_WITH_CONSTANTS = ('MatMul', 'BiasAdd', BATCH_NORM)

# The fraction of a graph's weights that may stay floats: those of the convolutions with the fewest,
# which stand where images are largest and so cost the most time in 8 bits. Leaving them out makes
# MobileNet twice as fast, and its labels better, for 2% of the bytes.
FLOAT_FRACTION = 0.04


class Candidates(typing.NamedTuple):
    """Which nodes become 8-bit kernels.

    names: set of the nodes' names.
    concat_axes: dict from the name of each Concat or ConcatV2 among them to its axis, from 0 on.
    """

    names: typing.Set[str]
    concat_axes: typing.Dict[str, int]


def choose(graph_def, output_names):
    """Returns the `Candidates` of a graph.

    Left as they are: layers whose weights or filters are computed, other layouts than NHWC,
    dilations, the convolutions with the fewest weights (FLOAT_FRACTION), and ops between float ops
    on all sides, where a trip to 8 bits and back would cost time and gain nothing.

    Args:
      graph_def: a GraphDef, simplified, inputs first.
      output_names: list of node names.
    """
    chooser = _Chooser(graph_def)
    with_kernel = {node.name for node in graph_def.node if chooser.has_kernel(node)}
    with_kernel -= chooser.light_convolutions(with_kernel)
    names = {
        name
        for name in with_kernel
        if chooser.has_neighbour(name, with_kernel) or chooser.ends(name, output_names)
    }
    return Candidates(names, chooser.concat_axes)


def data_inputs(node):
    """Returns the inputs of a node that become 8-bit tensors, biases and weights aside."""
    if node.op == 'Concat':
        return [name for name in node.input[1:] if not name.startswith('^')]
    if node.op == 'ConcatV2':
        return [name for name in node.input[:-1] if not name.startswith('^')]
    return node.input[:1]


class _Chooser:
    """What a graph says about its nodes."""

    def __init__(self, graph_def):
        self._graph_def, self._ranks = graph_def, None
        self._nodes = search.nodes_by_name(graph_def)
        self._users = search.consumers(graph_def)
        self.concat_axes = {}

    def has_kernel(self, node):
        """Returns whether TensorFlow has an 8-bit kernel that does what a node does."""
        is_float = build.attribute(node, 'T').type == tf.float32.as_datatype_enum
        is_nhwc = build.attribute(node, 'data_format').s in (b'', b'NHWC')
        if node.op not in OPS or not is_float or not is_nhwc:
            return False
        if node.op == 'Conv2D':
            return (
                self._is_constant(node.input[1])
                and set(build.attribute(node, 'dilations').list.i) <= {1}
                and self._is_aligned(node)
            )
        if node.op == 'MatMul' and build.attribute(node, 'transpose_a').b:
            return False
        if node.op in _CONCATS:
            return self._find_axis(node)
        return node.op not in _WITH_CONSTANTS or all(map(self._is_constant, node.input[1:]))

    def light_convolutions(self, names):
        """Returns those of `names` with the fewest weights: FLOAT_FRACTION of all in the graph."""
        room = FLOAT_FRACTION * sum(
            constants.size(node) for node in self._graph_def.node if constants.is_large(node)
        )
        sizes = sorted(
            (constants.size(self._nodes[search.node_name(self._nodes[name].input[1])]), name)
            for name in names
            if self._nodes[name].op == 'Conv2D'
        )
        totals = np.cumsum([size for size, _ in sizes])
        return {name for (_, name), total in zip(sizes, totals) if total <= room}

    def has_neighbour(self, name, others):
        """Returns whether a node is a layer, or takes from or gives to one of `others`."""
        node = self._nodes[name]
        before = {search.node_name(each) for each in data_inputs(node)}
        after = {user.name for user in self._users[name]}
        return node.op in LAYERS or bool((before | after) & others)

    def ends(self, name, output_names):
        """Returns whether a node takes only what is fed, or gives only an output of the graph."""
        before = [self._nodes[search.node_name(each)] for each in data_inputs(self._nodes[name])]
        is_first = all(node.op == 'Placeholder' for node in before)
        return is_first or name in output_names and not self._users[name]

    def _find_axis(self, node):
        """Returns whether the axis of a Concat, counted from the front, is known, and keeps it."""
        axis = self._nodes[search.node_name(node.input[0 if node.op == 'Concat' else -1])]
        if axis.op != 'Const':
            return False
        axis = int(build.value_of(axis))
        if axis < 0:
            if self._ranks is None:
                self._ranks = _ranks(self._graph_def)
            rank = self._ranks[node.name]
            if rank is None:
                return False
            axis += rank
        self.concat_axes[node.name] = axis
        return True

    def _is_aligned(self, node):
        """Returns whether QuantizedConv2D looks at the pixels that Conv2D looks at.

        Where a stride leaves pixels out at the border, the kernel of TensorFlow 1.15 shifts by
        half of them (quantized_conv_ops.cc divides a negative offset).
        """
        dims = self._nodes[search.node_name(node.input[1])].attr['value'].tensor.tensor_shape.dim
        strides = list(build.attribute(node, 'strides').list.i)[1:3]
        if build.attribute(node, 'padding').s == b'SAME':
            return all(stride <= dim.size + 1 for stride, dim in zip(strides, dims))
        return build.attribute(node, 'padding').s == b'VALID' and max(strides) <= 3

    def _is_constant(self, name):
        return self._nodes[search.node_name(name)].op == 'Const'


def _ranks(graph_def):
    """Returns a dict from each node's name to how many axes its first output has, or None."""
    return {
        operation.name: operation.outputs[0].shape.ndims if operation.outputs else None
        for operation in as_graph(graph_def).get_operations()
    }
