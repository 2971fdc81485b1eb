"""Features of photos, as training takes them."""

import numpy as np

_NONE = -1  # In the place of a row.


class Features:
    """What a backbone gives for a list of photos, in memory or mapped from a store.

    Args:
      values: array `[n, *shape]`, of any type of numbers; nothing of it is copied.
      rows: int64 `[photos]`, which row of `values` each photo has, -1 for an unreadable photo; or
        None: each its own.

    readable: bool `[photos]`.
    shape: tuple, of the features of one photo.
    bytes_kept: int, what those of all photos take on disk, or in memory.
    """

    def __init__(self, values, rows=None):
        self._values = values
        self._rows = np.arange(len(values)) if rows is None else np.asarray(rows, np.int64)
        self.readable = self._rows != _NONE
        self.shape = values.shape[1:]
        self.bytes_kept = int(self.readable.sum()) * values[:1].nbytes

    def __len__(self):
        """Returns the number of photos."""
        return len(self._rows)

    def take(self, photo_rows):
        """Returns the features of some photos, readable ones, as float32 `[n, *shape]`.

        Args:
          photo_rows: int array `[n]` of positions in the list of photos.
        """
        rows = self._rows[photo_rows]
        if (rows == _NONE).any():
            raise IndexError('an unreadable photo has no features')
        return self._values[rows].astype(np.float32, copy=False)
