"""What tells a photo and its text file from another version of them."""

import hashlib
import os

import numpy as np

from scripts.common import encodings
from scripts.common.errors import UserError
from scripts.features import store
from scripts.images import bad_images

MISSING = -1  # As a size.

_DIGEST_BYTES = 16
_KEPT_BITS = (1 << 63) - 1  # Of what a file system may have as an unsigned number.


def entries(photos, text_paths, fingerprint):
    """Returns what is there now, ENTRY `[photos]`, without digests and checksums.

    Args:
      photos: list of `Photo`.
      text_paths: the path of each one's text file, or None where there are none.
      fingerprint: of the backbone, hex.

    Raises:
      UserError: a text file cannot be looked at.
    """
    found = np.zeros(len(photos), store.ENTRY)
    if not len(photos):
        return found
    found['photo'] = _words(b''.join(map(name_of, photos)), len(photos))
    found['fingerprint'] = fingerprint_words(fingerprint)
    _fill(found, store.PHOTO_FIELDS, map(_numbers_of_photo, photos))
    if text_paths is not None:
        _fill(found, store.TEXT_FIELDS, map(_numbers_at, text_paths))
    return found


def name_of(photo):
    """Returns what stands for the name of a `Photo`, 16 bytes: its folder's, and its own."""
    name = encodings.as_utf8('%s/%s' % (photo.folder, photo.file_name))
    encoded = name.encode('utf-8', 'surrogateescape')
    return hashlib.blake2b(encoded, digest_size=_DIGEST_BYTES).digest()


def fingerprint_words(fingerprint):
    """Returns a fingerprint (hex) as an entry has it."""
    return _words(bytes.fromhex(fingerprint), 1)[0]


def set_text(entry, about):
    """Notes in an entry what `os.fstat` tells of its text file."""
    entry['text_bytes'], entry['text_mtime_ns'] = _numbers_of_text(about)


def equal(found, recorded, fields):
    """Returns, for each of two arrays of entries, whether all of these fields are equal."""
    same = np.ones(len(found), np.bool_)
    for field in fields:
        equal_field = found[field] == recorded[field]
        same &= equal_field if equal_field.ndim == 1 else equal_field.all(axis=1)
    return same


def digest(path, entry):
    """Returns the digest of a photo's contents as an entry has it.

    It is zeros, which no photo has, where the photo is no longer readable, or was changed after the
    entry was made.
    """
    return Looks().digest(path, entry)


class Looks:
    """One look at the bytes of each photo, for a hole in it and for its digest.

    The digest of a photo is kept from the one to the other.
    """

    def __init__(self):
        self._seen = {}  # From a path to the numbers and the digest of the file.

    def hole_in(self, path):
        """Returns what `bad_images.hole_in` does."""
        data = self._look(path)
        return None if data is None else bad_images.hole_in_contents(data)

    def digest(self, path, entry):
        """Returns what the function `digest` does."""
        if path not in self._seen:
            self._look(path)
        numbers, contents_digest = self._seen.pop(path, (None, None))
        if numbers != tuple(entry[field] for field in store.PHOTO_FIELDS):
            return np.zeros(2, '<u8')
        return _words(contents_digest, 1)[0]

    def _look(self, path):
        """Returns the bytes of a photo, None of an unreadable one."""
        try:
            with open(path, 'rb', buffering=0) as file:
                data = file.read()
                numbers = _numbers(os.fstat(file.fileno()))
        except OSError:
            return None
        self._seen[path] = numbers, hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
        return data


def _fill(found, fields, numbers):
    columns = np.array(list(numbers), np.int64)
    for index, field in enumerate(fields):
        found[field] = columns[:, index]


def _words(data, count):
    return np.frombuffer(data, '<u8').reshape(count, -1)


def _numbers_of_photo(photo):
    try:
        return _numbers(os.stat(photo.path))
    except OSError:  # It is unreadable, which is told where photos are read.
        return MISSING, 0, 0, 0


def _numbers(about):
    return tuple(
        number & _KEPT_BITS
        for number in (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
    )


def _numbers_at(path):
    try:
        return _numbers_of_text(os.stat(path))
    except FileNotFoundError:
        return MISSING, 0
    except OSError as error:
        raise UserError('cannot read the bottleneck file %s: %s' % (path, error.strerror))


def _numbers_of_text(about):
    return about.st_size, about.st_mtime_ns & _KEPT_BITS
