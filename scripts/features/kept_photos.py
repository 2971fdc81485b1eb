"""Decoded photos, kept as bytes: to read them takes less time than to decode again.

They stand in two files. One has the pixels of one photo behind those of another, uint8 `[height,
width, channels]`, each from a multiple of 64 bytes on, from where TensorFlow takes them without a
copy; it is appended to, under a lock. The other is a
store that has, for each photo, where its pixels begin, height, width, channels and the CRC-32 of
the pixels: it tells another version of a photo as it does for features. A row is added after its
pixels. What a stop leaves without a row is dead; when that is most of the file, both begin again.
The files are untrusted input: pixels that lie outside of the file are not there, and those with
another checksum are noticed when they are first taken.

They are kept only where they take at most half of the free disk space. They have their full size,
the same for each network; with fast decoding, one for each size that is enough. The values that are
made of them are those that the photos' own files give.
"""

import contextlib
import hashlib
import logging
import os
import typing
import zlib

import numpy as np

from scripts.common import appending, limits
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.features.cache import Cache
from scripts.features.place import Place
from scripts.features.store import StoreWriteError
from scripts.images import bad_images, decoding, formats
from scripts.images.settings import APPLY, GREY

_LOG = logging.getLogger(__name__)

_MOST_OF_FREE = 0.5  # Of free disk space.
_CHUNK_BYTES = 1 << 24  # Pixels that are written at once.
_COLUMNS = 5  # Of a row: offset, height, width, channels, CRC-32.
_NOTHING = np.zeros(_COLUMNS, np.int64)
_MOST_DEAD = 1 << 26  # Bytes that never matter.
_ALIGNED = 64  # Bytes.


class _Decoded(typing.NamedTuple):
    """Decoding, as a `Cache` asks a backbone."""

    fingerprint: str
    boundary: str = 'decoded'
    shape: typing.Tuple[int, ...] = (_COLUMNS,)


class KeptPhotos:
    """The decoded photos of a list, as far as they are kept; `keep` makes it.

    paths: list of str, those of the photos.
    readable: bool `[photos]`.
    bytes_kept: int, what the pixels of all photos take on disk.
    """

    def __init__(self, folder, photos, spec):
        name = (
            'decoded' + '_exif' * (spec.exif_rotation == APPLY) + '_grey' * (spec.channels == GREY)
        )
        if spec.enough:
            name += '_fast_%dx%d' % spec.enough
        fingerprint = hashlib.sha256(name.encode('ascii')).hexdigest()
        self.paths = [photo.path for photo in photos]
        self.readable = np.zeros(len(photos), np.bool_)
        self._spec, self._folder = spec, folder
        self._cache = Cache(_Decoded(fingerprint), Place(folder, name, 'int64'), photos)
        self._pixels_path = os.path.join(folder, name + '.pixels')
        self._index = np.zeros((len(photos), _COLUMNS), np.int64)
        self._checked = np.zeros(len(photos), np.bool_)
        self._mapped = None

    @property
    def bytes_kept(self):
        """What the pixels of all photos take on disk, in bytes."""
        return int(self._index[:, 1:4].prod(axis=1).sum())

    def numbers(self, photo_rows):
        """Returns what `image` knows photos by, int64 `[n]`: NOT_KEPT for those it does not have.

        Args:
          photo_rows: int array `[n]` of positions in the list of photos.
        """
        new = np.unique(photo_rows[~self._checked[photo_rows]])
        corrupt = [row for row in new if self._has(row) and self._crc32(row) != self._index[row, 4]]
        if corrupt:
            self._forget(corrupt)
        self._checked[new] = True
        return np.where(self._has(photo_rows), photo_rows, decoding.NOT_KEPT)

    def image(self, number):
        """Returns a kept photo, uint8 `[height, width, channels]`, mapped."""
        begin, height, width, channels = self._index[number, :4].tolist()
        pixels = self._mapped[begin : begin + height * width * channels]
        return pixels.reshape(height, width, channels)

    def shape(self, number):
        """Returns the shape of a kept photo, a tuple."""
        return tuple(self._index[number, 1:4].tolist())

    def load(self):
        """Looks for what is kept."""
        self._cache.load()
        self._map()
        dead = len(self._mapped) - self._live_bytes()
        if dead > _MOST_DEAD and 2 * dead > len(self._mapped):
            self._remove()

    def fill(self, policy):
        """Decodes and keeps what is not kept yet, and tells of what is unreadable."""
        missing = np.flatnonzero(~self._has(np.arange(len(self.paths))))
        self.readable[:] = True
        if not len(missing):
            return
        keeps = self._has_room(missing)
        chunk, size = [], 0
        images = decoding.decode_all([self.paths[row] for row in missing], self._spec, policy)
        progress = Progress('Photos', len(missing), 'photos')
        with progress, contextlib.closing(images):
            for row, image in zip(missing, images):
                self.readable[row] = image is not None
                progress.advance(1)
                if image is None or not keeps:
                    continue
                chunk.append((row, image))
                size += image.size
                if size >= _CHUNK_BYTES:
                    keeps = self._add(chunk)
                    chunk, size = [], 0
        if chunk:
            self._add(chunk)
        self._map()

    def log(self):
        """Says what is kept, if anything is."""
        if not self.bytes_kept:
            return
        _LOG.info(
            'Pixels of %d of %d photos, %d MB, are kept in %s',
            self._has(np.arange(len(self.paths))).sum(),
            len(self.paths),
            self.bytes_kept // 10**6,
            self._folder,
        )

    def _has(self, rows):
        return self._index[rows, 1] > 0

    def _crc32(self, row):
        return zlib.crc32(self.image(row)) & 0xFFFFFFFF

    def _live_bytes(self):
        rows = self._cache.kept().rows
        return int(rows.values[rows.live()][:, 1:4].prod(axis=1).sum())

    def _map(self):
        """Maps the pixels, and notes which photos have some."""
        kept = self._cache.kept()
        self._mapped = _mapped(self._pixels_path)
        self._index[:] = _NOTHING
        found = kept.where >= 0
        self._index[found] = kept.rows.values[kept.where[found]]
        self._index[~_lie_within(self._index, len(self._mapped), self._spec.channels)] = _NOTHING

    def _has_room(self, rows):
        """Returns whether there is room for the pixels of photos; if not, a line says so."""
        needed = sum(decoding.size_of(self.paths[row], self._spec) for row in rows)
        free = limits.free_bytes(self._folder)
        if needed <= free * _MOST_OF_FREE:
            return True
        _LOG.info(
            'The pixels of %d photos are not kept: they need %d MB in %s, more than half of the '
            '%d MB that are free. Photos are decoded each time',
            len(rows),
            needed // 10**6,
            self._folder,
            free // 10**6,
        )
        return False

    def _add(self, chunk):
        """Keeps pairs of row and image; returns whether there was room, after a line if not."""
        rows = np.array([row for row, _ in chunk])
        values = np.zeros((len(chunk), _COLUMNS), np.int64)
        values[:, 1:4] = [image.shape for _, image in chunk]
        values[:, 4] = [zlib.crc32(image) & 0xFFFFFFFF for _, image in chunk]
        try:
            values[:, 0] = _append(self._pixels_path, [image for _, image in chunk])
            self._cache.add(rows, values)
        except StoreWriteError as error:
            _LOG.warning('%s: no more pixels are kept, photos are decoded each time', error)
            self._give_up()
            return False
        return True

    def _give_up(self):
        """Lets the disk have its room again, where nothing was kept before this run."""
        if self._cache.give_up():
            _discard(self._pixels_path)

    def _remove(self):
        """Begins again: most of what is there is dead."""
        self._cache.remove()
        _discard(self._pixels_path)
        self._map()

    def _forget(self, rows):
        """Passes over pixels that are corrupt, in this run and in those to come."""
        _LOG.warning(
            'the pixels that are kept of %d photos, such as %s, are corrupt: decoding them instead',
            len(rows),
            self.paths[rows[0]],
        )
        self._index[rows] = _NOTHING
        try:
            self._cache.add(rows, self._index[rows])
        except StoreWriteError as error:
            _LOG.warning('%s: the next run is told again', error)


def keep(folder, photos, spec, policy=bad_images.SKIP):
    """Returns the `KeptPhotos` of photos; those that are not kept yet are, where there is room.

    Args:
      folder: `--bottleneck_dir`.
      photos: list of `Photo`.
      spec: a `settings.PixelSpec`, of which the size counts only where decoding is fast.
      policy: of `bad_images`.

    Raises:
      UserError: a photo is unreadable, and the policy is to stop; or a file is unreadable.
    """
    kept = KeptPhotos(folder, photos, spec)
    kept.load()
    kept.fill(policy)
    kept.log()
    return kept


def _lie_within(index, size, wanted):
    """Returns which rows of an index, int64 `[n, columns]`, are of pixels in a file.

    Args:
      index: the rows.
      size: of the file, in bytes.
      wanted: how many channels photos have.
    """
    begins, heights, widths, channels = index[:, :4].T
    sane = (begins >= 0) & (begins <= size) & (channels == wanted)
    for side in (heights, widths):
        sane &= (side > 0) & (side <= formats.MOST_PIXELS)
    sane &= np.where(sane, heights * widths, 0) <= formats.MOST_PIXELS
    return sane & (np.where(sane, begins + heights * widths * channels, size + 1) <= size)


def _mapped(path):
    """Returns a file's bytes, uint8 `[n]`; nothing where there is none."""
    try:
        with open(path, 'rb') as file:
            if not os.fstat(file.fileno()).st_size:
                return np.empty(0, np.uint8)
            return np.asarray(np.memmap(file, np.uint8, 'r'))
    except FileNotFoundError:
        return np.empty(0, np.uint8)
    except OSError as error:
        raise UserError('cannot read %s: %s' % (path, error.strerror or error))


def _append(path, images):
    """Appends images to a file, all or none; returns where they begin, a list of int."""
    try:
        with appending.open_locked(path) as file:
            size, begins = os.fstat(file.fileno()).st_size, []
            try:
                for image in images:
                    end = os.fstat(file.fileno()).st_size
                    appending.write(file, bytes(-end % _ALIGNED))
                    appending.write(file, image.reshape(-1).data)
                    begins.append(end + -end % _ALIGNED)
            except OSError:
                file.truncate(size)
                raise
            return begins
    except OSError as error:
        raise StoreWriteError('cannot write %s: %s' % (path, error.strerror or error))


def _discard(path):
    try:
        with appending.open_locked(path) as file:
            appending.discard(file)
    except OSError as error:
        _LOG.warning('cannot remove %s: %s', path, error.strerror or error)
