"""The store: the features that a backbone gives, as one binary file.

It begins with a header of 128 bytes: ASCII, filled up with spaces, a newline at its end:

    features 1 float32 7x7x1024

that is a format version, the type of the values (any of numpy's names: float32, float16, uint8)
and the shape of the features of one photo. Rows of one size follow, all numbers little-endian:

    photo          16 bytes   BLAKE2b of `<folder>/<file name>` in UTF-8
    fingerprint    32 bytes   of the backbone
    digest         16 bytes   BLAKE2b of the photo's contents; zeros: not known
    photo_bytes, photo_mtime_ns, photo_ctime_ns, photo_inode   4 x int64, by which the contents
                              need not be read again
    text_bytes, text_mtime_ns   2 x int64, of the text file that holds the same; else zeros
    values_crc32   uint32     of the values
    crc32          uint32     of the row so far
    values         as the header says

Rows are appended, under a lock; of several for a photo the last one counts. A row that a stop has
cut is overwritten by the next one. Rows that count no more (dead rows) stay until they are most of
the file; then it is written again without them, under another name, and renamed: who has mapped the
old file keeps it. The file is untrusted input: the header must be the expected one to the
byte, the size of the file tells the number of rows, checksums tell which are complete.
"""

import contextlib
import os
import typing
import zlib

import numpy as np

from scripts.common import appending, files
from scripts.common.errors import UserError

PHOTO_FIELDS = ['photo_bytes', 'photo_mtime_ns', 'photo_ctime_ns', 'photo_inode']
TEXT_FIELDS = ['text_bytes', 'text_mtime_ns']

ENTRY = np.dtype(
    [('photo', '<u8', 2), ('fingerprint', '<u8', 4), ('digest', '<u8', 2)]
    + [(name, '<i8') for name in PHOTO_FIELDS + TEXT_FIELDS]
    + [('values_crc32', '<u4'), ('crc32', '<u4')]
)

_NAME_BYTES, _SUM_BYTES = 16, 4  # Of an entry, its first and its last ones.
_HEADER_BYTES = 128
_CHUNK_BYTES = 1 << 22


class StoreWriteError(UserError):
    """A store takes no more, as where the disk is full."""


class Store(typing.NamedTuple):
    """A file of features.

    path: of the file; there need not be one yet.
    dtype: numpy's name of the values' type.
    shape: tuple, of the features of one photo.
    """

    path: str
    dtype: str
    shape: typing.Tuple[int, ...]

    @property
    def row_type(self):
        """The numpy type of a row."""
        values = np.dtype(self.dtype).newbyteorder('<')
        return np.dtype([('entry', ENTRY), ('values', values, tuple(self.shape))])

    @property
    def rows_a_chunk(self):
        """How many rows to hold in memory at once."""
        return max(1, _CHUNK_BYTES // self.row_type.itemsize)

    @property
    def _header(self):
        text = 'features 1 %s %s' % (self.dtype, 'x'.join(map(str, self.shape)))
        return text.encode('ascii').ljust(_HEADER_BYTES - 1) + b'\n'

    def read(self):
        """Returns the `Rows` that the file holds now.

        Raises:
          UserError: it is unreadable.
        """
        row_type = self.row_type
        try:
            with open(self.path, 'rb') as file:
                head = file.read(_HEADER_BYTES)
                if not self._header.startswith(head):
                    return Rows(np.empty(0, row_type), other_header=True)
                count = (os.fstat(file.fileno()).st_size - _HEADER_BYTES) // row_type.itemsize
                if count <= 0:
                    return Rows(np.empty(0, row_type))
                return Rows(np.memmap(file, row_type, 'r', _HEADER_BYTES, (count,)))
        except FileNotFoundError:
            return Rows(np.empty(0, row_type))
        except OSError as error:
            raise UserError('cannot read %s: %s' % (self.path, error.strerror or error))

    def append(self, entries, values):
        """Adds rows.

        Args:
          entries: ENTRY `[n]`, without checksums.
          values: array `[n, *shape]`.

        Returns:
          The entries, with checksums.

        Raises:
          StoreWriteError: they cannot be written.
        """
        rows = np.empty(len(entries), self.row_type)
        rows['entry'], rows['values'] = entries, values
        _add_checksums(rows)
        with self._locked() as file:
            size = os.fstat(file.fileno()).st_size
            end = size - (size - _HEADER_BYTES) % rows.itemsize if size >= _HEADER_BYTES else 0
            file.truncate(end)
            appending.write(file, (b'' if end else self._header) + rows.tobytes())
        return rows['entry'].copy()

    def compact(self):
        """Writes the file again without dead and corrupt rows.

        Raises:
          StoreWriteError: it cannot be written; it stays as it was.
        """
        with self._locked():
            rows = self.read()
            live = rows.live()
            with files.replacing(self.path) as file:
                file.write(self._header)
                for begin in range(0, len(live), self.rows_a_chunk):
                    file.write(rows.as_bytes(live[begin : begin + self.rows_a_chunk]))

    def remove(self):
        """Removes the file; who has mapped it keeps it.

        Raises:
          StoreWriteError: it cannot be removed.
        """
        with self._locked() as file:
            appending.discard(file)

    @contextlib.contextmanager
    def _locked(self):
        """Opens the file for appending, under its lock."""
        try:
            with appending.open_locked(self.path) as file:
                yield file
        except OSError as error:
            raise StoreWriteError('cannot write %s: %s' % (self.path, error.strerror or error))


class Rows:
    """The rows of a store, mapped.

    Args:
      mapped: array of the store's row type.
      other_header: whether the file has another header than expected, and so no rows.

    values: array `[n, *shape]`.
    corrupt: how many rows have a corrupt entry.
    """

    def __init__(self, mapped, other_header=False):
        self._mapped = np.asarray(mapped)
        self.values = self._mapped['values']
        self.other_header = other_header
        self.corrupt = 0
        self._index = {}
        chunk = _CHUNK_BYTES // ENTRY.itemsize
        for begin in range(0, len(mapped), chunk):
            self._add_to_index(begin, self._mapped['entry'][begin : begin + chunk].tobytes())

    def _add_to_index(self, begin, data):
        size = ENTRY.itemsize
        for number in range(len(data) // size):
            entry = data[number * size : (number + 1) * size]
            if _crc32(entry[:-_SUM_BYTES]) == int.from_bytes(entry[-_SUM_BYTES:], 'little'):
                self._index[entry[:_NAME_BYTES]] = begin + number
            else:
                self.corrupt += 1

    def __len__(self):
        """Returns the number of rows, dead ones included."""
        return len(self._mapped)

    @property
    def wasteful(self):
        """Whether dead rows are most of the file."""
        return len(self._mapped) > 2 * len(self._index)

    def live(self):
        """Returns which rows count, in order."""
        return np.array(sorted(self._index.values()), np.int64)

    def find(self, photos):
        """Returns the row of each photo, int64 `[n]`, -1 where there is none.

        Args:
          photos: uint64 `[n, 2]`, as in an entry.
        """
        data = photos.tobytes()
        names = (data[at : at + _NAME_BYTES] for at in range(0, len(data), _NAME_BYTES))
        return np.array([self._index.get(name, -1) for name in names], np.int64)

    def entries(self, rows):
        """Returns the entries, ENTRY `[n]`, of rows; zeros where a row is -1."""
        found = np.zeros(len(rows), ENTRY)
        found[rows >= 0] = self._mapped['entry'][rows[rows >= 0]]
        return found

    def intact(self, rows):
        """Returns, for each row, whether its values are what was written, all of them numbers."""
        expected = self.entries(rows)['values_crc32'].tolist()
        return np.array(
            [
                row >= 0 and _crc32(self.values[row]) == crc32 and _finite(self.values[row])
                for row, crc32 in zip(rows.tolist(), expected)
            ],
            np.bool_,
        )

    def as_bytes(self, rows):
        """Returns rows as the file has them."""
        return self._mapped[rows].tobytes()


def crc32_of_values(values):
    """Returns the checksum that an entry has for the values of a photo."""
    return _crc32(np.ascontiguousarray(values))


def _finite(values):
    return bool(np.isfinite(values).all())


def _add_checksums(rows):
    entries = rows['entry']
    entries['values_crc32'] = [_crc32(values) for values in rows['values']]
    data = entries.tobytes()
    ends = range(ENTRY.itemsize, len(data) + 1, ENTRY.itemsize)
    entries['crc32'] = [_crc32(data[end - ENTRY.itemsize : end - _SUM_BYTES]) for end in ends]


def _crc32(data):
    return zlib.crc32(data) & 0xFFFFFFFF
