"""Finds in a frozen graph what neither its row of the registry nor the user says."""

import hashlib
import logging
import os

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, description, paths, rewrite, search
from scripts.graphs.importing import import_graph
from scripts.images import graph_input
from scripts.images.settings import GREY, RGB, check_channels
from scripts.networks.registry import Given

_LOG = logging.getLogger(__name__)

_MOST_PIXELS_A_SIDE = 4096  # Of which a batch takes 6 GB.
_BATCH = 2  # Tells the dimension of the batch from others, which are often 1.
_VARIANT_BYTES = 4
_POOLINGS, _REDUCTIONS = ('AvgPool', 'MaxPool', 'MaxPoolV2'), ('Mean', 'Max')
_HEIGHT_AND_WIDTH = [[1, 2], [2, 3]]  # Axes; the second is for channels first.
_SCOPE = 'network'  # Of the network in graphs of this module.
_ALL_OUTPUTS = ''  # Stands for a node behind all outputs; no node has that name.


def complete(network, graph_def, path):
    """Returns a `Network` of which nothing is None, and its graph from the fed node on.

    What the user gives wins; then the row counts, then the description that the graph carries, then
    what its nodes tell. A classic network as it is keeps its graph as it is. Of others it ends
    at the bottleneck, the placeholder declares the size, and a bottleneck of one pixel,
    `[batch, 1, 1, length]`, is flattened.

    Args:
      network: a `registry.Network`.
      graph_def: the GraphDef in its file.
      path: of the file, for messages.

    Raises:
      UserError: the graph is not what the row says, something cannot be found, or it does not take
        what the user gives.
    """
    own = _with_own_input(network, graph_def, path)
    wanted = _with_given(own)
    fed_graph_def = _feed(graph_def, wanted)
    own = _with_own_bottleneck(own, wanted, fed_graph_def, path)
    wanted = wanted._replace(bottleneck_name=own.bottleneck_name)
    if network.given.bottleneck_layer:
        wanted = _with_given_bottleneck(wanted, fed_graph_def)
    wanted = wanted._replace(variant=_variant(own, wanted))
    if network.classic and not wanted.variant:
        return network, rewrite.cut_at(graph_def, wanted.input_name, _shape_of(wanted.pixels, 1))
    tensor = _bottleneck(fed_graph_def, wanted, own)
    length = _length(tensor)
    if length != network.bottleneck_length and wanted.bottleneck_name == network.bottleneck_name:
        raise UserError(
            '%s gives bottlenecks of %d numbers at %s, expected %d: it is another network than %s'
            % (path, length, network.bottleneck_name, network.bottleneck_length, network.name)
        )
    graph_def, name = _end_at(fed_graph_def, wanted.bottleneck_name, tensor)
    complete_network = wanted._replace(
        bottleneck_name=name, bottleneck_length=length, classic=False
    )
    return complete_network, graph_def


def _with_own_input(network, graph_def, path):
    """Returns a `Network` with its fed node and pixels, but for what the user gives of pixels."""
    is_open = network.pixels.height is None  # There is no row.
    described = description.find(graph_def) if is_open else None
    described = described and described.description
    name = network.given.input_layer or network.input_name
    name = name or (described and described.input.name) or _only_placeholder(graph_def, path)
    name = search.node_name(name)
    _require(network, graph_def, name, path)
    declared = _declared(search.nodes_by_name(graph_def)[name], path)
    if is_open:
        found = graph_input.read_off(graph_def, name, described).pixels
        pixels = found._replace(exif_rotation=network.pixels.exif_rotation)
        if described is None:
            _warn_of_guess(network, pixels)
        bottleneck = described and described.network.bottleneck
        return network._replace(input_name=name, pixels=pixels, bottleneck_name=bottleneck)
    pixels = network.pixels
    if declared and not declared.is_compatible_with(_shape_of(pixels, None)):
        raise UserError(
            '%s takes pixels of shape %s at %s, expected %s: it is another network than %s'
            % (path, declared, name, _shape_of(pixels, None), network.name)
        )
    return network._replace(input_name=name)


def _only_placeholder(graph_def, path):
    found = search.placeholders(graph_def)
    if len(found) == 1:
        return found[0]
    raise UserError(
        '%s has %s: say which node takes the pixels with --input_layer'
        % (path, 'the placeholders ' + _listed(found) if found else 'no placeholder')
    )


def _require(network, graph_def, name, path):
    """Raises UserError unless the graph has a node."""
    if network.archive is None or network.given != Given():
        search.require_node(graph_def, name, search.placeholders(graph_def))
    elif name not in search.nodes_by_name(graph_def):
        raise UserError(
            '%s has no node %s: it is truncated or not %s; delete it, and the next run '
            'downloads it again' % (path, name, network.name)
        )


def _declared(node, path):
    """Returns the TensorShape that a placeholder declares, None if none; raises UserError."""
    if node.op != 'Placeholder':
        return None
    dtype = tf.as_dtype(build.attribute(node, 'dtype').type or tf.float32)
    if dtype != tf.float32:
        raise UserError(
            '%s takes %s at %s, expected float32: name a node behind it by --input_layer'
            % (path, dtype.name, node.name)
        )
    sizes = [dim.size for dim in build.attribute(node, 'shape').shape.dim]
    if not sizes:  # Unknown, as older versions write it, too.
        return None
    if len(sizes) != 4 or sizes[3] not in (-1, GREY, RGB) or min(sizes) < -1 or 0 in sizes:
        raise UserError(
            '%s takes values of shape %s at %s, expected pixels: [batch, height, width, channels] '
            'with 3 or 1 channels; name another node by --input_layer' % (path, sizes, node.name)
        )
    if max(sizes[1:3]) > _MOST_PIXELS_A_SIDE:
        raise UserError(
            '%s takes pixels of shape %s at %s, expected at most %d x %d: export it for smaller '
            'ones' % (path, sizes, node.name, _MOST_PIXELS_A_SIDE, _MOST_PIXELS_A_SIDE)
        )
    return tf.TensorShape([None if size == -1 else size for size in sizes])


def _warn_of_guess(network, pixels):
    if network.given.input_mean is None or network.given.input_std is None:
        _LOG.warning(
            'the graph %s does not say how it was trained: assuming mean %g and std %g where '
            '--input_mean and --input_std are not given',
            network.name,
            pixels.mean,
            pixels.std,
        )


def _with_given(own):
    """Returns a `Network` with the pixels that the user gives."""
    given, pixels = own.given, own.pixels
    for field, value in (
        ('height', given.input_height),
        ('width', given.input_width),
        ('mean', given.input_mean),
        ('std', given.input_std),
    ):
        if value is not None and value != getattr(pixels, field):  # 128.0 where there is 128.
            pixels = pixels._replace(**{field: value})
    if max(pixels.height, pixels.width) > _MOST_PIXELS_A_SIDE:
        raise UserError(
            'pixels of %d x %d: expected at most %d x %d; set --input_height and --input_width'
            % (pixels.height, pixels.width, _MOST_PIXELS_A_SIDE, _MOST_PIXELS_A_SIDE)
        )
    check_channels(pixels)
    return own._replace(pixels=pixels)


def _shape_of(pixels, batch):
    return [batch, pixels.height, pixels.width, pixels.channels]


def _feed(graph_def, network):
    """Returns the graph from the fed node on, a placeholder that declares its shape."""
    graph_def = rewrite.cut_at(graph_def, network.input_name, _shape_of(network.pixels, 1))
    result = tf.GraphDef()
    result.CopyFrom(graph_def)
    shape = search.nodes_by_name(result)[network.input_name].attr['shape'].shape
    batch = shape.dim[0].size if shape.dim else -1
    declared = tf.TensorShape(_shape_of(network.pixels, None)).as_proto()
    declared.dim[0].size = batch
    shape.CopyFrom(declared)
    return result


def _with_own_bottleneck(own, wanted, graph_def, path):
    """Returns a `Network` with the bottleneck that the row says, or else the nodes."""
    if own.bottleneck_name:
        if not wanted.given.bottleneck_layer:
            _require(own, graph_def, own.bottleneck_name, path)
        return own
    if own.output_name:
        _require(own, graph_def, own.output_name, path)
    try:
        return own._replace(bottleneck_name=_global_pooling(graph_def, own))
    except UserError:
        if wanted.given.bottleneck_layer:
            return own
        return own._replace(bottleneck_name=_global_pooling(graph_def, wanted))


def _with_given_bottleneck(wanted, graph_def):
    """Returns a `Network` with the bottleneck that the user gives; raises UserError."""
    name = search.node_name(wanted.given.bottleneck_layer)
    if name not in search.nodes_by_name(graph_def):
        search.require_node(graph_def, name, _candidates(graph_def, wanted))
    return wanted._replace(bottleneck_name=name)


def _global_pooling(graph_def, network):
    """Returns the name of the last global pooling that every path to the outputs goes through."""
    graph = _import(graph_def, network)
    poolings = [
        name
        for name in _on_every_path(graph_def, network)
        if _is_global_pooling(_output_of(graph, name).op)
    ]
    if not poolings:
        raise UserError(
            '%s has no global pooling that every path from %s to its outputs goes through: give '
            'its bottleneck by --bottleneck_layer; nodes that would fit: %s'
            % (network.name, network.input_name, _listed(_candidates(graph_def, network)))
        )
    return poolings[-1]


def _is_global_pooling(operation):
    if operation.type not in _POOLINGS + _REDUCTIONS:
        return False
    before, after = operation.inputs[0].shape, operation.outputs[0].shape
    if before.ndims != 4:
        return False
    if operation.type in _POOLINGS:
        sides = after.as_list() if after.ndims == 4 else []
        return [1, 1] in (sides[1:3], sides[2:4])
    axes = tf.get_static_value(operation.inputs[1])
    return axes is not None and sorted(axes.reshape(-1) % 4) in _HEIGHT_AND_WIDTH


def _on_every_path(graph_def, network):
    """Returns the names of the nodes on every path from the fed node to the outputs, in order."""
    nodes = search.nodes_by_name(graph_def)
    if network.output_name:
        outputs = [network.output_name]
    else:
        fed = search.downstream(graph_def, network.input_name)
        outputs = [name for name in search.outputs(graph_def) if name in fed]
    nodes[_ALL_OUTPUTS] = tf.NodeDef(input=outputs)
    try:
        return paths.on_every_path(nodes, network.input_name, _ALL_OUTPUTS)[:-1]
    except ValueError as error:
        raise UserError('%s has a loop (%s): expected a plain graph' % (network.name, error))


def _candidates(graph_def, network):
    """Returns the names of nodes that give a vector for each photo, the likeliest first."""
    try:
        graph = _import(graph_def, network)
        names = _on_every_path(graph_def, network)
    except UserError:
        return []
    return [name for name in reversed(names[1:]) if _length(_output_of(graph, name))]


def _import(graph_def, network):
    """Returns a tf.Graph of a network for `_BATCH` photos, of which all shapes are inferred."""
    graph = tf.Graph()
    with graph.as_default():
        pixels_tensor = tf.placeholder(tf.float32, _shape_of(network.pixels, _BATCH), 'pixels')
        freed = rewrite.allow_any_batch(graph_def, network.input_name)
        import_graph(freed, (), {network.input_name + ':0': pixels_tensor}, _SCOPE)
    return graph


def _output_of(graph, name):
    """Returns the tensor that a node gives in what `_import` returned."""
    return graph.get_tensor_by_name('%s/%s:0' % (_SCOPE, name))


def _length(tensor):
    """Returns how many numbers a tensor has for each photo; None if they are no vector."""
    if tensor.dtype != tf.float32 or not tensor.shape.is_fully_defined():
        return None
    dims = tensor.shape.as_list()
    is_vector = len(dims) == 2 or len(dims) == 4 and sorted(dims[1:])[:2] == [1, 1]
    return max(dims[1:]) if is_vector and dims[0] == _BATCH and min(dims) > 0 else None


def _bottleneck(graph_def, wanted, own):
    """Returns the bottleneck tensor of a network at the size that is wanted; raises UserError."""
    name, pixels = wanted.bottleneck_name, wanted.pixels
    needed = build.subgraph(graph_def, [name])  # What is behind it may take one size only.
    if wanted.input_name not in search.nodes_by_name(needed):
        raise UserError(
            'the bottleneck %s does not depend on the fed node %s: set --input_layer and '
            '--bottleneck_layer' % (name, wanted.input_name)
        )
    try:
        tensor = _output_of(_import(needed, wanted), name)
    except UserError as error:
        if _size(pixels) == _size(own.pixels):
            raise
        why = ' '.join(str(error).split())
    else:
        if _length(tensor):
            return tensor
        why = '%s gives %s of shape %s' % (name, tensor.dtype.name, tensor.shape)
    if _size(pixels) == _size(own.pixels):
        raise UserError(
            '%s: %s for %d photos, expected float32 [batch, length] or [batch, 1, 1, length]: set '
            '--bottleneck_layer; nodes that would fit: %s'
            % (wanted.name, why, _BATCH, _listed(_candidates(graph_def, wanted)))
        )
    raise UserError(
        '%s does not take pixels of %d x %d (%s): leave --input_height and --input_width out, '
        'its own size is %d x %d' % ((wanted.name,) + _size(pixels) + (why,) + _size(own.pixels))
    )


def _end_at(graph_def, name, tensor):
    """Returns the graph up to the bottleneck, and the node that gives it as a vector.

    Args:
      graph_def: a GraphDef.
      name: of the bottleneck.
      tensor: what `_bottleneck` returned.
    """
    graph_def = build.subgraph(graph_def, [name])
    if tensor.shape.ndims == 2:
        return graph_def, name
    new = build.NewGraph(graph_def)
    for node in graph_def.node:
        new.keep(node)
    flat = new.unused_name(name + '/flattened')
    shape = new.constant(flat + '/shape', np.array([-1, _length(tensor)], np.int32))
    new.keep(build.node('Reshape', flat, [name, shape], T=tf.float32, Tshape=tf.int32))
    return new.graph_def(), flat


def _size(pixels):
    return pixels.height, pixels.width


def _variant(own, wanted):
    """Returns the hash of what the user gives, empty where it changes nothing."""

    def definition(network):
        pixels = network.pixels
        parts = _size(pixels) + (network.input_name, network.bottleneck_name)
        # Nothing but the user says how a graph at a path is fed: then that is no change.
        is_path = os.path.isabs(network.graph_file)
        return parts if is_path else parts + (pixels.mean, pixels.std)

    if definition(own) == definition(wanted):
        return ''
    what = repr(definition(wanted)).encode('utf-8', 'surrogateescape')
    return hashlib.blake2b(what, digest_size=_VARIANT_BYTES).hexdigest()


def _listed(names):
    return ', '.join(names[: search.NAMES_IN_A_MESSAGE]) or 'none'
