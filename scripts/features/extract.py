"""Running a pretrained network over photos."""

import functools
import logging

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common import limits
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.features import cache as cache_lib
from scripts.features import values as values_lib
from scripts.images import bad_images, runner
from scripts.networks import backbone as backbone_lib

_LOG = logging.getLogger(__name__)

_BYTES_A_VALUE = 16  # Of the text: a sign, a point, nine digits and a comma; and a float32.


def through_cache(pretrained, cache, photos, policy=bad_images.SKIP):
    """Returns the bottlenecks of photos, from the cache where it has them.

    What is computed is stored batch by batch: a run that is stopped goes on where it was. A batch
    is always the same photos, those of which the cache has some included, and as large as any
    other: a value's last bits depend on the batch, and the result not on what was cached.

    Args:
      pretrained: a `Backbone`.
      cache: a `cache.Cache`.
      photos: list of `Photo`.
      policy: of `bad_images`.

    Returns:
      float32 array `[len(photos), bottleneck_length]`, and a bool array `[len(photos)]` that is
      False for the photos that cannot be read.

    Raises:
      UserError: a photo cannot be read, and the policy is to stop; or the network gives what is
        no number.
    """
    bottlenecks = values_lib.zeros(cache.folder, (len(photos), cache.length))
    found, digests, known_digests = cache_lib.load(cache, photos, bottlenecks)
    _LOG.info('%d of %d bottlenecks found in %s', found.sum(), len(photos), cache.folder)
    if not found.all():
        _check_space(cache, (~found).sum())
        compute = functools.partial(_compute, pretrained, policy)
        paths = _without_known_bad(photos, found, policy)
        _compute_missing(compute, cache, (photos, paths), (bottlenecks, found, digests))
    if digests.tobytes() != known_digests.tobytes():
        cache_lib.save_values(cache, digests, bottlenecks)
    return bottlenecks, found


def _without_known_bad(photos, found, policy):
    """Returns the list of the photos' paths, BLANK_PATH for those that are seen to be unreadable.

    What an earlier run left out of a batch that it finished is most likely unreadable: it is looked
    at alone, which spares computing its whole batch again.
    """
    left_out = [
        photos[row].path
        for group in runner.groups(len(photos))
        if found[group].any()
        for row in np.arange(len(photos))[group][~found[group]]
    ]
    bad = runner.report_unreadable(left_out, policy)
    return [runner.BLANK_PATH if photo.path in bad else photo.path for photo in photos]


def _compute_missing(compute, cache, named, arrays):
    """Computes, stores and fills in the rows of bottlenecks, found and digests that are missing.

    Args:
      compute: takes paths and slices of them, and yields for each slice it, the values, and a bool
        array of which are readable.
      cache: a `cache.Cache`.
      named: the list of `Photo`, and the list of their paths.
      arrays: bottlenecks, found and digests, with a row for each photo.
    """
    photos, paths = named
    bottlenecks, found, digests = arrays
    wanted = ~found & (np.array(paths) != runner.BLANK_PATH)
    groups = [group for group in runner.groups(len(photos)) if wanted[group].any()]

    def computed():
        for group, values, readable in compute(paths, groups):
            missing = np.arange(group.start, group.stop)[wanted[group] & readable]
            bottlenecks[missing] = values[missing - group.start]
            _check_numbers(bottlenecks[missing], photos[group.start])
            found[missing] = True
            yield missing
            progress.advance(len(values))

    def store(rows):
        digests[rows] = cache_lib.store(cache, [photos[row] for row in rows], bottlenecks[rows])

    count = sum(group.stop - group.start for group in groups)
    with Progress('Bottlenecks', count, 'photos') as progress:
        # A batch is written while the next one is computed.
        for _ in runner.overlapped(store, computed()):
            pass


def _check_space(cache, count):
    needed, free = count * cache.length * _BYTES_A_VALUE, limits.free_bytes(cache.folder)
    if needed > free:
        raise UserError(
            '%d bottlenecks need about %d MB in %s, and %d MB are free: make room or choose '
            'another --bottleneck_dir' % (count, needed // 10**6, cache.folder, free // 10**6)
        )


def _check_numbers(bottlenecks, photo):
    if not np.isfinite(bottlenecks).all():
        raise UserError(
            'the pretrained network gives values that are no numbers for %s or a photo next to '
            'it: the network is damaged; delete it from --model_dir, and the next run gets it anew'
            % photo.path
        )


def _compute(pretrained, policy, paths, groups):
    def build(pixels_tensor):
        # TensorFlow 1.15 computes a batch of a few photos in another way, with other last bits.
        count = tf.shape(pixels_tensor)[0]
        full_tensor = tf.pad(pixels_tensor, [[0, runner.BATCH_SIZE - count]] + [[0, 0]] * 3)
        return backbone_lib.import_into_graph(pretrained, full_tensor)[:count]

    spec = pretrained.network.pixels
    results = runner.run(spec, build, [paths[group] for group in groups], policy)
    for group, (values, readable) in zip(groups, results):
        yield group, values, readable
