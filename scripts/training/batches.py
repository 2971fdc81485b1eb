"""The bottlenecks of a category, and drawing batches of them."""

import typing

import numpy as np

from scripts.dataset.photos import Photo

ALL = -1  # As a batch size: every photo of the category.


class Examples(typing.NamedTuple):
    """The readable photos of one category.

    bottlenecks: float32 `[n, length]`, or None where they are computed each time (distortions).
    labels: int64 `[n]`, indices into the labels.
    photos: n `Photo`s.
    rows: int64 `[n]`, which rows of `bottlenecks` are theirs where it has others, too; or None.
    """

    bottlenecks: typing.Optional[np.ndarray]
    labels: np.ndarray
    photos: typing.Sequence[Photo]
    rows: typing.Optional[np.ndarray] = None

    def take(self, rows):
        """Returns the bottlenecks `[len(rows), length]` and labels `[len(rows)]` of rows."""
        where = rows if self.rows is None else self.rows[rows]
        return self.bottlenecks[where], self.labels[rows]


class Sampler:
    """Draws rows of `Examples`: for each a class, uniformly, then one of its photos, uniformly.

    So classes are balanced however many photos they have. Classes without any are passed over.

    Args:
      labels: int64 `[n]`, not empty.
      random_state: a numpy RandomState of its own, so that nothing else shifts what is drawn.
    """

    def __init__(self, labels, random_state):
        self._random = random_state
        self._rows = np.argsort(labels, kind='mergesort')
        _, self._starts, self._counts = np.unique(
            labels[self._rows], return_index=True, return_counts=True
        )

    def draw(self, count):
        """Returns an int array of `count` rows, or of every row for ALL."""
        if count == ALL:
            return np.arange(len(self._rows))
        classes = self._random.randint(len(self._starts), size=count)
        offsets = self._random.random_sample(count) * self._counts[classes]
        return self._rows[self._starts[classes] + offsets.astype(np.int64)]
