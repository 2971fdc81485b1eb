"""What is kept of the features of photos: the store, and for bottlenecks the classic text files.

A row of the store counts where the photo is the one that was recorded and, for bottlenecks, its
text file is as recorded, too; then neither is opened. A photo whose size, times and inode are those
on record is that photo. Another size is another photo. Where only times or the inode differ, as
after a copy, or where photos have changed places, the contents decide, and a row is added that
records what is there now.

Otherwise the text counts, as `examining` says, and a row is added for each.

The checksums of vectors are looked at in the beginning. Feature maps may be gigabytes: theirs are
for who takes them first, see `maps`.

A text file takes its place after its row was added, and one that no longer counts is removed
before: so a stop at any moment leaves no text that passes for what it is not.
"""

import logging
import typing

import numpy as np

from scripts.common.errors import UserError
from scripts.features import identity, texts
from scripts.features import store as store_lib
from scripts.features.examining import Examiner, Present, Stored
from scripts.features.features import Features

_LOG = logging.getLogger(__name__)


class Kept(typing.NamedTuple):
    """Where the features of photos are.

    rows: the `Rows` of the store.
    where: int64 `[photos]`, the row of each photo, -1 where nothing is kept.
    """

    rows: store_lib.Rows
    where: np.ndarray


class Cache:
    """What is kept of the features of a list of photos.

    Args:
      backbone: a `Backbone`.
      place: a `Place`.
      photos: list of `Photo`.

    found: bool `[photos]`, which of them have features: those that `load` finds or `add` adds.
    has_texts: whether there are text files, too.
    checks_late: whether `load` leaves the checksums of values to who takes them.
    """

    def __init__(self, backbone, place, photos):
        self.place, self.photos = place, photos
        self.has_texts = place.has_texts(backbone)
        self.found = np.zeros(len(photos), np.bool_)
        self._fingerprint = backbone.fingerprint
        self._uses_unrecorded = self.has_texts and backbone.network.classic
        self._store = place.store(backbone)
        self._text_paths = [place.text_path(photo) for photo in photos] if self.has_texts else None
        self.checks_late = len(backbone.shape) > 1
        self._entries = self._rows = None
        self._was_empty = False  # Whether there was no row before this run.
        self._added = self._refused = False  # Whether the store has taken rows, and failed to.
        self._not_stored = {}  # Values, by the index of a photo, where the store takes none.

    @property
    def bytes_a_photo(self):
        """How much a photo takes on disk, in bytes."""
        text = 12 * self._store.shape[0] if self.has_texts else 0  # A number has nine digits.
        return self._store.row_type.itemsize + text

    def load(self):
        """Looks for kept features; corrupt ones, or of other photos or networks, are a warning.

        Raises:
          UserError: a file is unreadable.
        """
        # The rows come last: a text that is seen by then has its row, which was added before.
        entries = identity.entries(self.photos, self._text_paths, self._fingerprint)
        self._entries, self._rows = entries, self._read_store()
        self._was_empty = not len(self._rows)
        rows = self._rows.find(entries['photo'])
        recorded = self._rows.entries(rows)
        intact = rows >= 0 if self.checks_late else self._rows.intact(rows)
        fields = ['fingerprint'] + store_lib.PHOTO_FIELDS + store_lib.TEXT_FIELDS
        present = (entries['photo_bytes'] != identity.MISSING) & (
            entries['text_bytes'] != identity.MISSING
        )
        self.found = present & intact & identity.equal(entries, recorded, fields)
        entries[self.found] = recorded[self.found]
        if not self.has_texts:
            present &= rows >= 0
        stored = Stored(self._rows, rows, recorded, intact)
        self._examine_all(np.flatnonzero(present & ~self.found), stored)

    def add(self, indices, values, looks=None):
        """Stores what was computed, in files and in `found`.

        Args:
          indices: int array `[n]`, of photos.
          values: array `[n, *shape]`.
          looks: the `identity.Looks` at the photos; None: they are looked at here.

        Raises:
          UserError: it cannot be written.
        """
        values = values.astype(self._store.dtype, casting='same_kind', copy=False)
        digest = identity.digest if looks is None else looks.digest
        for index in indices:
            entry = self._entries[index]
            entry['digest'] = digest(self.photos[index].path, entry)
        if self.has_texts:
            paths = [self._text_paths[index] for index in indices]
            with texts.replacing(paths, values) as about:
                for index, each in zip(indices, about):
                    if self._entries[index]['text_bytes'] != identity.MISSING:
                        texts.remove(self._text_paths[index])
                    identity.set_text(self._entries[index], each)
                self._append(indices, values)
        else:
            self._append(indices, values)
        self.found[indices] = True

    def kept(self):
        """Returns where the features are, a `Kept`.

        Raises:
          UserError: the store is unreadable, or another run has changed it.
        """
        if self._added:
            self._rows, self._added = self._store.read(), False
            if self._rows.wasteful:
                self._rows = self._compacted(self._rows)
        where = self._rows.find(self._entries['photo'])
        fields = ['fingerprint', 'values_crc32']
        stored = (where >= 0) & identity.equal(self._entries, self._rows.entries(where), fields)
        stored[list(self._not_stored)] = True
        if (self.found & ~stored).any():
            raise UserError(
                '%s was changed by another run, of another version of a photo or of the network, '
                'while this one used it: rerun the command' % self._store.path
            )
        where[~self.found] = -1
        return Kept(self._rows, where)

    def features(self):
        """Returns the `Features` of the photos, of which those that are not found are unreadable.

        Raises:
          UserError: as `kept`.
        """
        kept = self.kept()
        if not self._not_stored:
            return Features(kept.rows.values, kept.where)
        return self._in_memory(kept.rows.values, kept.where)

    def give_up(self):
        """Removes what this run has added where there was nothing before; returns whether it did.

        So a disk that turned out to be too small has room for what else is written.
        """
        if self._was_empty:
            self.remove()
        return self._was_empty

    def remove(self):
        """Removes the store.

        Raises:
          StoreWriteError: it cannot be removed.
        """
        self._store.remove()
        self._rows, self._added = self._store.read(), False
        self.found[:] = False

    def _in_memory(self, values, where):
        """Returns `Features` for which some values are not in the store."""
        copied = np.zeros((len(where),) + self._store.shape, self._store.dtype)
        for index in np.flatnonzero(self.found):
            copied[index] = self._not_stored.get(index, values[where[index]])
        return Features(copied, np.where(self.found, np.arange(len(where)), -1))

    def _read_store(self):
        """Returns the `Rows`, after a warning and without what is corrupt."""
        rows = self._store.read()
        if rows.other_header:
            _LOG.warning('%s is corrupt; replacing it', self._store.path)
        elif rows.corrupt:
            self._warn_of_rows(rows.corrupt)
        return self._compacted(rows) if rows.other_header or rows.corrupt else rows

    def _compacted(self, rows):
        """Returns the `Rows` after the store was written again, or the same where it cannot be."""
        try:
            self._store.compact()
        except UserError as error:
            _LOG.warning('%s: it stays larger than it need be', error)
            return rows
        return self._store.read()

    def _append(self, indices, values):
        self._entries[indices] = self._store.append(self._entries[indices], values)
        self._added = True

    def _examine_all(self, indices, stored):
        """Decides on the photos for which not all is as recorded; adds rows for what is used."""
        present = Present(self.photos, self._text_paths, self._entries)
        examiner = Examiner(present, stored, self._uses_unrecorded)
        new = []
        corrupt = (stored.where[indices] >= 0) & ~stored.intact[indices]
        for index in indices:
            values = examiner.examine(index)
            self.found[index] = values is not None
            if values is not None:
                new.append((index, values))
            if len(new) == self._store.rows_a_chunk:
                self._keep(new, stored)
                new = []
        self._keep(new, stored)
        examiner.report()
        if corrupt.any():
            self._warn_of_rows(corrupt.sum())
        examiner.report_texts(self.place.folder)

    def _keep(self, new, stored):
        """Adds rows for pairs of an index and values; where that cannot be, with a warning."""
        if not new:
            return
        indices, values = [index for index, _ in new], [each for _, each in new]
        try:
            if not self._refused:
                self._append(indices, values)
                return
        except UserError as error:
            _LOG.warning('%s: the next run takes longer, and may not notice changes', error)
            self._refused = True
        for index, each in new:
            crc32 = self._entries[index]['values_crc32'] = store_lib.crc32_of_values(each)
            if not stored.intact[index] or crc32 != stored.recorded[index]['values_crc32']:
                self._not_stored[index] = each

    def _warn_of_rows(self, count):
        _LOG.warning('%d rows of %s are corrupt; replacing them', count, self._store.path)
