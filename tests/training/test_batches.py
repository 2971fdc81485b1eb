"""Batches are drawn with balanced classes."""

import numpy as np
import pytest

from scripts.training.batches import ALL, Examples, Sampler

LABELS = np.array([2, 0, 2, 2, 0, 2, 2, 2, 2, 2], np.int64)  # No 1, and few 0.


def test_classes_are_balanced_and_photos_within_them():
    rows = Sampler(LABELS, np.random.RandomState(0)).draw(20000)
    counts = np.bincount(rows, minlength=10)
    assert (np.abs(counts[LABELS == 0] - 5000) < 300).all()
    assert (np.abs(counts[LABELS == 2] - 1250) < 150).all()


def test_all_is_every_row_once():
    assert Sampler(LABELS, np.random.RandomState(0)).draw(ALL).tolist() == list(range(10))


def test_the_same_seed_draws_the_same():
    one, two = (Sampler(LABELS, np.random.RandomState(3)) for _ in range(2))
    assert [one.draw(5).tolist() for _ in range(3)] == [two.draw(5).tolist() for _ in range(3)]


@pytest.mark.parametrize('rows', [[1, 1, 0], []])
def test_examples_are_taken_by_row(rows):
    bottlenecks = np.arange(20, dtype=np.float32).reshape(10, 2)
    values, labels = Examples(bottlenecks, LABELS, [None] * 10).take(np.array(rows, np.int64))
    assert (values == bottlenecks[rows]).all() and (labels == LABELS[rows]).all()
