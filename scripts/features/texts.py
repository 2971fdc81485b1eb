"""The classic text files of bottlenecks: decimal numbers with commas between them, in one line."""

import hashlib
import os
import warnings

import numpy as np

from scripts.common import files
from scripts.common.errors import UserError

try:
    import orjson
except ImportError:
    orjson = None

_LONGEST_NAME = 255  # Bytes, of a file on common file systems.
_LONGEST_NUMBER = 64  # Characters, far above what any script writes.
_ARRAY = orjson and orjson.OPT_SERIALIZE_NUMPY


def path(folder, photo, name):
    """Returns the path of a `Photo`'s text file; a hash stands for a name that is too long.

    Args:
      folder: `--bottleneck_dir`.
      photo: a `Photo`.
      name: the network's.
    """
    file_name = '%s_%s.txt' % (photo.file_name, name)
    encoded = photo.file_name.encode('utf-8', 'surrogateescape')
    if len(encoded) + len(file_name) - len(photo.file_name) > _LONGEST_NAME:
        file_name = '%s_%s.txt' % (hashlib.sha256(encoded).hexdigest(), name)
    return os.path.join(folder, photo.folder, file_name)


def to_text(bottleneck):
    """Returns a float32 vector as text, bytes, that reads back as the very same values."""
    if orjson is not None:  # Its numbers are the shortest such, and take a ninth of the time.
        return orjson.dumps(np.ascontiguousarray(bottleneck), option=_ARRAY)[1:-1]
    return (('%.9g,' * len(bottleneck))[:-1] % tuple(bottleneck.tolist())).encode('ascii')


def from_text(text, length):
    """Returns the float32 vector `[length]` that `text` holds, or None where it is corrupt."""
    if len(text) > length * _LONGEST_NUMBER:
        return None
    with warnings.catch_warnings():
        # How numpy says that it met something else than numbers and commas.
        warnings.simplefilter('error', DeprecationWarning)
        try:
            values = np.fromstring(text, dtype=np.float32, sep=',')
        except (DeprecationWarning, ValueError):
            return None
    return values if values.shape == (length,) and np.isfinite(values).all() else None


def read(path, length):
    """Reads a text file.

    Args:
      path: of the file.
      length: of the vector.

    Returns:
      What `os.fstat` tells of it, and its values, float32 `[length]`, or None where it is corrupt.

    Raises:
      FileNotFoundError: there is none.
      UserError: it is unreadable.
    """
    try:
        with open(path, 'rb') as file:
            about = os.fstat(file.fileno())
            return about, from_text(file.read(length * _LONGEST_NUMBER + 1), length)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError('cannot read the bottleneck file %s: %s' % (path, error.strerror))


def replacing(paths, bottlenecks):
    """Writes text files, as `files.replacing_all` does.

    Args:
      paths: list of paths.
      bottlenecks: float32 `[len(paths), length]`.
    """
    return files.replacing_all(list(zip(paths, map(to_text, bottlenecks))))


def remove(path):
    """Removes a text file, if there is one; a link to it stays.

    Raises:
      UserError: it cannot be removed.
    """
    try:
        os.unlink(os.path.realpath(path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError('cannot write %s: %s' % (path, error.strerror))
