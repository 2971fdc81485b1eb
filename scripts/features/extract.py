"""Running a backbone over photos."""

import functools
import logging

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common import limits
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.features.cache import Cache
from scripts.images import bad_images, runner
from scripts.networks import backbone as backbone_lib

_LOG = logging.getLogger(__name__)


def compute(backbone, place, photos, policy=bad_images.SKIP):
    """Returns the features of photos, those that are kept already and those that are missing.

    What is computed is stored batch by batch: a run that is stopped goes on where it was. A batch
    is always the same photos, those whose features are kept included, and as large as any other:
    a value's last bits depend on the batch, and the result not on what was kept.

    Args:
      backbone: a `Backbone`.
      place: a `place.Place`.
      photos: list of `Photo`.
      policy: of `bad_images`.

    Returns:
      `Features`; those of unreadable photos are marked.

    Raises:
      UserError: a photo is unreadable, and the policy is to stop; the network gives values that
        are not numbers; the disk is too small; or a file cannot be read or written.
    """
    cache = Cache(backbone, place, photos)
    cache.load()
    what = 'bottlenecks' if cache.has_texts else 'features'
    _LOG.info('%d of %d %s found in %s', cache.found.sum(), len(photos), what, place.folder)
    if not cache.found.all():
        _check_space(cache, what)
        paths = _without_known_bad(photos, cache.found, policy)
        _compute_missing(functools.partial(_compute, backbone, policy), cache, paths)
    return cache.features()


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
    def build(pixels_tensor):
        # TensorFlow 1.15 computes a batch of a few photos in another way, with other last bits.
        count = tf.shape(pixels_tensor)[0]
        full_tensor = tf.pad(pixels_tensor, [[0, runner.BATCH_SIZE - count]] + [[0, 0]] * 3)
        return backbone_lib.import_into_graph(backbone, full_tensor)[:count]

    spec = backbone.network.pixels
    results = runner.run(spec, build, [paths[group] for group in groups], policy)
    for group, (values, readable) in zip(groups, results):
        yield group, values, readable
