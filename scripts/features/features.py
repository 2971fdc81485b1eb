"""Features of photos, as training takes them."""

import numpy as np

_NONE = -1  # In the place of a row.


class OfPhotos:
    """Features of a list of photos, whatever they are made of; `take` is what gives them.

    readable: bool `[photos]`.
    shape: tuple, of the features of one photo.
    """

    def __init__(self, readable, shape):
        self.readable, self.shape = readable, tuple(shape)

    def __len__(self):
        """Returns the number of photos."""
        return len(self.readable)

    def check_readable(self, photo_rows):
        """Raises IndexError where one of the photos, int `[n]`, has no features."""
        if not self.readable[photo_rows].all():
            raise IndexError('an unreadable photo has no features')


class Features(OfPhotos):
    """What a backbone gives for a list of photos, in memory or mapped from a store.

    Args:
      values: array `[n, *shape]`, of any type of numbers; nothing of it is copied.
      rows: int64 `[photos]`, which row of `values` each photo has, -1 for an unreadable photo; or
        None: each its own.
    """

    def __init__(self, values, rows=None):
        self._values = values
        self._rows = np.arange(len(values)) if rows is None else np.asarray(rows, np.int64)
        super().__init__(self._rows != _NONE, values.shape[1:])

    def take(self, photo_rows):
        """Returns the features of some photos, readable ones, as float32 `[n, *shape]`.

        Args:
          photo_rows: int array `[n]` of positions in the list of photos.
        """
        self.check_readable(photo_rows)
        return self._values[self._rows[photo_rows]].astype(np.float32, copy=False)
