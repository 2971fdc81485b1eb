"""Backbones: getting a pretrained network from disk or from its archive, and into a graph."""

import hashlib
import json
import logging
import os
import typing
import urllib.parse

import tensorflow.compat.v1 as tf

from scripts.common import files, output_checks
from scripts.common.errors import UserError
from scripts.graphs import graph_files, rewrite, search
from scripts.graphs.importing import import_graph
from scripts.images.settings import EXACT, RGB
from scripts.networks import archive, completing, registry
from scripts.networks.scratch import making

_LOG = logging.getLogger(__name__)


class Backbone(typing.NamedTuple):
    """The frozen part of a network: from the fed node to a boundary.

    network: its row of the registry, complete, which holds the preprocessing.
    graph_def: the network from its fed node, a placeholder; nodes behind the boundary are not part
      of the backbone.
    sha256: of the file that it came from, in hex.
    boundary: the node whose output, float32 `[batch] + shape`, is the features.
    shape: tuple of int, of the features of one photo.
    """

    network: registry.Network
    graph_def: tf.GraphDef
    sha256: str
    boundary: str
    shape: typing.Tuple[int, ...]

    @property
    def fingerprint(self):
        """The SHA-256, in hex, of all that features depend on but the photo."""
        network, pixels = self.network, list(self.network.pixels)
        # As before there were others.
        if network.pixels.decode == EXACT:
            pixels.pop()
            if network.pixels.channels == RGB:
                pixels.pop()
        parts = [self.sha256, self.boundary, pixels]
        if not network.classic:
            parts.append(network.input_name)
        return hashlib.sha256(json.dumps(parts).encode('ascii')).hexdigest()


def load(network, model_dir):
    """Loads a pretrained network, downloading and unpacking its archive where there is no graph.

    Args:
      network: a `registry.Network`.
      model_dir: the folder for graphs and archives.

    Returns:
      A `Backbone` up to the bottleneck; of a network from scratch, up to the fed node, for nothing
      of it is frozen.

    Raises:
      UserError: it cannot be had, is not the network that the registry describes, or something of
        it cannot be found.
    """
    if network.from_scratch:
        return _make(network)
    path = os.path.join(model_dir, network.graph_file)
    if not os.path.exists(path):
        path = _obtain(network, model_dir)
    data = files.read(path, 'pretrained graph')
    graph_def = graph_files.parse(data, path)
    network, graph_def = completing.complete(network, graph_def, path)
    return Backbone(
        network,
        graph_def,
        hashlib.sha256(data).hexdigest(),
        network.bottleneck_name,
        (network.bottleneck_length,),
    )


def _make(network):
    network, graph_def = making.make(network)
    pixels = network.pixels
    return Backbone(
        network,
        graph_def,
        hashlib.sha256(graph_def.SerializeToString(deterministic=True)).hexdigest(),
        network.input_name,
        (pixels.height, pixels.width, pixels.channels),
    )


def cut(backbone, boundary):
    """Returns the `Backbone` that ends at another node of the same network.

    Args:
      backbone: a `Backbone`.
      boundary: the name of the node.

    Raises:
      UserError: there is no such node, or the shape of its output is unknown.
    """
    node = search.require_node(backbone.graph_def, boundary, [backbone.boundary])
    with tf.Graph().as_default():
        (tensor,) = import_nodes(backbone, [node.name])
    shape = tensor.shape
    if not shape.ndims or not shape[1:].is_fully_defined():
        raise UserError(
            'the node %s gives values of shape %s, expected a batch of one known shape: choose '
            'another boundary' % (node.name, shape)
        )
    return backbone._replace(boundary=node.name, shape=tuple(shape.as_list()[1:]))


def import_network(backbone, replaced):
    """Adds the network of a backbone to the current graph, for batches of any size.

    Args:
      backbone: a `Backbone`.
      replaced: a dict from the names of nodes to the tensors that replace their outputs.

    Returns:
      The bottleneck tensor, float32 `[batch, length]`.

    Raises:
      UserError: TensorFlow cannot load it, or its bottlenecks have another length.
    """
    network = backbone.network
    (tensor,) = import_nodes(backbone, [network.bottleneck_name], replaced)
    return _of_shape(network, tensor, (network.bottleneck_length,))


def import_into_graph(backbone, pixels_tensor=None):
    """Adds a backbone, and the nodes behind it in its network, to the current graph.

    Args:
      backbone: a `Backbone`.
      pixels_tensor: float32 `[batch, height, width, channels]`, normalized; or None for the
        placeholder of the network's own.

    Returns:
      The features tensor, float32 `[batch] + backbone.shape`.

    Raises:
      UserError: TensorFlow cannot load it, or its features have another shape.
    """
    replaced = {} if pixels_tensor is None else {backbone.network.input_name: pixels_tensor}
    (tensor,) = import_nodes(backbone, [backbone.boundary], replaced)
    return _of_shape(backbone.network, tensor, backbone.shape)


def import_nodes(backbone, names, replaced=None):
    """Adds the network of a backbone to the current graph, for batches of any size.

    Args:
      backbone: a `Backbone`.
      names: list of names of nodes.
      replaced: a dict from the names of nodes to the tensors that replace their outputs, or None.

    Returns:
      The list of the nodes' first outputs, or of the tensors that replace them.

    Raises:
      UserError: TensorFlow cannot load it.
    """
    graph_def = rewrite.allow_any_batch(backbone.graph_def, backbone.network.input_name)
    input_map = {node + ':0': tensor for node, tensor in (replaced or {}).items()}
    return import_graph(graph_def, [name + ':0' for name in names], input_map)


def _of_shape(network, tensor, shape):
    """Sets the shape of a tensor and returns it; raises UserError where it has another one."""
    try:
        tensor.set_shape((None,) + shape)
    except ValueError:
        raise UserError(
            'the graph of %s gives features of shape %s at %s, expected %s for each photo: it is '
            'another network' % (network.name, tensor.shape, tensor.op.name, list(shape))
        )
    return tensor


def _obtain(network, model_dir):
    """Returns the path of a network's graph: embedded, downloaded, or unpacked from an archive."""
    if network.archive is None:
        return os.path.join(registry.EMBEDDED_MODEL_DIR, network.graph_file)
    output_checks.check_folder_writable(model_dir)
    archive_path = os.path.join(model_dir, os.path.basename(network.archive))
    if os.path.exists(archive_path):
        try:
            archive.check(archive_path, network.checksum)
        except archive.DownloadError as error:
            _LOG.warning('%s is corrupt; downloading it again: %s', archive_path, error)
            _download(network, archive_path)
    else:
        _download(network, archive_path)
    if archive.is_graph(archive_path):
        return archive_path
    archive.take_out(archive_path, network.graph_file, model_dir)
    path = os.path.join(model_dir, network.graph_file)
    if not os.path.exists(path):
        raise UserError(
            '%s holds no %s: it is not the archive of %s; delete it, and the next run '
            'downloads it again' % (archive_path, network.graph_file, network.name)
        )
    return path


def _download(network, archive_path):
    url = urllib.parse.urljoin(registry.DOWNLOAD_ROOT, network.archive)
    _LOG.info('Downloading %s', url)
    try:
        archive.download(url, archive_path, network.checksum)
    except archive.DownloadError as error:
        raise UserError(
            'cannot download %s: %s. Put the archive in %s by hand, or use '
            '--architecture=%s, which needs no download'
            % (url, ' '.join(str(error).split()), os.path.dirname(archive_path), registry.SAMPLE)
        )
