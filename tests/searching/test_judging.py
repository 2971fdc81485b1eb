"""What trials are judged by."""

import numpy as np
import pytest

from scripts.searching import judging

pytestmark = pytest.mark.once

TRUTH = np.array([0, 1, 2, 0])
LOGITS = np.array([[3, 0, 1], [0, 2, 1], [1, 0, 1.5], [1, 2, 0]])


def softmax(logits):
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def test_how_confident_a_model_is_does_not_count():
    loss = judging.loss(softmax(LOGITS), TRUTH)
    assert loss == pytest.approx(judging.loss(softmax(2 * LOGITS), TRUTH), abs=1e-5)
    assert loss == pytest.approx(judging.loss(softmax(LOGITS / 2), TRUTH), abs=1e-5)


def test_it_is_the_cross_entropy_where_that_is_the_lowest():
    # Two of three are right with a score of 2/3 each: no other temperature is better.
    scores = np.array([[2, 1], [2, 1], [2, 1]], np.float32) / 3
    wanted = -(2 * np.log(2 / 3) + np.log(1 / 3)) / 3
    assert judging.loss(scores, np.array([0, 0, 1])) == pytest.approx(wanted, abs=1e-6)


def test_a_better_model_has_a_lower_loss():
    better = LOGITS + 0.5 * np.eye(3)[TRUTH]
    assert judging.loss(softmax(better), TRUTH) < judging.loss(softmax(LOGITS), TRUTH)


def test_scores_of_zero_are_bad_and_no_error():
    scores = np.array([[1, 0, 0]] * 4, np.float32)
    assert 1 < judging.loss(scores, TRUTH) < np.inf
