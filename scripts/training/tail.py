"""The tail: the nodes of a network from the boundary to the bottleneck, which are trained too."""

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search

# The operations whose second input is trained: filters, weights and biases.
_TRAINED = {'Conv2D', 'DepthwiseConv2dNative', 'MatMul', 'BiasAdd'}


def trained_constants(backbone):
    """Returns the names of the constants behind a backbone that are trained, in the graph's order.

    There are none where the boundary is the bottleneck.

    Args:
      backbone: a `Backbone`.

    Raises:
      UserError: the boundary does not stand on every path from the fed node to the bottleneck.
    """
    network, nodes = backbone.network, search.nodes_by_name(backbone.graph_def)
    behind = _between(nodes, backbone.boundary, network.bottleneck_name)
    if network.input_name in behind:
        raise UserError(
            'the node %s is no boundary: there is a path from %s to %s that does not go through it'
            % (backbone.boundary, network.input_name, network.bottleneck_name)
        )
    trained = [nodes[name] for name in behind if nodes[name].op in _TRAINED]
    constants = {_constant(nodes, node.input[1]) for node in trained}
    return [node.name for node in backbone.graph_def.node if node.name in constants]


def _between(nodes, boundary, bottleneck):
    """Returns the names of the nodes that the bottleneck needs where the boundary is fed."""
    fed = dict(nodes, **{boundary: tf.NodeDef(name=boundary)})
    return {node.name for node in build.needed(fed.values(), [bottleneck])} - {boundary}


def _constant(nodes, name):
    """Returns the name of the constant behind an input, or None where values are computed."""
    node = nodes[search.node_name(name)]
    while node.op == 'Identity':
        node = nodes[search.node_name(node.input[0])]
    return node.name if node.op == 'Const' else None
