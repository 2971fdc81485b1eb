"""Running a model over examples, as many at a time as memory bears."""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.dataset.photos import Photo
from scripts.graphs import description
from scripts.training.model import Result
from scripts.training.settings import ALL

_MOST_PHOTOS_AT_ONCE = 1000
# Of features: those of 1,000 photos, but for feature maps, whose tail takes several times as much.
_MOST_BYTES_AT_ONCE = 1 << 25


class TestResult(typing.NamedTuple):
    """accuracy: 0 to 1. photos: those tested. scores: float32 `[photos, labels]`."""

    accuracy: float
    photos: typing.Sequence[Photo]
    scores: np.ndarray

    @property
    def right(self):
        """int, how many of the photos got their label."""
        truth = [photo.label_index for photo in self.photos]
        return int((self.scores.argmax(axis=1) == truth).sum())

    @property
    def described(self):
        """The `description.Test`."""
        return description.Test(self.right / len(self.photos), len(self.photos))


def count_of(examples, batch_size):
    """Returns how many examples to draw: all, where a batch would repeat some of a few."""
    return ALL if len(examples.labels) <= batch_size else batch_size


def test(model, examples, rows):
    """Returns the `TestResult` of a model on rows, int `[n]` and not empty, of `Examples`."""
    result = evaluate(model, examples, rows)
    return TestResult(result.accuracy, [examples.photos[row] for row in rows], result.scores)


def evaluate(model, examples, rows, summarize=False):
    """Returns the `Result` of a model on examples.

    Histograms in the summaries are those of the photos that were run first; the scalars are of all.

    Args:
      model: a `Model`.
      examples: `Examples`.
      rows: int `[n]`, not empty.
      summarize: whether summaries are wanted.
    """
    size = _photos_at_once(examples.features.shape)
    if model.most_at_once is not None:
        size = min(size, model.most_at_once)
    parts = [rows[begin : begin + size] for begin in range(0, len(rows), size)]
    results = [
        model.evaluate(examples.take(part), summarize and number == 0)
        for number, part in enumerate(parts)
    ]
    if len(results) == 1:
        return results[0]
    counts = [len(part) for part in parts]
    accuracy = np.average([each.accuracy for each in results], weights=counts)
    cross_entropy = np.average([each.cross_entropy for each in results], weights=counts)
    summaries = results[0].summaries
    if summaries is not None:
        summaries = _with_scalars(summaries, accuracy, cross_entropy)
    scores = np.concatenate([each.scores for each in results])
    return Result(float(accuracy), float(cross_entropy), scores, summaries)


def _photos_at_once(shape):
    size = 4 * int(np.prod(shape))
    return max(1, min(_MOST_PHOTOS_AT_ONCE, _MOST_BYTES_AT_ONCE // size))


def _with_scalars(summaries, accuracy, cross_entropy):
    """Returns serialized summaries whose scalars of a batch are replaced."""
    summary = tf.Summary.FromString(summaries)
    for value in summary.value:
        name = value.tag.rpartition('_')[0] or value.tag  # TensorFlow's `accuracy_1`.
        if name in ('accuracy', 'cross_entropy'):
            value.simple_value = accuracy if name == 'accuracy' else cross_entropy
    return summary.SerializeToString()
