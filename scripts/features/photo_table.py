"""Photos as columns: a list of 100 million takes too much memory as objects."""

import collections.abc

import numpy as np

from scripts.dataset import split
from scripts.dataset.photos import TEST_FOLDER, Photo


class PhotoTable(collections.abc.Sequence):
    """A sequence of `Photo`s, each made when it is asked for; slices are tables, too.

    Args:
      paths: a sequence of n paths with `/` between their parts, such as a pyarrow array.
      label_indices: int array `[n]`.
      categories: int array `[n]`, places in `split.CATEGORIES`, ascending.
      has_test_dir: whether the test photos are in a folder of their own.
    """

    def __init__(self, paths, label_indices, categories, has_test_dir=False):
        self._paths, self._has_test_dir = paths, has_test_dir
        self.label_indices, self.categories = label_indices, categories

    def __len__(self):
        return len(self.label_indices)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return PhotoTable(
                self._paths[place],
                self.label_indices[place],
                self.categories[place],
                self._has_test_dir,
            )
        if not -len(self) <= place < len(self):
            raise IndexError('no photo of number %d' % place)
        path = str(self._paths[int(place)])
        _, folder, file_name = ('//' + path).rsplit('/', 2)
        category = split.CATEGORIES[self.categories[place]]
        if self._has_test_dir and category == split.TESTING:
            folder = TEST_FOLDER + folder
        return Photo(path, folder, file_name, int(self.label_indices[place]), category)

    def counts(self, label_count):
        """Returns a dict from category to the number of photos of each label, list of int."""
        return {
            category: np.bincount(
                self.label_indices[self.of_category(category)], minlength=label_count
            ).tolist()
            for category in split.CATEGORIES
        }

    def of_category(self, category):
        """Returns the slice of the photos of a category."""
        index = split.CATEGORIES.index(category)
        begin, end = self.categories.searchsorted([index, index + 1])
        return slice(int(begin), int(end))
