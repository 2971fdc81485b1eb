"""Completes what the registry says of a network by what the user says and the graph tells."""

import hashlib
import logging
import os

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, description, rewrite, search
from scripts.images import graph_input
from scripts.images.settings import check_channels
from scripts.networks import finding
from scripts.networks.network import Given

_LOG = logging.getLogger(__name__)

_VARIANT_BYTES = 4


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
    own = _own(network, graph_def, path)
    wanted = _with_given(own, graph_def, path)
    fed_graph_def = _feed(graph_def, wanted)
    own = own._replace(bottleneck_name=_own_bottleneck(own, wanted, fed_graph_def, path))
    wanted = wanted._replace(bottleneck_name=own.bottleneck_name)
    if network.given.bottleneck_layer:
        wanted = _with_given_bottleneck(wanted, fed_graph_def)
    wanted = wanted._replace(variant=_variant(own, wanted))
    if network.classic and not wanted.variant:
        shape = finding.shape_of(network.pixels, 1)
        return network, rewrite.cut_at(graph_def, network.input_name, shape)
    tensor = _bottleneck(fed_graph_def, wanted, own)
    length = finding.length_of(tensor)
    if network.bottleneck_name == wanted.bottleneck_name and network.bottleneck_length != length:
        raise UserError(
            '%s gives bottlenecks of %d numbers at %s, expected %d: it is another network than %s'
            % (path, length, network.bottleneck_name, network.bottleneck_length, network.name)
        )
    graph_def, name = _end_at(fed_graph_def, wanted.bottleneck_name, tensor)
    return wanted._replace(bottleneck_name=name, bottleneck_length=length, classic=False), graph_def


def _own(network, graph_def, path):
    """Returns a `Network` with the fed node, or None, and the pixels that are its own."""
    if network.pixels.height is not None:
        _require(network, graph_def, network.input_name, path)
        _check_declared(network, graph_def, path)
        return network
    found = description.find(graph_def)
    described = found and found.description
    placeholders = search.placeholders(graph_def)
    input_name = placeholders[0] if len(placeholders) == 1 else None
    if described:
        input_name = described.input.name
    fed = network.given.input_layer or input_name
    if fed is None:
        there = 'the placeholders ' + finding.listed(placeholders) if placeholders else None
        raise UserError(
            '%s has %s: say which node takes the pixels with --input_layer'
            % (path, there or 'no placeholder')
        )
    pixels = graph_input.read_off(graph_def, fed, described).pixels
    if described is None:
        _warn_of_guess(network, pixels)
    return network._replace(
        input_name=input_name,
        pixels=pixels._replace(
            exif_rotation=network.pixels.exif_rotation, decode=network.pixels.decode
        ),
        bottleneck_name=described and described.network.bottleneck,
    )


def _check_declared(network, graph_def, path):
    """Raises UserError unless the fed node takes what the row says."""
    node = search.nodes_by_name(graph_def)[network.input_name]
    declared = finding.declared_shape(node, path)
    expected = finding.shape_of(network.pixels, None)
    if declared and not declared.is_compatible_with(expected):
        raise UserError(
            '%s takes pixels of shape %s at %s, expected %s: it is another network than %s'
            % (path, declared, node.name, expected, network.name)
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


def _warn_of_guess(network, pixels):
    if network.given.input_mean is None or network.given.input_std is None:
        _LOG.warning(
            'the graph %s does not say how it was trained: assuming mean %g and std %g where '
            '--input_mean and --input_std are not given',
            network.name,
            pixels.mean,
            pixels.std,
        )


def _with_given(own, graph_def, path):
    """Returns a `Network` with the fed node and the pixels that the user gives."""
    given, pixels = own.given, own.pixels
    name = search.node_name(given.input_layer or own.input_name)
    node = search.require_node(graph_def, name, search.placeholders(graph_def))
    finding.declared_shape(node, path)
    for field, value in (
        ('height', given.input_height),
        ('width', given.input_width),
        ('mean', given.input_mean),
        ('std', given.input_std),
    ):
        if value is not None and value != getattr(pixels, field):  # 128.0 where there is 128.
            pixels = pixels._replace(**{field: value})
    if max(pixels.height, pixels.width) > finding.MOST_PIXELS_A_SIDE:
        raise UserError(
            'pixels of %d x %d: expected at most %d x %d; set --input_height and --input_width'
            % (pixels.height, pixels.width, finding.MOST_PIXELS_A_SIDE, finding.MOST_PIXELS_A_SIDE)
        )
    check_channels(pixels)
    return own._replace(input_name=name, pixels=pixels)


def _feed(graph_def, network):
    """Returns the graph from the fed node on, a placeholder that declares its shape."""
    graph_def = rewrite.cut_at(graph_def, network.input_name, finding.shape_of(network.pixels, 1))
    result = tf.GraphDef()
    result.CopyFrom(graph_def)
    shape = search.nodes_by_name(result)[network.input_name].attr['shape'].shape
    batch = shape.dim[0].size if shape.dim else -1
    declared = tf.TensorShape(finding.shape_of(network.pixels, None)).as_proto()
    declared.dim[0].size = batch
    shape.CopyFrom(declared)
    return result


def _own_bottleneck(own, wanted, graph_def, path):
    """Returns the bottleneck that the row or the description says, or else the nodes.

    It is None where there is none, and the user gives one.
    """
    if own.bottleneck_name:
        _require(own, graph_def, own.bottleneck_name, path)
        return own.bottleneck_name
    if own.output_name:
        _require(own, graph_def, own.output_name, path)
    # The nodes do not depend on the size, but what is behind the bottleneck may take one only.
    sizes = {_size(each.pixels): each.pixels for each in (own, wanted)}
    for pixels in sizes.values():
        try:
            return finding.global_pooling(graph_def, wanted._replace(pixels=pixels))
        except UserError as error:
            problem = error
    if wanted.given.bottleneck_layer:
        return None
    raise problem


def _with_given_bottleneck(wanted, graph_def):
    """Returns a `Network` with the bottleneck that the user gives; raises UserError."""
    name = search.node_name(wanted.given.bottleneck_layer)
    if name not in search.nodes_by_name(graph_def):
        search.require_node(graph_def, name, finding.candidates(graph_def, wanted))
    return wanted._replace(bottleneck_name=name)


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
        tensor = finding.output_of(finding.import_shapes(needed, wanted), name)
    except UserError as error:
        if _size(pixels) == _size(own.pixels):
            raise
        why = ' '.join(str(error).split())
    else:
        if finding.length_of(tensor):
            return tensor
        why = '%s gives %s of shape %s' % (name, tensor.dtype.name, tensor.shape)
    if _size(pixels) == _size(own.pixels):
        raise UserError(
            '%s: %s for %d photos, expected float32 [batch, length] or [batch, 1, 1, length]: set '
            '--bottleneck_layer; nodes that would fit: %s'
            % (wanted.name, why, finding.BATCH, finding.fitting(graph_def, wanted))
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
    shape = new.constant(flat + '/shape', np.array([-1, finding.length_of(tensor)], np.int32))
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
