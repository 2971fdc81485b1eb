"""Evaluating in parts gives what evaluating at once gives."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.training import evaluating
from scripts.training.batches import KeptBatches
from scripts.training.model import Model
from tests.training.examples import TESTING, TRAINING

pytestmark = pytest.mark.each_tensorflow

ALL_ROWS = np.arange(len(TESTING.labels))


@pytest.fixture
def model(pretrained, settings):
    """A model after a few steps at a small learning rate: it is right about some photos."""
    settings = settings._replace(learning_rate=0.0005)
    with Model(pretrained, 3, settings) as model, KeptBatches(TRAINING, settings) as batches:
        for step in range(3):
            model.train(step, batches.next(), summarize=False)
        yield model


def test_parts_are_bounded_by_photos_and_by_bytes(model, monkeypatch):
    sizes = []
    evaluate = model.evaluate
    monkeypatch.setattr(
        model,
        'evaluate',
        lambda batch, summarize=False: (
            sizes.append(len(batch.labels)) or evaluate(batch, summarize)
        ),
    )
    at_once = evaluating.evaluate(model, TESTING, ALL_ROWS, summarize=True)
    monkeypatch.setattr(evaluating, '_MOST_PHOTOS_AT_ONCE', 7)
    in_parts = evaluating.evaluate(model, TESTING, ALL_ROWS, summarize=True)
    monkeypatch.setattr(evaluating, '_MOST_BYTES_AT_ONCE', 4 * 1001 * 2 + 1)
    evaluating.evaluate(model, TESTING, ALL_ROWS[:3])
    assert sizes == [30, 7, 7, 7, 7, 2, 2, 1]
    assert 0.3 < at_once.accuracy < 1
    assert in_parts.accuracy == pytest.approx(at_once.accuracy, abs=1e-12)
    assert in_parts.cross_entropy == pytest.approx(at_once.cross_entropy, rel=1e-6)
    np.testing.assert_allclose(in_parts.scores, at_once.scores, rtol=1e-5)
    for result in (at_once, in_parts):
        scalars = {
            value.tag: value.simple_value
            for value in tf.Summary.FromString(result.summaries).value
            if value.HasField('simple_value')
        }
        assert scalars['accuracy_1'] == pytest.approx(at_once.accuracy)
        assert scalars['cross_entropy_1'] == pytest.approx(at_once.cross_entropy)


def test_the_test_tells_which_photos_were_right(model):
    rows = np.array([4, 2, 9])
    result = evaluating.test(model, TESTING, rows)
    assert list(result.photos) == [TESTING.photos[row] for row in rows]
    right = result.scores.argmax(axis=1) == TESTING.labels[rows]
    assert result.right == right.sum() and result.accuracy == right.mean()
    assert result.described == (right.mean(), 3)


@pytest.mark.parametrize('size, expected', [(15, 15), (29, 29), (30, -1), (100, -1), (-1, -1)])
def test_a_category_smaller_than_its_batch_is_taken_as_a_whole(size, expected):
    assert evaluating.count_of(TESTING, size) == expected
