"""Running a pretrained network over photos."""

import itertools
import logging
import os

import numpy as np
import tensorflow.compat.v1 as tf

from scripts import files
from scripts.bottlenecks import cache as cache_lib
from scripts.bottlenecks import values as values_lib
from scripts.errors import UserError
from scripts.graphs.session import open_session
from scripts.images import distort, stream
from scripts.networks import pretrained as pretrained_lib
from scripts.progress import Progress

_LOG = logging.getLogger(__name__)

_BYTES_A_VALUE = 16  # Of the text: a sign, a point, nine digits and a comma; and a float32.


def through_cache(pretrained, cache, photos):
    """Returns the bottlenecks of photos, from the cache where it has them.

    What is computed is stored batch by batch: a run that is stopped goes on where it was. A batch
    is always the same photos, those of which the cache has some included, since a value's last
    bits depend on the batch: so the result does not depend on what was cached.

    Args:
      pretrained: a `Pretrained`.
      cache: a `cache.Cache`.
      photos: list of `Photo`.

    Returns:
      float32 array `[len(photos), bottleneck_length]`, and a bool array `[len(photos)]` that is
      False for the photos that cannot be read.
    """
    bottlenecks = values_lib.zeros(cache.folder, (len(photos), cache.length))
    found, digests, known_digests = cache_lib.load(cache, photos, bottlenecks)
    _LOG.info('%d of %d bottlenecks found in %s', found.sum(), len(photos), cache.folder)
    if not found.all():
        _check_space(cache, (~found).sum())
        _compute_missing(pretrained, cache, photos, (bottlenecks, found, digests))
    if digests.tobytes() != known_digests.tobytes():
        cache_lib.save_values(cache, digests, bottlenecks)
    return bottlenecks, found


def _compute_missing(pretrained, cache, photos, arrays):
    """Computes, stores and fills in the rows of bottlenecks, found and digests that are missing."""
    bottlenecks, found, digests = arrays
    groups = [group for group in stream.groups(len(photos)) if not found[group].all()]

    def computed():
        for group, values, readable in _compute(pretrained, photos, groups):
            missing = np.arange(group.start, group.stop)[~found[group] & readable]
            bottlenecks[missing] = values[missing - group.start]
            found[missing] = True
            yield missing
            progress.advance(len(values))

    def store(rows):
        digests[rows] = cache_lib.store(cache, [photos[row] for row in rows], bottlenecks[rows])

    wanted = sum(group.stop - group.start for group in groups)
    with Progress('Bottlenecks', wanted, 'photos') as progress:
        # A batch is written while the next one is computed.
        for _ in stream.overlapped(store, computed()):
            pass


def _check_space(cache, count):
    needed, free = count * cache.length * _BYTES_A_VALUE, files.free_bytes(cache.folder)
    if needed > free:
        raise UserError(
            '%d bottlenecks need about %d MB in %s, and %d MB are free: make room or choose '
            'another --bottleneck_dir' % (count, needed // 10**6, cache.folder, free // 10**6)
        )


def _compute(pretrained, photos, groups):
    """Yields, for each slice of photos, it, the values and a bool array of which are readable."""
    results = stream.run(
        pretrained.network.pixels,
        lambda pixels_tensor: pretrained_lib.import_into_graph(pretrained, pixels_tensor),
        [[photo.path for photo in photos[group]] for group in groups],
    )
    for group, (values, readable) in zip(groups, results):
        yield group, values, readable


class DistortedStream:
    """An endless stream of bottlenecks of photos that are distorted anew each time.

    Used as a context manager.

    Args:
      pretrained: a `Pretrained`.
      distortions: `Distortions`.
      choices: an endless iterator of (path, float32 `[DRAWS]`): a photo and its random numbers.
    """

    def __init__(self, pretrained, distortions, choices):
        spec = pretrained.network.pixels
        graph = tf.Graph()
        with graph.as_default():
            elements = tf.data.Dataset.from_generator(
                lambda: ((os.fsencode(path), draw) for path, draw in choices),
                (tf.string, tf.float32),
                ([], [distort.DRAWS]),
            )
            dataset = stream.batches(
                elements, lambda path, draw: distort.load(path, draw, distortions, spec)
            )
            next_tensor = tf.data.make_one_shot_iterator(dataset).get_next()
            pixels_tensor = tf.placeholder(tf.float32, [None, spec.height, spec.width, 3])
            bottleneck_tensor = pretrained_lib.import_into_graph(pretrained, pixels_tensor)
        self._session = session = open_session(graph)
        self._batches = stream.overlapped(
            lambda pixels: session.run(bottleneck_tensor, {pixels_tensor: pixels}),
            (session.run(next_tensor) for _ in itertools.count()),
        )
        self._ready = np.empty((0, pretrained.network.bottleneck_length), np.float32)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._batches.close()
        self._session.close()

    def take(self, count):
        """Returns the next `count` bottlenecks, float32 `[count, bottleneck_length]`."""
        while len(self._ready) < count:
            self._ready = np.concatenate([self._ready, next(self._batches)])
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken
