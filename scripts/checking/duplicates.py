"""Near-duplicates: one shot in several files, scaled, cropped, recompressed or mirrored.

What a network gives is much alike for such photos, and for others of a kind too. So it only
proposes, and the pixels decide: small grey pictures are laid over each other, the one as it is and
mirrored, of the other also parts of 90% and more of each side. No TensorFlow here.
"""

import hashlib
import typing

import numpy as np
from PIL import Image

from scripts.common.progress import Progress
from scripts.images import thumbnails

_NEIGHBOURS = 10  # That features propose for each photo.
_LEAST_COSINE = (
    0.3  # Of features less their mean. 12 photos changed in four ways had 0.38 and more.
)
_BLOCK = 1024  # Photos that are compared with all others at once.

_SIZE = 64  # Pixels, the side of a grey picture.
_GRID = 24  # Pixels, the side of what is compared.
_SCALES = (0.975, 0.95, 0.925, 0.9)
_PLACES = 4  # Of a part, along each side.
_BLUR = 7  # Pixels of the grid. What is wider says nothing: sky over grass is on many photos.
_FLAT = 1.0  # Grey levels. A picture that differs less from its blur has nothing to compare.

# The correlation from which on two photos are one shot. 132 changed copies of flowers had 0.96 and
# more, any two of 600 different flowers 0.66 at most.
_LEAST_CORRELATION = 0.8


class Pair(typing.NamedTuple):
    """Two photos that are one shot: rows, the lower one first, and a similarity, up to 1."""

    first: int
    second: int
    similarity: float


def find(paths, features, exif_rotation):
    """Returns the list of `Pair`s among photos, the most similar ones first.

    Args:
      paths: list of str.
      features: float32 `[photos, length]`, of a network.
      exif_rotation: as in `settings.PixelSpec`.
    """
    similar = dict.fromkeys(_same_bytes(paths), 1.0)
    proposed = _proposed(features)
    involved = sorted({row for pair in proposed for row in pair})
    pictures = {}
    with Progress('Looking at', len(involved), 'photos') as progress:
        for row in involved:
            pictures[row] = _grey(paths[row], exif_rotation)
            progress.advance(1)
    bases = {row: _base(picture) for row, picture in pictures.items() if picture is not None}
    others = {}
    for first, second in proposed:
        if first in bases and second in bases:
            others.setdefault(first, []).append(second)
            others.setdefault(second, []).append(first)
    for row, seconds in others.items():
        parts = _parts(pictures[row]).reshape(-1, _GRID * _GRID)
        both = np.stack([[bases[each], bases[each][:, ::-1]] for each in seconds])
        found = (both.reshape(len(seconds), 2, -1) @ parts.T).max(axis=(1, 2))
        for second, correlation in zip(seconds, found.tolist()):
            pair = min(row, second), max(row, second)
            similar[pair] = max(similar.get(pair, 0.0), min(correlation, 1.0))
    pairs = [Pair(*pair, each) for pair, each in similar.items() if each >= _LEAST_CORRELATION]
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair))


def groups(pairs):
    """Returns a list of tuples of rows, ascending: photos that pairs connect, by others too."""
    group_of = {}
    for pair in pairs:
        groups_met = (group_of.get(row, {row}) for row in (pair.first, pair.second))
        merged = frozenset().union(*groups_met)
        group_of.update(dict.fromkeys(merged, merged))
    return sorted(tuple(sorted(group)) for group in set(group_of.values()))


def _same_bytes(paths):
    """Yields pairs of rows of files with the same contents; one with each of the others."""
    first_of = {}
    for row, path in enumerate(paths):
        try:
            with open(path, 'rb') as file:
                digest = hashlib.blake2b(file.read()).digest()
        except OSError:
            continue
        first = first_of.setdefault(digest, row)
        if first != row:
            yield first, row


def _proposed(features):
    """Returns a sorted list of pairs of rows whose features are much alike."""
    centred = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = centred / np.maximum(norms, np.finfo(np.float32).tiny)
    count = min(_NEIGHBOURS, len(features) - 1)
    found = set()
    for begin in range(0, len(directions) if count > 0 else 0, _BLOCK):
        cosines = directions[begin : begin + _BLOCK] @ directions.T
        rows = np.arange(len(cosines))
        cosines[rows, begin + rows] = -1  # Itself.
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        for row, each in zip(rows, nearest):
            for other in each[cosines[row, each] >= _LEAST_COSINE].tolist():
                found.add((min(begin + row, other), max(begin + row, other)))
    return sorted((int(first), int(second)) for first, second in found)


def _grey(path, exif_rotation):
    """Returns a photo as float32 `[_SIZE, _SIZE]`, 0 to 255, or None where it is unreadable."""
    small = thumbnails.load(path, exif_rotation)
    if small is None:
        return None
    small = small.convert('L').resize((_SIZE, _SIZE), Image.LANCZOS)
    return np.asarray(small, np.float32)


def _base(picture):
    """Returns the whole picture, to be compared: float32 `[_GRID, _GRID]`."""
    return _compared(_WHOLE @ picture @ _WHOLE.T)


def _parts(picture):
    """Returns the picture and parts of it, to be compared: float32 `[parts, _GRID, _GRID]`."""
    found = [(_WHOLE @ picture @ _WHOLE.T)[np.newaxis]]
    for windows in _WINDOWS:
        rows = np.matmul(windows, picture)
        parts = np.matmul(rows[:, np.newaxis], windows.transpose(0, 2, 1))
        found.append(parts.reshape(-1, _GRID, _GRID))
    return _compared(np.concatenate(found))


def _compared(grids):
    """Returns details of length 1, so that a product is a correlation; zeros where it is flat."""
    details = grids - _blurred(grids)
    details -= details.mean(axis=(-2, -1), keepdims=True)
    norms = np.sqrt((details**2).sum(axis=(-2, -1), keepdims=True))
    return np.where(norms < _FLAT * _GRID, 0, details / np.maximum(norms, _FLAT * _GRID))


def _blurred(grids):
    return np.matmul(np.matmul(_MEANS, grids), _MEANS.T)


def _window(offset, scale):
    """Returns the matrix that makes _GRID means of a part of _SIZE pixels, float32."""
    edges = (offset + scale * np.arange(_GRID + 1) / _GRID) * _SIZE
    pixels = np.arange(_SIZE)
    begins = np.maximum(edges[:-1, np.newaxis], pixels)
    ends = np.minimum(edges[1:, np.newaxis], pixels + 1)
    overlaps = np.maximum(ends - begins, 0)
    return (overlaps / overlaps.sum(axis=1, keepdims=True)).astype(np.float32)


def _means():
    """Returns the matrix that makes each value the mean of _BLUR around it, float32."""
    distances = np.abs(np.arange(_GRID)[:, np.newaxis] - np.arange(_GRID))
    near = (distances <= _BLUR // 2).astype(np.float32)
    return near / near.sum(axis=1, keepdims=True)


_WHOLE = _window(0, 1)
_WINDOWS = [
    np.stack([_window(offset, scale) for offset in np.linspace(0, 1 - scale, _PLACES)])
    for scale in _SCALES
]
_MEANS = _means()
