"""From the features of all photos to the examples of a category."""

import numpy as np
import pytest

from scripts.dataset import split
from scripts.dataset.photos import Photo
from scripts.features.features import Features
from scripts.training import retraining


def photos_of(counts):
    """Returns a list of photos in categories of so many, as a `Dataset` has them."""
    return [
        Photo('%s/%d' % (category, number), '', str(number), number % 3, category)
        for category, count in zip(split.CATEGORIES, counts)
        for number in range(count)
    ]


@pytest.mark.parametrize('unreadable', [[], [0], [3, 4, 9], list(range(10, 14)), [17]])
def test_unreadable_photos_are_left_out_of_their_category(unreadable):
    photos = photos_of((10, 4, 4))
    rows = np.arange(18)
    rows[unreadable] = -1
    features = Features(np.arange(18, dtype=np.float32)[:, np.newaxis] * np.ones((1, 5), 'f'), rows)
    for category in split.CATEGORIES:
        examples = retraining._of_category(category, photos, features)
        rows = [row for row in range(18) if row not in unreadable]
        rows = [row for row in rows if photos[row].category == category]
        assert list(examples.photos) == [photos[row] for row in rows]
        assert examples.labels.tolist() == [photos[row].label_index for row in rows]
        assert examples.features is features
        batch = examples.take(np.arange(len(rows))[::-1])
        assert batch.features[:, 0].tolist() == rows[::-1]
        assert batch.labels.tolist() == examples.labels[::-1].tolist()
