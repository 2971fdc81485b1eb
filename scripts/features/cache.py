"""What is kept of the features of photos: the store, and for bottlenecks the classic text files.

A row of the store counts where the photo is the one that was recorded and, for bottlenecks, its
text file is as recorded, too; then neither is opened. A photo whose size, times and inode are those
on record is that photo. Another size is another photo. Where only times or the inode differ, as
after a copy, or where photos have changed places, the contents decide, and a row is added that
records what is there now.

Otherwise the text counts. People delete, replace and edit text files: one that is gone, or cut
short, is recomputed; of one with other numbers the numbers are used, with a warning; so are those
of one that has no row, where the network is a classic one: the classic script wrote such. A row is
added for each.

A text file takes its place after its row was added, and one that no longer counts is removed
before: so a stop at any moment leaves no text that passes for what it is not.
"""

import logging
import typing

import numpy as np

from scripts.common.errors import UserError
from scripts.features import identity, texts
from scripts.features import store as store_lib
from scripts.features.features import Features

_LOG = logging.getLogger(__name__)
_WARNINGS_SHOWN = 10

# What is told of a text whose values are used, in one line for all.
_UNRECORDED, _EDITED = 'unrecorded', 'edited'


class Cache:
    """What is kept of the features of a list of photos.

    Args:
      backbone: a `Backbone`.
      place: a `Place`.
      photos: list of `Photo`.

    found: bool `[photos]`, which of them have features: those that `load` finds or `add` adds.
    """

    def __init__(self, backbone, place, photos):
        self.place, self.photos = place, photos
        self.has_texts = place.has_texts(backbone)
        self.found = np.zeros(len(photos), np.bool_)
        self._fingerprint = backbone.fingerprint
        self._uses_unrecorded = backbone.network.classic
        self._store = place.store(backbone)
        self._text_paths = [place.text_path(photo) for photo in photos] if self.has_texts else None
        self._entries = self._rows = None
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
        rows = self._rows.find(entries['photo'])
        recorded, intact = self._rows.entries(rows), self._rows.intact(rows)
        fields = ['fingerprint'] + store_lib.PHOTO_FIELDS + store_lib.TEXT_FIELDS
        present = (entries['photo_bytes'] != identity.MISSING) & (
            entries['text_bytes'] != identity.MISSING
        )
        self.found = present & intact & identity.equal(entries, recorded, fields)
        entries[self.found] = recorded[self.found]
        if not self.has_texts:
            present &= rows >= 0
        self._examine_all(np.flatnonzero(present & ~self.found), _Kept(rows, recorded, intact))

    def add(self, indices, values):
        """Stores what was computed, in files and in `found`.

        Args:
          indices: int array `[n]`, of photos.
          values: array `[n, *shape]`.

        Raises:
          UserError: it cannot be written.
        """
        values = values.astype(self._store.dtype, casting='same_kind', copy=False)
        for index in indices:
            self._entries[index]['digest'] = self._digest(index)
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

    def features(self):
        """Returns the `Features` of the photos, of which those that are not found are unreadable.

        Raises:
          UserError: the store is unreadable, or another run has changed it.
        """
        rows = self._rows
        if self._added:
            rows = self._store.read()
            if rows.wasteful:
                rows = self._compacted(rows)
        where = rows.find(self._entries['photo'])
        fields = ['fingerprint', 'values_crc32']
        stored = (where >= 0) & identity.equal(self._entries, rows.entries(where), fields)
        stored[list(self._not_stored)] = True
        if (self.found & ~stored).any():
            raise UserError(
                '%s was changed by another run, of another version of a photo or of the network, '
                'while this one used it: rerun the command' % self._store.path
            )
        where[~self.found] = -1
        if not self._not_stored:
            return Features(rows.values, where)
        return self._in_memory(rows.values, where)

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

    def _digest(self, index):
        return identity.digest(self.photos[index].path, self._entries[index])

    def _examine_all(self, indices, kept):
        """Decides on the photos for which not all is as recorded; adds rows for what is used."""
        problems, used, new = [], {_UNRECORDED: [], _EDITED: []}, []
        corrupt = (kept.rows[indices] >= 0) & ~kept.intact[indices]
        for index in indices:
            values, note = self._examine(index, kept)
            self.found[index] = values is not None
            if values is not None:
                new.append((index, values))
                used.get(note, []).append(index)
            elif note:
                problems.append('%s %s' % (self._name(index), note))
            if len(new) == self._store.rows_a_chunk:
                self._keep(new, kept)
                new = []
        self._keep(new, kept)
        self._report(problems, corrupt.sum(), used)

    def _examine(self, index, kept):
        """Looks at a photo and its text for which not all is as recorded.

        Returns:
          The values, or None; and what is to be told: of values None, the problem, or nothing.
        """
        entry, recorded, row = self._entries[index], kept.recorded[index], kept.rows[index]
        if row < 0 and not self._uses_unrecorded:
            return None, 'has no record of the photo and the network that it was made of'
        if row < 0:
            entry['digest'] = self._digest(index)
            return self._read_text(index, None, None)
        if (recorded['fingerprint'] != entry['fingerprint']).any():
            return None, 'was made by another version of the network'
        if not self._is_same_photo(index, recorded):
            return None, 'was made from another version of the photo'
        values = self._rows.values[row] if kept.intact[index] else None
        same_text = all(entry[field] == recorded[field] for field in store_lib.TEXT_FIELDS)
        if not self.has_texts or (same_text and values is not None):
            return values, None
        return self._read_text(index, recorded, values)

    def _is_same_photo(self, index, recorded):
        """Returns whether a photo is that of the recorded entry; notes its digest."""
        entry = self._entries[index]
        entry['digest'] = recorded['digest']
        if all(entry[field] == recorded[field] for field in store_lib.PHOTO_FIELDS):
            return True
        if entry['photo_bytes'] != recorded['photo_bytes']:
            return False
        entry['digest'] = self._digest(index)
        return entry['digest'].any() and (entry['digest'] == recorded['digest']).all()

    def _read_text(self, index, recorded, stored):
        """Returns what `_examine` does, from the text file.

        Args:
          index: of the photo.
          recorded: its entry, or None.
          stored: its values in the store, or None.
        """
        path, length = self._text_paths[index], self._store.shape[0]
        try:
            about, values = texts.read(path, length)
        except FileNotFoundError:  # Another run replaces it.
            return None, None
        identity.set_text(self._entries[index], about)
        if values is None:
            return None, 'is corrupt (expected %d numbers with commas between them)' % length
        if recorded is None:
            return values, _UNRECORDED
        if store_lib.crc32_of_values(values) == recorded['values_crc32']:
            return values, None
        shorter = about.st_size < recorded['text_bytes'] and stored is not None
        if shorter and (values[:-1] == stored[:-1]).all():
            return None, 'is cut short'
        return values, _EDITED

    def _keep(self, new, kept):
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
            if not kept.intact[index] or crc32 != kept.recorded[index]['values_crc32']:
                self._not_stored[index] = each

    def _name(self, index):
        if self.has_texts:
            return 'bottleneck file ' + self._text_paths[index]
        return 'what is kept of ' + self.photos[index].path

    def _warn_of_rows(self, count):
        _LOG.warning('%d rows of %s are corrupt; replacing them', count, self._store.path)

    def _report(self, problems, corrupt, used):
        """Warns of problems, of how many rows are corrupt, and of texts without or beside a row."""
        for problem in problems[:_WARNINGS_SHOWN]:
            _LOG.warning('%s; recomputing it', problem)
        if len(problems) > _WARNINGS_SHOWN:
            _LOG.warning('... and %d more; recomputing them', len(problems) - _WARNINGS_SHOWN)
        if corrupt:
            self._warn_of_rows(corrupt)
        if used[_UNRECORDED]:
            _LOG.warning(
                '%d bottleneck files in %s have no record of the photo and the network that '
                'they were made of (the classic script writes none): they are used unchecked',
                len(used[_UNRECORDED]),
                self.place.folder,
            )
        if used[_EDITED]:
            _LOG.warning(
                '%d bottleneck files were edited, such as %s: using their numbers; delete a file '
                'to have it recomputed',
                len(used[_EDITED]),
                self._text_paths[used[_EDITED][0]],
            )


class _Kept(typing.NamedTuple):
    """What the store has for each of the photos.

    rows: int64 `[photos]`, -1 for none.
    recorded: ENTRY `[photos]`.
    intact: bool `[photos]`, whether the values are what was written.
    """

    rows: np.ndarray
    recorded: np.ndarray
    intact: np.ndarray
