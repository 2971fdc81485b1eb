"""Photos and text files that are not as recorded: which values count, and what is told of them.

People delete, replace and edit text files: one that is gone, or cut short, is recomputed; of one
with other numbers the numbers are used, with a warning; so are those of one that has no row, where
the network is a classic one: the classic script wrote such.
"""

import logging
import typing

import numpy as np

from scripts.dataset.photos import Photo
from scripts.features import identity, texts
from scripts.features import store as store_lib

_LOG = logging.getLogger(__name__)
_WARNINGS_SHOWN = 10

# What is told of a text whose values are used, in one line for all.
_UNRECORDED, _EDITED = 'unrecorded', 'edited'


class Stored(typing.NamedTuple):
    """What the store has for each of the photos.

    rows: the store's `Rows`.
    where: int64 `[photos]`, the row of each photo, -1 for none.
    recorded: ENTRY `[photos]`.
    intact: bool `[photos]`, whether the values are what was written, as far as that was checked.
    """

    rows: store_lib.Rows
    where: np.ndarray
    recorded: np.ndarray
    intact: np.ndarray


class Present(typing.NamedTuple):
    """What there is now of each of the photos.

    photos: list of `Photo`.
    text_paths: the path of each one's text file, or None where there are none.
    entries: ENTRY `[photos]`.
    """

    photos: typing.Sequence[Photo]
    text_paths: typing.Optional[typing.Sequence[str]]
    entries: np.ndarray


class Examiner:
    """Looks at photos, and their texts, for which not all is as recorded.

    Args:
      present: a `Present`; it notes in the entries what it sees.
      stored: a `Stored`.
      uses_unrecorded: whether texts that have no row count.
    """

    def __init__(self, present, stored, uses_unrecorded):
        self._photos, self._text_paths, self._entries = present
        self._stored = stored
        self._uses_unrecorded = uses_unrecorded
        self._problems, self._used = [], {_UNRECORDED: [], _EDITED: []}

    def examine(self, index):
        """Returns the values that count for a photo, or None, and notes what is to be told."""
        values, note = self._examine(index)
        if values is not None:
            self._used.get(note, []).append(index)
        elif note:
            self._problems.append('%s %s' % (self._name(index), note))
        return values

    def report(self):
        """Warns of problems, and of texts without or beside a row."""
        for problem in self._problems[:_WARNINGS_SHOWN]:
            _LOG.warning('%s; recomputing it', problem)
        if len(self._problems) > _WARNINGS_SHOWN:
            more = len(self._problems) - _WARNINGS_SHOWN
            _LOG.warning('... and %d more; recomputing them', more)

    def report_texts(self, folder):
        """Warns of texts without or beside a row, which are in a folder."""
        unrecorded, edited = self._used[_UNRECORDED], self._used[_EDITED]
        if unrecorded:
            _LOG.warning(
                '%d bottleneck files in %s have no record of the photo and the network that '
                'they were made of (the classic script writes none): they are used unchecked',
                len(unrecorded),
                folder,
            )
        if edited:
            _LOG.warning(
                '%d bottleneck files were edited, such as %s: using their numbers; delete a file '
                'to have it recomputed',
                len(edited),
                self._text_paths[edited[0]],
            )

    def _examine(self, index):
        """Returns the values, or None; and what is to be told: of None, the problem, or nothing."""
        entry, recorded = self._entries[index], self._stored.recorded[index]
        row = self._stored.where[index]
        if row < 0:
            return self._without_row(index)
        if (recorded['fingerprint'] != entry['fingerprint']).any():
            return None, 'was made by another version of the network'
        if not self._is_same_photo(index):
            return None, 'was made from another version of the photo'
        values = self._stored.rows.values[row] if self._stored.intact[index] else None
        if self._text_paths is None:
            return self._checked(values, row)
        same_text = all(entry[field] == recorded[field] for field in store_lib.TEXT_FIELDS)
        if same_text and values is not None:
            return values, None
        return self._read_text(index, recorded, values)

    def _without_row(self, index):
        """Returns what `_examine` does, of a text that has no row."""
        if not self._uses_unrecorded:
            return None, 'has no record of the photo and the network that it was made of'
        entry = self._entries[index]
        entry['digest'] = identity.digest(self._photos[index].path, entry)
        return self._read_text(index, None, None)

    def _checked(self, values, row):
        """Returns what `_examine` does; what is not intact may not be recorded again."""
        if values is None or self._stored.rows.intact(np.array([row])).all():
            return values, None
        return None, 'is corrupt'

    def _is_same_photo(self, index):
        """Returns whether a photo is that of the recorded entry; notes its digest."""
        entry, recorded = self._entries[index], self._stored.recorded[index]
        entry['digest'] = recorded['digest']
        if all(entry[field] == recorded[field] for field in store_lib.PHOTO_FIELDS):
            return True
        if entry['photo_bytes'] != recorded['photo_bytes']:
            return False
        entry['digest'] = identity.digest(self._photos[index].path, entry)
        return entry['digest'].any() and (entry['digest'] == recorded['digest']).all()

    def _read_text(self, index, recorded, stored):
        """Returns what `_examine` does, from the text file.

        Args:
          index: of the photo.
          recorded: its entry, or None.
          stored: its values in the store, or None.
        """
        path, length = self._text_paths[index], self._stored.rows.values.shape[1]
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

    def _name(self, index):
        if self._text_paths is not None:
            return 'bottleneck file ' + self._text_paths[index]
        return 'what is kept of ' + self._photos[index].path
