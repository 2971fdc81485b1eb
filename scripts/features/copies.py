"""Features of distorted copies of photos, as training takes them."""

import numpy as np

from scripts.features.features import OfPhotos


class CopyFeatures(OfPhotos):
    """What a backbone gives for each of so many distorted copies of a list of photos.

    Args:
      maps: `FeatureMaps` of the first copy of each photo, then of the second one of each.
      count: int, how many copies of each photo.
    """

    def __init__(self, maps, count):
        super().__init__(maps.readable.reshape(count, -1).all(axis=0), maps.shape)
        self._maps, self.count = maps, count

    def take(self, photo_rows, copies):
        """Returns the features of copies of some photos, readable ones: float32 `[n, *shape]`.

        Args:
          photo_rows: int array `[n]` of positions in the list of photos.
          copies: int array `[n]`, the number of the copy of each, from 0 on.
        """
        return self._maps.take(np.asarray(copies) * len(self) + photo_rows)
