"""Running a backbone over photos."""

import functools
import logging

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common import limits
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.features import kept_photos
from scripts.features.cache import Cache
from scripts.features.inputs import InputFeatures
from scripts.features.maps import FeatureMaps
from scripts.features.store import StoreWriteError
from scripts.images import bad_images, runner
from scripts.networks import backbone as backbone_lib

_LOG = logging.getLogger(__name__)

_MOST_OF_FREE = 0.9  # Of free disk space that feature maps may take: graphs need some, too.


def compute(backbone, place, photos, policy=bad_images.SKIP):
    """Returns the features of photos, those that are kept already and those that are missing.

    What is computed is stored batch by batch: a run that is stopped goes on where it was. A batch
    is always the same photos, those whose features are kept included, and as large as any other:
    a value's last bits depend on the batch, and the result not on what was kept.

    Feature maps for which the disk has no room are not kept: a line says so, and they are
    recomputed each time. Where the boundary is the fed node itself, decoded photos are kept.

    Args:
      backbone: a `Backbone`.
      place: a `place.Place`.
      photos: list of `Photo`.
      policy: of `bad_images`.

    Returns:
      `Features`, `FeatureMaps` or `InputFeatures`; those of unreadable photos are marked.

    Raises:
      UserError: a photo is unreadable, and the policy is to stop; the network gives values that
        are not numbers; the disk is too small for bottlenecks; or a file cannot be read or written.
    """
    network = backbone.network
    if backbone.boundary == network.input_name:
        kept = kept_photos.keep(place.folder, photos, network.pixels, policy)
        return InputFeatures(kept, network.pixels)
    cache = Cache(backbone, place, photos)
    cache.load()
    what = 'bottlenecks' if cache.has_texts else 'features'
    _LOG.info('%d of %d %s found in %s', cache.found.sum(), len(photos), what, place.folder)
    fill = functools.partial(_fill, backbone, cache, policy)
    if cache.checks_late:
        return _feature_maps(backbone, cache, policy, fill)
    if not cache.found.all():
        _check_space(cache, what)
        fill()
    return cache.features()


def _feature_maps(backbone, cache, policy, fill):
    """Returns the `FeatureMaps` of the photos of a cache, which `fill` fills."""
    complete, readable = True, cache.found
    if not cache.found.all():
        complete = _has_room(cache) and _try(fill, cache)
        readable = cache.found.copy()
    if not complete:
        missing = np.flatnonzero(~readable)
        bad = runner.report_unreadable([cache.photos[row].path for row in missing], policy)
        readable[missing] = [cache.photos[row].path not in bad for row in missing]
    return FeatureMaps(cache, readable, Recomputer(backbone, cache.photos).take)


def _has_room(cache):
    """Returns whether the disk has room for what a cache lacks; if not, a line says so."""
    missing, folder = (~cache.found).sum(), cache.place.folder
    needed, free = missing * cache.bytes_a_photo, limits.free_bytes(folder)
    if needed <= free * _MOST_OF_FREE:
        return True
    _LOG.warning(
        'the features of %d photos need about %d MB in %s, and %d MB are free: they are not kept, '
        'but recomputed each time, which is slow; make room or choose another --bottleneck_dir',
        missing,
        needed // 10**6,
        folder,
        free // 10**6,
    )
    return False


def _try(fill, cache):
    """Returns whether a cache could be filled; if not, a line says so."""
    try:
        fill()
    except StoreWriteError as error:
        cache.give_up()
        _LOG.warning('%s: features are not kept, but recomputed each time, which is slow', error)
        return False
    return True


def _fill(backbone, cache, policy):
    paths = _without_known_bad(cache.photos, cache.found, policy)
    _compute_missing(functools.partial(_compute, backbone, policy), cache, paths)


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


def _compute_missing(compute_batches, cache, paths):
    """Computes and stores the features that a cache lacks.

    Args:
      compute_batches: takes paths and slices of them, and yields for each slice it, the values, and
        a bool array of which are readable.
      cache: a `Cache`.
      paths: of its photos, BLANK_PATH for those that are known to be unreadable.
    """
    wanted = ~cache.found & (np.array(paths) != runner.BLANK_PATH)
    groups = [group for group in runner.groups(len(paths)) if wanted[group].any()]

    def computed():
        for group, values, readable in compute_batches(paths, groups):
            missing = np.arange(group.start, group.stop)[wanted[group] & readable]
            _check_numbers(values[missing - group.start], cache.photos[group.start])
            yield missing, values[missing - group.start]
            progress.advance(len(values))

    count = sum(group.stop - group.start for group in groups)
    with Progress('Bottlenecks' if cache.has_texts else 'Features', count, 'photos') as progress:
        # A batch is written while the next one is computed.
        for _ in runner.overlapped(lambda batch: cache.add(*batch), computed()):
            pass


def _check_space(cache, what):
    missing, folder = (~cache.found).sum(), cache.place.folder
    needed, free = missing * cache.bytes_a_photo, limits.free_bytes(folder)
    if needed > free:
        raise UserError(
            '%d %s need about %d MB in %s, and %d MB are free: make room or choose another '
            '--bottleneck_dir' % (missing, what, needed // 10**6, folder, free // 10**6)
        )


def _check_numbers(values, photo):
    if not np.isfinite(values).all():
        raise UserError(
            'the pretrained network gives values that are not finite for %s or a photo next to '
            'it: the network is corrupt; delete it from --model_dir, and the next run fetches it '
            'again' % photo.path
        )


def _compute(backbone, policy, paths, groups):
    batches = [paths[group] for group in groups]
    results = runner.run(backbone.network.pixels, _builder(backbone), batches, policy)
    for group, (values, readable) in zip(groups, results):
        yield group, values, readable


def _builder(backbone):
    """Returns what adds a backbone to a graph, behind pixels."""

    def build(pixels_tensor):
        # TensorFlow 1.15 computes a batch of a few photos in another way, with other last bits.
        count = tf.shape(pixels_tensor)[0]
        full_tensor = tf.pad(pixels_tensor, [[0, runner.BATCH_SIZE - count]] + [[0, 0]] * 3)
        return backbone_lib.import_into_graph(backbone, full_tensor)[:count]

    return build


class Recomputer:
    """Computes the features of photos each time that they are taken.

    Args:
      backbone: a `Backbone`.
      photos: list of `Photo`.
    """

    def __init__(self, backbone, photos):
        self._backbone, self._photos = backbone, photos
        self._runner = None

    def take(self, photo_rows):
        """Returns the features of photos at positions, int `[n]`, float32 `[n, *shape]`.

        Raises:
          UserError: one is unreadable.
        """
        if self._runner is None:
            self._runner = runner.Runner(self._backbone.network.pixels, _builder(self._backbone))
        paths = [self._photos[row].path for row in photo_rows]
        batches = [paths[group] for group in runner.groups(len(paths))]
        results = self._runner.run(batches, bad_images.ONLY)
        return np.concatenate([values for values, _ in results])
