"""Feature maps as training takes them: kept ones, and such as are recomputed each time."""

import logging

import numpy as np

from scripts.features.features import OfPhotos
from scripts.features.store import StoreWriteError

_LOG = logging.getLogger(__name__)


class FeatureMaps(OfPhotos):
    """What a backbone gives for a list of photos, where that is too much to look at at once.

    Checksums are looked at when a photo's features are first taken. Those that are corrupt then are
    recomputed and replaced; those that are not kept, as where the disk has no room, are recomputed
    each time.

    Args:
      cache: a `Cache`, which has them or not.
      readable: bool `[photos]`.
      recompute: takes an int array `[n]` of positions in the list of photos, readable ones, and
        returns their features, float32 `[n, *shape]`.
    """

    def __init__(self, cache, readable, recompute):
        self._cache, self._recompute = cache, recompute
        self._kept = cache.kept()
        self._checked = np.zeros(len(readable), np.bool_)
        super().__init__(readable, self._kept.rows.values.shape[1:])

    def take(self, photo_rows):
        """Returns the features of some photos, readable ones, as float32 `[n, *shape]`.

        Args:
          photo_rows: int array `[n]` of positions in the list of photos.

        Raises:
          UserError: a photo whose features are not kept has become unreadable.
        """
        self.check_readable(photo_rows)
        self._check(np.unique(photo_rows[~self._checked[photo_rows]]))
        where = self._kept.where[photo_rows]
        if (where >= 0).all():
            return self._kept.rows.values[where].astype(np.float32, copy=False)
        values = self._kept.rows.values
        taken = np.empty((len(where),) + self.shape, values.dtype)
        taken[where >= 0] = values[where[where >= 0]]
        taken[where < 0] = self._recompute(photo_rows[where < 0])
        return taken.astype(np.float32, copy=False)

    def _check(self, photo_rows):
        """Replaces what is corrupt of photos whose features are taken for the first time."""
        where = self._kept.where[photo_rows]
        corrupt = photo_rows[(where >= 0) & ~self._kept.rows.intact(where)]
        self._checked[photo_rows] = True
        if not len(corrupt):
            return
        _LOG.warning(
            'what is kept of %d photos, such as %s, is corrupt; replacing it',
            len(corrupt),
            self._cache.photos[corrupt[0]].path,
        )
        values = self._recompute(corrupt)
        try:
            self._cache.add(corrupt, values)
            self._kept = self._cache.kept()
        except StoreWriteError as error:
            _LOG.warning('%s: it is recomputed each time', error)
            self._kept.where[corrupt] = -1
