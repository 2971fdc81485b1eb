"""Finds which constants of a network are its parameters: what training changes.

Weights of convolutions and dense layers, biases, and scale and offset of batch norms, in each form
that frozen graphs have: fused, as the old global normalization, as separate Mul, Add, Sub and Rsqrt
nodes, or as one Mul and one Add of constant vectors. The statistics of batch norms, the moving mean
and variance, are none, and neither are scalars, such as the 6 of a relu6.
"""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, folding, search

# What a constant is to the node that takes it.
_WEIGHTS, _SCALE, _OFFSET = 'weights', 'scale', 'offset'

# Which inputs of a node may be parameters, by its operation.
_LAYERS = {
    'Conv2D': {1: _WEIGHTS},
    'DepthwiseConv2dNative': {1: _WEIGHTS},
    'MatMul': {0: _WEIGHTS, 1: _WEIGHTS},
}
_GLOBAL = 'BatchNormWithGlobalNormalization'
_FUSED = {1: _SCALE, 2: _OFFSET}
_BATCH_NORMS = {
    'FusedBatchNorm': _FUSED,
    'FusedBatchNormV2': _FUSED,
    'FusedBatchNormV3': _FUSED,
    _GLOBAL: {3: _OFFSET, 4: _SCALE},
}
# Only behind a layer, and only vectors: before all layers, pixels are normalized.
_ELEMENTWISE = {
    'BiasAdd': {1: _OFFSET},
    'BiasAddV1': {1: _OFFSET},
    'Add': {0: _OFFSET, 1: _OFFSET},
    'AddV2': {0: _OFFSET, 1: _OFFSET},
    'Sub': {0: _OFFSET},
    'Mul': {0: _SCALE, 1: _SCALE},
}

# Ops that pass on what their first input holds.
_PASSED_ON = ('Identity', 'Reshape', 'Squeeze', 'ExpandDims', 'Transpose')

# What only the statistics of a batch norm go through, and behind it which inputs of an op the scale
# and the offset come from: gamma * rsqrt(variance + epsilon) and beta - mean * that.
_OF_VARIANCE = ('Rsqrt', 'Sqrt', 'Pow')
_BESIDE_STATISTICS = {
    _SCALE: {'Mul': (0, 1), 'RealDiv': (0,)},
    _OFFSET: {'Sub': (0,), 'Add': (0, 1), 'AddV2': (0, 1)},
}


class Constant(typing.NamedTuple):
    """A constant that is trained, or a node that depends on constants only.

    name: of the node.
    value: float32 array.
    decayed: whether weight decay applies: to weights of convolutions and dense layers, not to
      biases, nor to scale and offset of batch norms.
    """

    name: str
    value: np.ndarray
    decayed: bool


def find(graph_def, path):
    """Returns the list of `Constant`s of a part of a network, in the graph's order.

    Args:
      graph_def: a GraphDef.
      path: list of the names of the nodes from the boundary, which comes first, to the bottleneck:
        all on some path between them, in topological order.
    """
    graph = _Graph(graph_def, path)
    uses = {}
    for each in _uses(graph, path):
        uses.setdefault(each.name, []).append(each)
    computed = [name for name in uses if graph.nodes[name].op != 'Const']
    values = folding.values(graph_def, computed)
    for name in uses:
        if name not in values:
            values[name] = build.value_of(graph.nodes[name])
    takers = _takers(graph, uses, path[-1])
    return [
        Constant(node.name, values[node.name], all(use.decayed for use in uses[node.name]))
        for node in graph_def.node
        if node.name in uses
        and node.name not in graph.front
        and values[node.name].dtype == np.float32
        and all(_fits(use, values[node.name]) for use in uses[node.name])
        and _is_taken_as_parameter_only(graph, uses[node.name], takers)
    ]


class _Use(typing.NamedTuple):
    """One way from a constant to a node that takes it as a parameter.

    name: of the constant, or of what is computed from constants alone.
    role: one of the roles.
    is_vector: whether it has to be a vector.
    edges: tuple of (taker, input index): what the constant goes through, from its taker on.
    """

    name: str
    role: str
    is_vector: bool
    edges: typing.Tuple[typing.Tuple[str, int], ...]

    @property
    def decayed(self):
        return self.role == _WEIGHTS


class _Graph:
    """A network, with which of its nodes are constant, and which are in front of a boundary.

    nodes: dict from name to NodeDef.
    front: names of the nodes that the boundary needs.
    fixed: names of the nodes that depend on constants only.
    statistics: of those, the ones that depend on a batch norm's variance.
    """

    def __init__(self, graph_def, path):
        self.nodes = search.nodes_by_name(graph_def)
        self.front = {node.name for node in build.needed(graph_def.node, path[:1])}
        self.fixed, self.statistics = set(), set()
        for node in build.needed(graph_def.node, path[-1:]):
            sources = {search.node_name(each) for each in node.input}
            if node.op == 'Const' or (
                sources and sources <= self.fixed and folding.is_foldable(node.op)
            ):
                self.fixed.add(node.name)
                if node.op in _OF_VARIANCE or sources & self.statistics:
                    self.statistics.add(node.name)


def _uses(graph, path):
    """Yields the `_Use`s by the nodes behind the boundary."""
    layered = _behind_layers(graph, path)
    for name in path[1:]:
        node = graph.nodes[name]
        is_vector = node.op in _ELEMENTWISE
        if is_vector and name not in layered:
            continue
        for index, role in _roles(node).items():
            for leaf, edges in _leaves(graph, node, index, role):
                yield _Use(leaf, role, is_vector, edges)


def _roles(node):
    """Returns a dict from those inputs of a node that may be parameters to their role."""
    if node.op == _GLOBAL and not build.attribute(node, 'scale_after_normalization').b:
        return {3: _OFFSET}  # It ignores its scale.
    return _LAYERS.get(node.op) or _BATCH_NORMS.get(node.op) or _ELEMENTWISE.get(node.op) or {}


def _behind_layers(graph, path):
    """Returns the names of the nodes of a path that depend on a layer with weights."""
    found = set()
    if any(graph.nodes[name].op in _LAYERS for name in graph.front):
        found.add(path[0])
    for name in path[1:]:
        node = graph.nodes[name]
        if node.op in _LAYERS or any(search.node_name(each) in found for each in node.input):
            found.add(name)
    return found


def _leaves(graph, taker, index, role):
    """Yields the constants behind an input of a node, each with the edges that lead from it."""
    name = search.node_name(taker.input[index])
    if name not in graph.fixed:
        return
    node = graph.nodes[name]
    if node.op in _PASSED_ON:
        indexes = (0,)
    elif name in graph.statistics and role != _WEIGHTS:
        indexes = _BESIDE_STATISTICS[role].get(node.op, ())
    else:
        yield name, ((taker.name, index),)
        return
    for each in indexes:
        for leaf, edges in _leaves(graph, node, each, role):
            yield leaf, edges + ((taker.name, index),)


def _takers(graph, leaves, bottleneck):
    """Returns a dict from a node to the edges from it: a set of (taker, input index).

    Args:
      graph: a `_Graph`.
      leaves: names of nodes whose values are known, so that what they are computed from counts for
        nothing.
      bottleneck: the name of the node; what it does not need counts for nothing either.
    """
    known = {name: tf.NodeDef(name=name) for name in leaves}
    takers = {}
    for node in build.needed(dict(graph.nodes, **known).values(), [bottleneck]):
        for index, each in enumerate(node.input):
            if not each.startswith('^'):
                takers.setdefault(search.node_name(each), set()).add((node.name, index))
    return takers


def _fits(use, value):
    """Returns whether a value can be what a `_Use` takes it for."""
    return not use.is_vector or (value.size > 1 and value.size == max(value.shape))


def _is_taken_as_parameter_only(graph, uses, takers):
    """Returns whether nothing else takes a constant, or what only passes it on."""
    edges = {edge for use in uses for edge in use.edges}
    holders = {uses[0].name}
    for use in uses:
        for taker, _ in use.edges:
            if graph.nodes[taker].op not in _PASSED_ON:
                break
            holders.add(taker)
    return all(takers[name] <= edges for name in holders)
