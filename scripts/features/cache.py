"""The cache of bottlenecks: the classic text files, and beside them a record of their origin.

`<bottleneck_dir>/<folder>/<file name>_<architecture>.txt` holds one photo's bottleneck as decimal
numbers with commas between them, as the classic script reads and writes it.

`<bottleneck_dir>/<folder>/<architecture>.record` says of what photo and what network each of them
was made: one JSON list a line, `[file name, photo bytes, photo mtime in ns, network's SHA-256,
CRC-32 of the text, photo ctime in ns, photo inode, BLAKE2b of the photo]`; of several lines for a
photo the last one counts. Lines are appended before the text files are put in place, so that a stop
at any moment leaves no file that passes for what it is not; a torn line is passed over.

A photo whose size, times and inode are those of the record is not read. Another size is another
photo. Where only times or the inode differ, as after a copy, or where photos have changed places,
the contents decide, and the record is brought up to date. Lines of earlier versions end with the
CRC-32: those whose mtime fits are trusted as they always were, and completed, which takes reading
each photo once; where it does not fit there is nothing to compare with.
"""

import hashlib
import json
import logging
import os
import random
import typing
import warnings
import zlib

import numpy as np

from scripts.common import encodings, files, untrusted
from scripts.common.errors import UserError
from scripts.features import values as values_lib

_LOG = logging.getLogger(__name__)
_WARNINGS_SHOWN = 10
_LONGEST_NAME = 255  # Bytes, of a file on common file systems.
_LONGEST_LINE = 4096  # Of a record: far above that of the longest name, all of it escaped.
_DIGEST_BYTES = 16
_COMPARED = 32  # Texts, with what the binary file has for them.
_CHUNK_BYTES = 1 << 20


class Cache(typing.NamedTuple):
    """Where bottlenecks of one network are kept.

    folder: `--bottleneck_dir`.
    architecture: the network's name.
    sha256: of the network's graph, in hex.
    length: of a bottleneck.
    """

    folder: str
    architecture: str
    sha256: str
    length: int

    def path(self, photo):
        """Returns the path of a `Photo`'s text file; a hash stands for a name that is too long."""
        name = '%s_%s.txt' % (photo.file_name, self.architecture)
        encoded = photo.file_name.encode('utf-8', 'surrogateescape')
        if len(encoded) + len(name) - len(photo.file_name) > _LONGEST_NAME:
            name = '%s_%s.txt' % (hashlib.sha256(encoded).hexdigest(), self.architecture)
        return os.path.join(self.folder, photo.folder, name)

    def record_path(self, folder):
        """Returns the path of the record of a class folder."""
        return os.path.join(self.folder, folder, self.architecture + '.record')

    def values_path(self):
        """Returns the path of the binary file."""
        return os.path.join(self.folder, self.architecture + '.values')


class _Origin(typing.NamedTuple):
    """What a text file was made of; an earlier version's lines lack what has a default."""

    photo_bytes: int
    photo_mtime_ns: int
    sha256: str
    crc32: int
    photo_ctime_ns: typing.Optional[int] = None
    photo_inode: typing.Optional[int] = None
    photo_digest: typing.Optional[str] = None


class Loaded(typing.NamedTuple):
    """What the cache holds of a list of photos.

    found: bool array, one for each photo.
    digests: V16 array of the digests of the texts that were found, zeros for the others.
    known_digests: V16 array, what the binary file holds: the same, where it is up to date.
    """

    found: np.ndarray
    digests: np.ndarray
    known_digests: np.ndarray


def to_text(bottleneck):
    """Returns a float32 vector as text that reads back as the very same values."""
    return ('%.9g,' * len(bottleneck))[:-1] % tuple(bottleneck.tolist())


def from_text(text, length):
    """Returns the float32 vector `[length]` that `text` holds, or None where it is damaged."""
    with warnings.catch_warnings():
        # How numpy says that it met something else than numbers and commas.
        warnings.simplefilter('error', DeprecationWarning)
        try:
            values = np.fromstring(text, dtype=np.float32, sep=',')
        except (DeprecationWarning, ValueError):
            return None
    return values if values.shape == (length,) and np.isfinite(values).all() else None


def load(cache, photos, bottlenecks):
    """Reads what the cache holds.

    Args:
      cache: a `Cache`.
      photos: list of `Photo`.
      bottlenecks: float32 array `[len(photos), length]`; the rows that are found are filled in.

    Returns:
      A `Loaded`. Files that are damaged, or made from a photo or a network that has changed, count
      as not found, with a warning.
    """
    records = {folder: _read_record(cache, folder) for folder in {p.folder for p in photos}}
    parse = _Parser(cache, photos)
    found, digests = np.zeros(len(photos), np.bool_), values_lib.no_digests(len(photos))
    problems, unrecorded, outdated = [], [], []
    for row, photo in enumerate(photos):
        try:
            with open(cache.path(photo), 'rb', buffering=0) as file:
                data = file.read()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UserError(
                'cannot read the bottleneck file %s: %s' % (error.filename, error.strerror)
            )
        origin = records[photo.folder].get(encodings.as_utf8(photo.file_name))
        present, problem = _compared(photo, origin, _present_origin(cache, photo, data))
        if not problem:
            digests[row], problem = parse(data, bottlenecks[row])
        if problem:
            problems.append('%s %s' % (cache.path(photo), problem))
            continue
        found[row] = True
        if origin is None:
            unrecorded.append((photo, present))
        elif origin != present:
            outdated.append((photo, present))
    _report(problems)
    _adopt(cache, unrecorded)
    _update(cache, outdated)
    return Loaded(found, digests, parse.known_digests)


class _Parser:
    """Turns texts into values; those that the binary file knows are not read as numbers.

    Its checksum is no signature. So for some photos, drawn anew each time, the values are compared
    with the text, and where one differs none is taken.
    """

    def __init__(self, cache, photos):
        self._length = cache.length
        self.known_digests, self._known = values_lib.read(cache.values_path(), cache.length)
        self._rows = {digest: row for row, digest in enumerate(self.known_digests.tolist())}
        if self._rows and not all(self._agrees(cache.path(photo)) for photo in _drawn(photos)):
            _LOG.warning(
                '%s holds other values than the text files; it is recomputed', cache.values_path()
            )
            self._rows, self.known_digests = {}, values_lib.no_digests(0)

    def _agrees(self, path):
        try:
            with open(path, 'rb') as file:
                text = file.read()
        except OSError:  # It is told where all files are read.
            return True
        known = self._known_values(values_lib.digest(text))
        values = from_text(text, self._length)
        return known is None or values is None or (known == values).all()

    def _known_values(self, digest):
        row = self._rows.get(digest)
        return None if row is None else self._known[row]

    def __call__(self, text, bottleneck):
        """Fills in a row; returns the digest of the text, and what is wrong with it or None."""
        digest = values_lib.digest(text)
        values = self._known_values(digest)
        if values is None or not np.isfinite(values).all():
            values = from_text(text, self._length)
        if values is None:
            return digest, 'is damaged: expected %d numbers with commas between them' % self._length
        bottleneck[:] = values
        return digest, None


def _drawn(photos):
    return random.SystemRandom().sample(photos, min(_COMPARED, len(photos)))


def save_values(cache, digests, bottlenecks):
    """Writes the binary file; where that cannot be, the next run takes longer, with a warning.

    Args:
      cache: a `Cache`.
      digests: V16 array `[n]`, from `load` and `store`.
      bottlenecks: float32 array `[n, length]`.
    """
    try:
        values_lib.write(cache.values_path(), digests, bottlenecks)
    except UserError as error:
        _LOG.warning('%s: the next run takes longer to read the text files', error)


def store(cache, photos, bottlenecks):
    """Writes the text files and records of `photos`.

    Args:
      cache: a `Cache`.
      photos: list of `Photo`.
      bottlenecks: float32 array `[len(photos), length]`.

    Returns:
      The digests of the texts, V16 array `[len(photos)]`.

    Raises:
      UserError: they cannot be written.
    """
    texts = [to_text(bottleneck).encode('ascii') for bottleneck in bottlenecks]
    origins = [_present_origin(cache, photo, text) for photo, text in zip(photos, texts)]
    _append(cache, [(photo, _hashed(photo, origin)) for photo, origin in zip(photos, origins)])
    files.write_all([(cache.path(photo), text) for photo, text in zip(photos, texts)])
    return values_lib.digests(texts)


def _append(cache, pairs):
    """Adds pairs of a `Photo` and its `_Origin` to the records."""
    lines = {}
    for photo, origin in pairs:
        lines.setdefault(photo.folder, []).append(
            '\n' + json.dumps([encodings.as_utf8(photo.file_name)] + list(origin)) + '\n'
        )
    for folder, entries in lines.items():
        path = cache.record_path(folder)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'ab', buffering=0) as file:
                file.write(''.join(entries).encode('ascii'))
        except OSError as error:
            raise UserError('cannot write %s: %s' % (path, error.strerror))


def _adopt(cache, unrecorded):
    """Records what has no record, pairs of a `Photo` and its `_Origin`; by now some may have one
    by another run."""
    records = {folder: _read_record(cache, folder) for folder in {p.folder for p, _ in unrecorded}}
    unrecorded = [
        (photo, origin)
        for photo, origin in unrecorded
        if encodings.as_utf8(photo.file_name) not in records[photo.folder]
    ]
    if not unrecorded:
        return
    _LOG.warning(
        '%d bottleneck files in %s have no record of the photo and the network that '
        'they were made of (the classic script writes none): they are trusted',
        len(unrecorded),
        cache.folder,
    )
    try:
        _append(cache, unrecorded)
    except UserError as error:
        _LOG.warning('%s: changes of these photos will go unnoticed', error)


def _update(cache, outdated):
    """Records pairs of a `Photo` and its `_Origin` that have been compared by their contents."""
    try:
        _append(cache, outdated)
    except UserError as error:
        _LOG.warning('%s: %d photos are compared again by the next run', error, len(outdated))


def _compared(photo, origin, present):
    """Compares what a text was made of with what is there now; the photo is read where need be.

    Args:
      photo: a `Photo`.
      origin: the `_Origin` on record, or None.
      present: what `_present_origin` says.

    Returns:
      The `_Origin` that is to be on record, and why the text is not the bottleneck of the photo as
      it is now, or None.
    """
    if origin is None:
        return _hashed(photo, present), None
    if present.sha256 != origin.sha256:
        return origin, 'was made by another version of the network'
    if present.crc32 != origin.crc32:
        return origin, 'is not what was written there'
    if origin.photo_digest is not None and present == origin._replace(photo_digest=None):
        return origin, None
    same = present.photo_bytes == origin.photo_bytes
    if origin.photo_digest is None:
        same = same and present.photo_mtime_ns == origin.photo_mtime_ns
    if same:
        present = _hashed(photo, present)
        same = origin.photo_digest in (present.photo_digest, None)
    return present, None if same else 'was made from another version of the photo'


def _present_origin(cache, photo, text):
    """Returns the `_Origin` of a text (bytes) that is made now, without the photo's digest."""
    try:
        about = os.stat(photo.path)
    except OSError as error:
        raise UserError('cannot read the photo %s: %s' % (photo.path, error.strerror))
    crc32 = zlib.crc32(text) & 0xFFFFFFFF
    return _Origin(
        about.st_size, about.st_mtime_ns, cache.sha256, crc32, about.st_ctime_ns, about.st_ino
    )


def _hashed(photo, origin):
    return origin._replace(photo_digest=_digest_of_photo(photo.path))


def _digest_of_photo(path):
    """Returns the digest of a photo's contents, hex, or None: it cannot be read any more."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    try:
        with open(path, 'rb', buffering=0) as file:
            for chunk in iter(lambda: file.read(_CHUNK_BYTES), b''):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def _read_record(cache, folder):
    """Returns a dict from file name to `_Origin`."""
    try:
        with open(cache.record_path(folder), 'rb') as file:
            lines = file.read().split(b'\n')
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError('cannot read %s: %s' % (error.filename, error.strerror))
    origins = {}
    for line in filter(None, lines):
        if len(line) > _LONGEST_LINE:  # To read a number takes the square of its digits.
            continue
        try:
            name, *origin = untrusted.from_json(line.decode('ascii'))
            origins[name] = _Origin(*origin)
        except (ValueError, TypeError, RecursionError):
            # Torn by a stop, and then the file that it speaks of was not written yet; or damaged.
            continue
    return origins


def _report(problems):
    for problem in problems[:_WARNINGS_SHOWN]:
        _LOG.warning('bottleneck file %s; it is made anew', problem)
    if len(problems) > _WARNINGS_SHOWN:
        _LOG.warning(
            '... and %d more bottleneck files are made anew', len(problems) - _WARNINGS_SHOWN
        )
