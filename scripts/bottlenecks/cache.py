"""The cache of bottlenecks: the classic text files, and beside them a record of their origin.

`<bottleneck_dir>/<folder>/<file name>_<architecture>.txt` holds one photo's bottleneck as decimal
numbers with commas between them, as the classic script reads and writes it.

`<bottleneck_dir>/<folder>/<architecture>.record` says of what photo and what network each of them
was made: one JSON list a line, `[file name, photo bytes, photo mtime in ns, network's SHA-256,
CRC-32 of the text]`; of several lines for a photo the last one counts. Lines are appended before
the text files are put in place, so that a stop at any moment leaves no file that passes for what
it is not; a torn line is passed over.
"""

import hashlib
import json
import logging
import os
import typing
import warnings
import zlib

import numpy as np

from scripts import files
from scripts.bottlenecks import values as values_lib
from scripts.errors import UserError

_LOG = logging.getLogger(__name__)
_WARNINGS_SHOWN = 10
_LONGEST_NAME = 255  # Bytes, of a file on common file systems.


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
    """What a text file was made of."""

    photo_bytes: int
    photo_mtime_ns: int
    sha256: str
    crc32: int


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
    parse = _Parser(cache)
    found, digests = np.zeros(len(photos), np.bool_), values_lib.no_digests(len(photos))
    problems, unrecorded = [], []
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
        origin = records[photo.folder].get(files.as_utf8(photo.file_name))
        problem = _problem(cache, photo, data, origin)
        if not problem:
            digests[row], problem = parse(data, bottlenecks[row])
        if problem:
            problems.append('%s %s' % (cache.path(photo), problem))
            continue
        found[row] = True
        if origin is None:
            unrecorded.append((photo, data))
    _report(problems)
    _adopt(cache, unrecorded)
    return Loaded(found, digests, parse.known_digests)


class _Parser:
    """Turns texts into values; those that the binary file knows are not read as numbers."""

    def __init__(self, cache):
        self._length = cache.length
        self.known_digests, self._known = values_lib.read(cache.values_path(), cache.length)
        self._rows = {digest: row for row, digest in enumerate(self.known_digests.tolist())}

    def __call__(self, text, bottleneck):
        """Fills in a row; returns the digest of the text, and what is wrong with it or None."""
        digest = values_lib.digest(text)
        row = self._rows.get(digest)
        values = from_text(text, self._length) if row is None else self._known[row]
        if values is None:
            return digest, 'is damaged: expected %d numbers with commas between them' % self._length
        bottleneck[:] = values
        return digest, None


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
    append_records(cache, photos, texts)
    files.write_all([(cache.path(photo), text) for photo, text in zip(photos, texts)])
    return values_lib.digests(texts)


def append_records(cache, photos, texts):
    """Records the photos' present state as the origin of the texts (bytes)."""
    lines = {}
    for photo, text in zip(photos, texts):
        origin = _present_origin(cache, photo, text)
        lines.setdefault(photo.folder, []).append(
            '\n' + json.dumps([files.as_utf8(photo.file_name)] + list(origin)) + '\n'
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
    """Records photos and texts without a record; what another run has recorded by now has one."""
    records = {folder: _read_record(cache, folder) for folder in {p.folder for p, _ in unrecorded}}
    unrecorded = [
        (photo, text)
        for photo, text in unrecorded
        if files.as_utf8(photo.file_name) not in records[photo.folder]
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
        append_records(cache, *zip(*unrecorded))
    except UserError as error:
        _LOG.warning('%s: changes of these photos will go unnoticed', error)


def _problem(cache, photo, text, origin):
    """Returns why a text is not the bottleneck of a photo as it is now, or None."""
    if origin is None:
        return None
    present = _present_origin(cache, photo, text)
    if present.sha256 != origin.sha256:
        return 'was made by another version of the network'
    if present[:2] != origin[:2]:
        return 'was made from another version of the photo'
    if present.crc32 != origin.crc32:
        return 'is not what was written there'
    return None


def _present_origin(cache, photo, text):
    try:
        stat = os.stat(photo.path)
    except OSError as error:
        raise UserError('cannot read the photo %s: %s' % (photo.path, error.strerror))
    return _Origin(stat.st_size, stat.st_mtime_ns, cache.sha256, zlib.crc32(text) & 0xFFFFFFFF)


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
        try:
            name, *origin = json.loads(line.decode('ascii'))
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
