"""Running a backbone over photos."""

import logging

import numpy as np

from scripts.common import limits
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.features import identity, kept_photos, sources
from scripts.features.cache import Cache
from scripts.features.copies import CopyFeatures
from scripts.features.inputs import InputFeatures
from scripts.features.maps import FeatureMaps
from scripts.features.store import StoreWriteError
from scripts.images import bad_images, reduction, runner

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
        reduction.report([photo.path for photo in photos], network.pixels)
        kept = kept_photos.keep(place.folder, photos, network.pixels, policy)
        return InputFeatures(kept, network.pixels)
    source = sources.Photos(backbone, photos)
    cache = Cache(backbone, place, photos)
    cache.load()
    what = 'bottlenecks' if cache.has_texts else 'features'
    _LOG.info('%d of %d %s found in %s', cache.found.sum(), len(photos), what, place.folder)
    missing = [photos[row].path for row in np.flatnonzero(~cache.found)]
    reduction.report(missing, network.pixels)
    if cache.checks_late:
        complete = _try_to_fill(cache, source, policy)
        readable = cache.found if complete else _readable(cache, policy)
        return FeatureMaps(cache, readable, source.take)
    if not cache.found.all():
        _check_space(cache, what)
        _fill(cache, source, _without_known_bad(photos, cache.found, policy), policy)
    return cache.features()


def compute_copies(backbone, place, photos, copying, policy=bad_images.SKIP):
    """Returns the features of distorted copies of photos, as `compute` does; no text is written.

    Args:
      backbone: a `Backbone`.
      place: the `place.Place` of the backbone's features; that of the copies is beside it.
      photos: list of `Photo`.
      copying: `images.settings.Copying`.
      policy: of `bad_images`.

    Returns:
      `CopyFeatures`.

    Raises:
      UserError: as `compute`, but where the disk is too small.
    """
    source = sources.Copies(backbone, photos, copying)
    cache = Cache(backbone, place.of_copies(copying.distortions), source.photos)
    cache.load()
    _LOG.info(
        'Features of %d of %d distorted copies found in %s',
        cache.found.sum(),
        len(source.photos),
        place.folder,
    )
    readable = _readable(cache, policy)
    _try_to_fill(cache, source, policy, readable)
    return CopyFeatures(FeatureMaps(cache, readable, source.take), copying.copies)


def _readable(cache, policy):
    """Returns which photos of a cache are readable, bool `[photos]`: those not found are tried."""
    paths = [cache.photos[row].path for row in np.flatnonzero(~cache.found)]
    bad = runner.report_unreadable(list(dict.fromkeys(paths)), policy)
    found = zip(cache.photos, cache.found)
    return np.array([is_found or photo.path not in bad for photo, is_found in found], np.bool_)


def _try_to_fill(cache, source, policy, readable=None):
    """Computes and stores what a cache lacks, where the disk has room.

    Args:
      cache: a `Cache`.
      source: what its features are computed of.
      policy: of `bad_images`.
      readable: bool `[photos]`, where that is known.

    Returns:
      Whether the features of all readable photos are found; if not, a line says so.
    """
    if cache.found.all():
        return True
    if not _has_room(cache):
        return False
    try:
        if readable is None:
            paths = _without_known_bad(cache.photos, cache.found, policy)
        else:
            pairs = zip(cache.photos, readable)
            paths = [photo.path if is_good else runner.BLANK_PATH for photo, is_good in pairs]
        _fill(cache, source, paths, policy)
    except StoreWriteError as error:
        cache.give_up()
        _LOG.warning('%s: features are not kept, but recomputed each time, which is slow', error)
        return False
    return True


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


def _fill(cache, source, paths, policy):
    """Computes and stores the features that a cache lacks.

    Args:
      cache: a `Cache`.
      source: `sources.Photos`, or what has its functions.
      paths: of its photos, BLANK_PATH for those that are known to be unreadable.
      policy: of `bad_images`.
    """
    wanted = ~cache.found & (np.array(paths) != runner.BLANK_PATH)
    groups = [group for group in runner.groups(len(paths)) if wanted[group].any()]
    looks = identity.Looks()

    def computed():
        for group, values, readable in source.batches(paths, groups, policy, looks.hole_in):
            missing = np.arange(group.start, group.stop)[wanted[group] & readable]
            _check_numbers(values[missing - group.start], cache.photos[group.start])
            yield missing, values[missing - group.start]
            progress.advance(len(values))

    count = sum(group.stop - group.start for group in groups)
    with Progress('Bottlenecks' if cache.has_texts else 'Features', count, 'photos') as progress:
        # A batch is written while the next one is computed, by one thread: several that do a little
        # for each photo wait for the interpreter.
        for _ in runner.overlapped(lambda batch: cache.add(*batch, looks), computed(), 1):
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
