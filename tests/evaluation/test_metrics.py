"""Figures against ones that were worked out by hand, and against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.evaluation import metrics

# Rows are true labels: 3 of the first right, 1 predicted as the second; the third has no photo.
CONFUSION = np.array([[3, 1, 0, 0], [2, 4, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]])


@st.composite
def scored(draw):
    """Scores that add up to 1, with ties, and true labels."""
    photos, labels = draw(st.integers(1, 30)), draw(st.integers(2, 6))
    random = np.random.RandomState(draw(st.integers(0, 2**31 - 1)))
    raw = random.randint(1, 4, size=(photos, labels)).astype(np.float32)
    return raw / raw.sum(axis=1, keepdims=True), random.randint(labels, size=photos)


def test_a_confusion_matrix_has_true_labels_by_row():
    confusion = metrics.confusion_of(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]), 4)
    assert confusion.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_precision_recall_and_f1_of_each_class():
    classes = metrics.per_class(CONFUSION)
    np.testing.assert_allclose(classes.precision, [3 / 6, 4 / 5, 0, np.nan])
    np.testing.assert_allclose(classes.recall, [3 / 4, 4 / 6, np.nan, 0])
    np.testing.assert_allclose(classes.f1, [6 / 10, 8 / 11, 0, 0])
    assert classes.photos.tolist() == [4, 6, 0, 2]
    assert metrics.accuracy(CONFUSION) == pytest.approx(7 / 12)


def test_the_macro_average_is_over_classes_with_photos():
    precision, recall, f1 = metrics.macro_average(metrics.per_class(CONFUSION))
    assert precision == pytest.approx((3 / 6 + 4 / 5 + 0) / 3)
    assert recall == pytest.approx((3 / 4 + 4 / 6 + 0) / 3)
    assert f1 == pytest.approx((6 / 10 + 8 / 11 + 0) / 3)


def test_cross_entropy_is_finite_where_the_true_label_gets_nothing():
    scores = np.array([[0.5, 0.5], [1, 0]], np.float32)
    expected = (-np.log(0.5) - np.log(1e-7)) / 2
    assert metrics.cross_entropy(scores, np.array([0, 1])) == pytest.approx(expected)


@given(scored())
def test_the_best_k_hold_the_true_label_as_a_stable_sort_says(example):
    scores, truth = example
    order = np.argsort(-scores, axis=1, kind='stable')
    expected = [
        np.mean([truth[row] in order[row, :k] for row in range(len(truth))])
        for k in range(1, scores.shape[1] + 1)
    ]
    np.testing.assert_allclose(metrics.top_k_accuracies(scores, truth, 99), expected)
    confusion = metrics.confusion_of(truth, scores.argmax(axis=1), scores.shape[1])
    assert expected[0] == pytest.approx(metrics.accuracy(confusion))


@given(scored())
def test_calibration_counts_every_photo_and_its_error_is_the_definition(example):
    scores, truth = example
    found = metrics.calibration(scores, truth, bins=5)
    assert (found.right + found.wrong).sum() == len(truth)
    confidence, is_right = scores.max(axis=1), scores.argmax(axis=1) == truth
    error = 0
    for low, high in zip(found.edges, found.edges[1:]):
        inside = (confidence >= low) & ((confidence < high) | (high == 1))
        if inside.any():
            error += inside.mean() * abs(is_right[inside].mean() - confidence[inside].mean())
    assert found.error == pytest.approx(error, abs=1e-5)


def test_calibration_of_certainty_and_of_empty_bins():
    found = metrics.calibration(np.array([[1.0, 0], [1, 0]]), np.array([0, 1]), bins=2)
    assert found.right.tolist() == [0, 1] and found.wrong.tolist() == [0, 1]
    np.testing.assert_allclose(found.accuracy, [np.nan, 0.5])
    assert found.error == pytest.approx(0.5)


def test_the_top_confusions_come_first_and_none_without_photos():
    assert metrics.top_confusions(CONFUSION, 3) == [
        metrics.Confusion(1, 0, 2, 2 / 6),
        metrics.Confusion(0, 1, 1, 1 / 4),
        metrics.Confusion(3, 0, 1, 1 / 2),
    ]
    assert len(metrics.top_confusions(CONFUSION, 99)) == 4


def test_the_hardest_labels_stay_in_order():
    assert metrics.hardest_labels(CONFUSION, 2).tolist() == [0, 1]
    assert metrics.hardest_labels(CONFUSION, 99).tolist() == [0, 1, 2, 3]


def test_the_highest_losses_come_first():
    scores = np.array([[0.6, 0.4], [0.1, 0.9], [0.9, 0.1], [0.3, 0.7]])
    truth = np.array([1, 0, 0, 0])
    assert metrics.top_losses(scores, truth, 9).tolist() == [1, 3, 0]
    assert metrics.top_losses(scores, truth, 1).tolist() == [1]


def test_a_loss_is_the_cross_entropy_of_the_true_label():
    # Of equal ones, the higher score of the predicted label comes first.
    scores = np.array([[0.5, 0.1, 0.4], [0.6, 0.0, 0.4], [0.55, 0.45, 0], [0.6, 0.1, 0.3]])
    truth = np.array([1, 2, 1, 1])
    assert metrics.top_losses(scores, truth, 9).tolist() == [3, 0, 1, 2]
