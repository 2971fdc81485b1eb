"""What the sample network is trained on."""

import numpy as np
import pytest

from scripts.sample import things, training


@pytest.fixture(scope='module')
def drawn():
    return training.draw_images(1, seed=4)


def test_drawing_repeats(drawn):
    images, labels = drawn
    again, _ = training.draw_images(1, seed=4)
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    assert images.shape == (len(things.FORMS), 96, 96, 3)
    assert np.array_equal(images, again) and len(set(labels)) == len(things.FORMS)


def test_batches_are_coarse_first_and_repeat(drawn):
    batches, again = [training.Batches(*drawn, coarse=1, seed=5) for _ in range(2)]
    first, second = batches.next(), batches.next()
    assert first.features.shape == (training.BATCH_SIZE, 48, 48, 3)
    assert second.features.shape == (training.BATCH_SIZE, 96, 96, 3)
    assert first.features.dtype == np.float32 and first.labels.shape == (training.BATCH_SIZE,)
    assert -1 <= first.features.min() < first.features.max() <= 1
    again.skip(1)
    skipped_to = again.next()
    assert np.array_equal(second.features, skipped_to.features)
    assert np.array_equal(second.labels, skipped_to.labels)
