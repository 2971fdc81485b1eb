"""Examples that a linear layer tells apart."""

import numpy as np

from scripts.dataset.photos import Photo
from scripts.training.batches import of_arrays

LENGTH = 1001  # Of the features, as MobileNet's bottlenecks are.


def separable(count, seed):
    """Returns `Examples` of 3 classes."""
    random = np.random.RandomState(seed)
    labels = random.randint(3, size=count)
    features = random.randn(count, LENGTH).astype(np.float32)
    features[np.arange(count), labels] += 8
    photos = [Photo('photos/%d' % row, 'photos', str(row), labels[row], '') for row in range(count)]
    return of_arrays(features, labels.astype(np.int64), photos)


TRAINING, VALIDATION, TESTING = separable(200, 0), separable(40, 1), separable(30, 2)
NOTHING = of_arrays(np.empty((0, LENGTH), np.float32), np.empty(0, np.int64), [])
