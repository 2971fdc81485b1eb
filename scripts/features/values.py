"""The bottlenecks of a whole cache as one binary file, which is read faster than their texts.

`<bottleneck_dir>/<architecture>.values` holds, in the machine's own byte order: the CRC-32 of what
follows, uint32; how many there are, int64; the digest of each one's text, 16 bytes; the vectors,
float32. It only repeats what the text files say: a vector is taken from it where the digest is
that of the text file at hand, and it may be deleted at any time.
"""

import hashlib
import logging
import os
import tempfile
import zlib

import numpy as np

from scripts.common import files
from scripts.common.errors import UserError

_HEADER = np.dtype([('crc32', np.uint32), ('count', np.int64)])
_DIGEST = np.dtype('V16')
_CHUNK_BYTES = 1 << 22

# Arrays from here on are mapped from a file: those of 130,000 photos by MobileNet.
_MAPPED_FROM_BYTES = 1 << 29

_LOG = logging.getLogger(__name__)


def digest(text):
    """Returns the digest, bytes, of a text file's bytes."""
    return hashlib.blake2b(text, digest_size=_DIGEST.itemsize).digest()


def digests(texts):
    """Returns the digests, V16 `[len(texts)]`, of texts (bytes)."""
    return np.array([digest(text) for text in texts], _DIGEST)


def no_digests(count):
    """Returns an array of `count` digests, V16, to be filled in: none is that of a text yet."""
    return np.zeros(count, _DIGEST)


def zeros(folder, shape):
    """Returns a float32 array of zeros, in memory or, where it is large, mapped from a file.

    Args:
      folder: in which the file stands, without a name; made where it is missing.
      shape: (int, int).

    Raises:
      UserError: there is no room for the file.
    """
    size = shape[0] * shape[1] * np.dtype(np.float32).itemsize
    if size < _MAPPED_FROM_BYTES:
        return np.zeros(shape, np.float32)
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # Written, not left as a hole: a full disk is noticed here, and not as a crash later.
            for begin in range(0, size, _CHUNK_BYTES):
                file.write(bytes(min(_CHUNK_BYTES, size - begin)))
            file.flush()
            return np.memmap(file, np.float32, 'r+', shape=shape)
    except OSError as error:
        raise UserError(
            'cannot make room for %d MB of bottlenecks in %s: %s'
            % (size // 10**6, folder, error.strerror)
        )


def read(path, length):
    """Reads a file of values.

    Args:
      path: of the file.
      length: of a vector.

    Returns:
      The digests `[n]`, V16, and the vectors, float32 `[n, length]`, mapped from the file; with n 0
      where there is no file or it is damaged.
    """
    nothing = np.empty(0, _DIGEST), np.empty((0, length), np.float32)
    try:
        data = np.memmap(path, np.uint8, 'r')
    except FileNotFoundError:
        return nothing
    except (OSError, ValueError) as error:  # ValueError is how numpy speaks of an empty file.
        _LOG.warning('cannot read %s: %s; it is made anew', path, error)
        return nothing
    body = data[_HEADER.itemsize :]
    entry = _DIGEST.itemsize + length * 4
    header = data[: _HEADER.itemsize].view(_HEADER)[0] if len(body) else None
    if header is None or header['count'] * entry != len(body) or header['crc32'] != _crc32([body]):
        _LOG.warning('%s is damaged; it is made anew', path)
        return nothing
    split = header['count'] * _DIGEST.itemsize
    vectors = body[split:].view(np.float32)
    return body[:split].view(_DIGEST), vectors.reshape(-1, length)


def write(path, digests, bottlenecks):
    """Writes a file of values: V16 `[n]` and float32 `[n, length]`."""
    header = np.zeros(1, _HEADER)
    header['count'] = len(digests)
    header['crc32'] = _crc32([digests, bottlenecks])
    with files.replacing(path) as file:
        for array in (header, digests, bottlenecks):
            for chunk in _chunks(array):
                file.write(chunk)


def _crc32(arrays):
    crc = 0
    for array in arrays:
        for chunk in _chunks(array):
            crc = zlib.crc32(chunk, crc)
    return crc & 0xFFFFFFFF


def _chunks(array):
    """Yields the bytes of a contiguous array bit by bit: it may be larger than the memory."""
    data = memoryview(array.view(np.uint8).reshape(-1))
    for begin in range(0, len(data), _CHUNK_BYTES):
        yield data[begin : begin + _CHUNK_BYTES]
