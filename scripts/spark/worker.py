"""What runs on the workers of a cluster: photos, as bytes, become rows. No Spark here."""

import array
import itertools
import os
import pickle
import typing

import numpy as np

from scripts.common.errors import UserError
from scripts.dataset import labels as labels_lib
from scripts.images.settings import PixelSpec

_kept = {}  # The network of this process, by its fingerprint: one, for all tasks.


class Photo(typing.NamedTuple):
    """A photo as it comes from Spark.

    path: with its folder as typed.
    relative: `<folder>/<file name>`.
    is_test: whether it is of the folder of test photos.
    bytes, modified: its size, and microseconds since 1970.
    content: bytes; None where it is not read.
    """

    path: str
    relative: str
    is_test: bool
    bytes: int
    modified: int
    content: typing.Any = None


class Frozen(typing.NamedTuple):
    """A backbone as it is sent to workers.

    parts: the fields of a `Backbone`, the GraphDef as bytes.
    threads: how many threads compute.
    """

    fingerprint: str
    pixels: PixelSpec
    parts: typing.Tuple
    threads: int


def freeze(backbone, threads):
    """Returns a `Backbone` as bytes, a pickled `Frozen`."""
    network = backbone.network._replace(recipe={})  # Its own cannot be pickled.
    parts = backbone._replace(network=network, graph_def=backbone.graph_def.SerializeToString())
    frozen = Frozen(backbone.fingerprint, network.pixels, tuple(parts), threads)
    return pickle.dumps(frozen, protocol=4)


def rows(photos, rules, sent):
    """Yields a row of `features.table.COLUMNS` for each of some photos.

    Args:
      photos: an iterable of `Photo`s.
      rules: the `Rules`.
      sent: a function that returns what `freeze` gave.

    Raises:
      UserError: the network gives values that are not numbers.
    """
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    from scripts.images import runner

    frozen, network = _network(sent)
    photos = iter(photos)
    batches = iter(lambda: list(itertools.islice(photos, runner.BATCH_SIZE)), [])

    def compute(batch):
        names = [photo.path for photo in batch]
        return batch, network.run(names, [bytes(photo.content) for photo in batch])

    # The next batch is read while one is computed.
    for batch, (values, reasons) in runner.overlapped(compute, batches, at_once=1):
        for photo, features, why in zip(batch, values, reasons):
            if why is None and not np.isfinite(features).all():
                raise UserError(
                    'the pretrained network gives values that are not finite for %s: it is corrupt'
                    % photo.path
                )
            yield _row(photo, rules, frozen.fingerprint, None if why else features, why)


def unread(photos, rules, fingerprint, why):
    """Yields the row of each of some photos that no worker could read."""
    for photo in photos:
        # The time is that of no photo: so the next run tries again.
        yield _row(photo._replace(modified=-1), rules, fingerprint, None, why)


def _row(photo, rules, fingerprint, features, why):
    return (
        photo.path,
        labels_lib.label_of(photo.relative.split('/')[0]),
        rules.category_of(photo.relative, photo.is_test),
        photo.bytes,
        photo.modified,
        fingerprint,
        # Spark takes arrays of doubles at once, and makes floats of them.
        None if features is None else array.array('d', features.astype(np.float64).tobytes()),
        why,
    )


def _network(sent):
    """Returns the `Frozen` and its `BatchRunner`, loaded once in a process."""
    if not _kept:
        _kept['only'] = _load(pickle.loads(sent()))
    return _kept['only']


def _load(frozen):
    import tensorflow.compat.v1 as tf

    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.features import sources
    from scripts.images.contents import BatchRunner
    from scripts.networks.backbone import Backbone

    backbone = Backbone(*frozen.parts)
    backbone = backbone._replace(graph_def=tf.GraphDef.FromString(backbone.graph_def))

    def build(pixels_tensor):
        return sources.add_features(backbone, pixels_tensor)

    return frozen, BatchRunner(frozen.pixels, build, frozen.threads)
