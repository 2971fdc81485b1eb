"""The blocks of a network: at which nodes it can be cut, so that what is behind is trained."""

import typing

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, paths, search
from scripts.networks import backbone as backbone_lib

ALL = -1  # As a number of blocks: the whole network.

_NAMES_IN_A_MESSAGE = 16

# Layers with weights. A depthwise convolution ends no block: it is one layer with the next one.
_CONVOLUTIONS = ('Conv2D', 'DepthwiseConv2dNative')
_ENDING = ('Conv2D',)
_WITH_WEIGHTS = _CONVOLUTIONS + ('MatMul',)

# What may stand between a boundary and the convolution that it feeds. A boundary is the node
# before: a padded feature map is larger.
_PASSED_ON = ('Pad', 'PadV2', 'MirrorPad', 'Identity')


def boundaries(backbone):
    """Returns the names of the nodes at which a network can be cut, the bottleneck's block last.

    They are found, not listed: a boundary is a node that every path from the fed node to the
    bottleneck goes through; whose output is a feature map of more than 1 x 1; that feeds a
    convolution or more than one node; with a convolution that is not depthwise between it and the
    boundary before; and with a layer to train behind it. The fed node is none of them.

    Args:
      backbone: a `Backbone` that ends at the bottleneck.

    Raises:
      UserError: the network has a loop, or TensorFlow cannot load it.
    """
    nodes, network = search.nodes_by_name(backbone.graph_def), backbone.network
    try:
        order = paths.between(nodes, network.input_name, network.bottleneck_name)
        cuts = paths.on_every_path(nodes, network.input_name, network.bottleneck_name)
    except ValueError as error:
        raise UserError(
            '%s cannot be cut into blocks: %s; expected a network without loops'
            % (network.name, error)
        )
    users = _users(nodes, order)
    with tf.Graph().as_default():
        outputs = backbone_lib.import_nodes(backbone, cuts)
    maps = {name for name, tensor in zip(cuts, outputs) if _is_map(tensor)}
    position = {name: index for index, name in enumerate(order)}
    ending = [index for index, name in enumerate(order) if nodes[name].op in _ENDING]
    last = max(
        (index for index, name in enumerate(order) if nodes[name].op in _WITH_WEIGHTS), default=-1
    )
    found, before = [], 0
    for name in cuts:
        here = position[name]
        ends = any(before < index <= here for index in ending)
        if name in maps and ends and here < last and _is_entry(users, name):
            found.append(name)
            before = here
    return found


def cut_for(backbone, blocks, from_node=''):
    """Returns the `Backbone` of what is not trained.

    Args:
      backbone: a `Backbone` that ends at the bottleneck.
      blocks: int, how many of the last blocks are trained: 0: none, ALL: the whole network.
      from_node: the name of the boundary, or of the fed node, behind which everything is trained;
        empty: `blocks` counts.

    Raises:
      UserError: there are not so many blocks, or the node is no boundary; or both are given.
    """
    if not blocks and not from_node:
        return backbone
    if blocks and from_node:
        raise UserError(
            '--fine_tune_blocks=%d and --fine_tune_from=%s: expected one of them'
            % (blocks, from_node)
        )
    whole = backbone.network.input_name
    # By the number of blocks behind them, from 1 on.
    names = boundaries(backbone)[::-1] + [whole]
    wanted = search.node_name(from_node)
    if from_node and wanted not in names:
        raise UserError(
            '--fine_tune_from=%s: not a boundary of a block; %s'
            % (from_node, _choice(backbone, names))
        )
    if not ALL <= blocks <= len(names):
        raise UserError(
            '--fine_tune_blocks=%d: expected from 0 to %d, or %d for all; %s'
            % (blocks, len(names), ALL, _choice(backbone, names))
        )
    name = wanted or (whole if blocks == ALL else names[blocks - 1])
    return backbone_lib.cut(backbone, name)


class _User(typing.NamedTuple):
    """A node that takes an output of another one: its name, its op, and which output."""

    name: str
    op: str
    output_index: int


def _users(nodes, order):
    """Returns a dict from each node on the paths to the `_User`s that are on them too."""
    users = {name: [] for name in order}
    for name in order:
        for each in nodes[name].input:
            source = search.node_name(each)
            if source in users and not each.startswith('^'):
                users[source].append(_User(name, nodes[name].op, build.output_index(each)))
    return users


def _is_map(tensor):
    """Returns whether a tensor is a feature map: float32 `[batch, height, width, channels]`."""
    if tensor.dtype != tf.float32 or tensor.shape.ndims != 4:
        return False
    batch, height, width, channels = tensor.shape.as_list()
    return batch is None and None not in (height, width, channels) and height * width > 1


def _is_entry(users, name):
    """Returns whether a node feeds a convolution or more than one node, by its first output."""
    takers = [each for each in users[name] if each.op != 'Shape']
    if any(each.output_index for each in takers):
        return False
    while len(takers) == 1 and takers[0].op in _PASSED_ON:
        takers = users[takers[0].name]
    return len(takers) > 1 or any(each.op in _CONVOLUTIONS for each in takers)


def _choice(backbone, names):
    """Returns what a message says of the blocks that there are, by the number that is trained."""
    if len(names) == 1:
        return (
            '%s has no node inside that all paths go through: it is trained as a whole, or not at '
            'all' % backbone.network.name
        )
    shown = ['%d: %s' % (number + 1, name) for number, name in enumerate(names)]
    more = len(shown) - _NAMES_IN_A_MESSAGE
    return 'blocks of %s, by their number and the node before them: %s' % (
        backbone.network.name,
        ', '.join(shown[:_NAMES_IN_A_MESSAGE]) + (' and %d more' % more if more > 0 else ''),
    )
