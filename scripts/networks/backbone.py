"""Getting a pretrained network from disk or from its archive, and into a graph."""

import hashlib
import logging
import os
import typing

import tensorflow.compat.v1 as tf

from scripts.common import files
from scripts.common.errors import UserError
from scripts.graphs import graph_files, rewrite, search
from scripts.graphs.importing import import_graph
from scripts.networks import archive, registry

_LOG = logging.getLogger(__name__)


class Backbone(typing.NamedTuple):
    """A network with its frozen GraphDef and the SHA-256, in hex, of the file it came from."""

    network: registry.Network
    graph_def: tf.GraphDef
    sha256: str

    @property
    def boundary(self):
        """The name of the node whose output is the features."""
        return self.network.bottleneck_name

    @property
    def shape(self):
        """The shape, a tuple, of the features of one photo."""
        return (self.network.bottleneck_length,)

    @property
    def fingerprint(self):
        """The SHA-256, in hex, of the file's SHA-256, the boundary and the preprocessing."""
        what = repr((self.sha256, self.boundary, tuple(self.network.pixels)))
        return hashlib.sha256(what.encode('utf-8')).hexdigest()


def load(network, model_dir):
    """Loads a pretrained network, downloading and unpacking its archive where there is no graph.

    Args:
      network: a `registry.Network`.
      model_dir: the folder for graphs and archives.

    Returns:
      A `Backbone` whose graph starts at the network's fed node, a placeholder.

    Raises:
      UserError: it cannot be had, or is not the network that the table describes.
    """
    path = os.path.join(model_dir, network.graph_file)
    if not os.path.exists(path):
        path = _obtain(network, model_dir)
    data = files.read(path, 'pretrained graph')
    graph_def = graph_files.parse(data, path)
    nodes = search.nodes_by_name(graph_def)
    for name in (network.input_name, network.bottleneck_name):
        if name not in nodes:
            raise UserError(
                '%s has no node %s: it is cut short or not %s; delete it, and the next '
                'run gets it anew' % (path, name, network.name)
            )
    shape = [1, network.pixels.height, network.pixels.width, 3]
    graph_def = rewrite.cut_at(graph_def, network.input_name, shape)
    return Backbone(network, graph_def, hashlib.sha256(data).hexdigest())


def import_into_graph(pretrained, pixels_tensor=None):
    """Adds a pretrained network to the current graph.

    Args:
      pretrained: a `Backbone`.
      pixels_tensor: float32 `[batch, height, width, 3]`, normalized, to run the network on in
        batches of any size; or None to leave it as it is in its file, fed with one image.

    Returns:
      The bottleneck tensor, float32 `[batch, bottleneck_length]`.

    Raises:
      UserError: TensorFlow cannot load it, or its bottlenecks have another length.
    """
    network, graph_def, input_map = pretrained.network, pretrained.graph_def, None
    if pixels_tensor is not None:
        graph_def = rewrite.allow_any_batch(graph_def, network.input_name)
        input_map = {network.input_name + ':0': pixels_tensor}
    (bottleneck_tensor,) = import_graph(graph_def, [network.bottleneck_name + ':0'], input_map)
    try:
        bottleneck_tensor.set_shape([None, network.bottleneck_length])
    except ValueError:
        raise UserError(
            'the graph of %s gives bottlenecks of shape %s at %s, expected %d values for each '
            'image: it is another network'
            % (
                network.name,
                bottleneck_tensor.shape,
                network.bottleneck_name,
                network.bottleneck_length,
            )
        )
    return bottleneck_tensor


def _obtain(network, model_dir):
    """Returns the path of a network's graph that is embedded, or that its archive has given."""
    if network.archive is None:
        return os.path.join(registry.EMBEDDED_MODEL_DIR, network.graph_file)
    files.check_folder_writable(model_dir)
    archive_path = os.path.join(model_dir, os.path.basename(network.archive))
    if os.path.exists(archive_path):
        try:
            archive.check(archive_path, network.sha256)
        except archive.DownloadError as error:
            _LOG.warning('%s is damaged and is fetched again: %s', archive_path, error)
            _download(network, archive_path)
    else:
        _download(network, archive_path)
    archive.take_out(archive_path, network.graph_file, model_dir)
    path = os.path.join(model_dir, network.graph_file)
    if not os.path.exists(path):
        raise UserError(
            '%s holds no %s: it is not the archive of %s; delete it, and the next run '
            'gets it anew' % (archive_path, network.graph_file, network.name)
        )
    return path


def _download(network, archive_path):
    url = registry.DOWNLOAD_ROOT + network.archive
    _LOG.info('Downloading %s', url)
    try:
        archive.download(url, archive_path, network.sha256)
    except archive.DownloadError as error:
        raise UserError(
            'cannot download %s: %s. Put the archive in %s by hand, or use '
            '--architecture=%s, which needs no download'
            % (url, ' '.join(str(error).split()), os.path.dirname(archive_path), registry.SAMPLE)
        )
