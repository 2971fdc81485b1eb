"""What trials are judged by."""

import numpy as np
import pytest

from scripts.searching import judging

pytestmark = pytest.mark.once

TRUTH = np.array([0, 1, 2, 0])
LOGITS = np.array([[3, 0, 1], [0, 2, 1], [1, 0, 1.5], [1, 2, 0]])


def loss_of(scores, truth):
    losses = judging.losses(scores, truth)
    assert losses.shape == truth.shape
    return losses.mean()


def softmax(logits):
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def test_how_confident_a_model_is_does_not_count():
    loss = loss_of(softmax(LOGITS), TRUTH)
    assert loss == pytest.approx(loss_of(softmax(2 * LOGITS), TRUTH), abs=1e-5)
    assert loss == pytest.approx(loss_of(softmax(LOGITS / 2), TRUTH), abs=1e-5)


def test_it_is_the_cross_entropy_where_that_is_the_lowest():
    # Two of three are right with a score of 2/3 each: no other temperature is better.
    scores = np.array([[2, 1], [2, 1], [2, 1]], np.float32) / 3
    wanted = -(2 * np.log(2 / 3) + np.log(1 / 3)) / 3
    assert loss_of(scores, np.array([0, 0, 1])) == pytest.approx(wanted, abs=1e-6)


def test_a_better_model_has_a_lower_loss():
    better = LOGITS + 0.5 * np.eye(3)[TRUTH]
    assert loss_of(softmax(better), TRUTH) < loss_of(softmax(LOGITS), TRUTH)


def test_scores_of_zero_are_bad_and_no_error():
    scores = np.array([[1, 0, 0]] * 4, np.float32)
    assert 1 < loss_of(scores, TRUTH) < np.inf


RANDOM = np.random.RandomState(1)
NOISE = RANDOM.randn(100)


def test_the_first_of_equals_is_the_one_to_take():
    trials = {'a': 1 + NOISE, 'b': 1 + NOISE, 'c': 1 + NOISE[::-1]}
    assert judging.candidates(trials)[0] == 'a'


def test_what_is_clearly_worse_drops_out():
    # By 0.05 on every photo: however much photos differ, that is no chance.
    trials = {'a': 1.05 + NOISE, 'b': 1 + NOISE, 'c': 1.3 + NOISE}
    assert judging.candidates(trials) == ['b']


def test_what_is_lower_by_chance_is_not_taken():
    trials = {'a': 1 + NOISE, 'b': 0.95 + RANDOM.permutation(NOISE)}
    assert judging.candidates(trials) == ['a', 'b']


def test_what_was_dropped_does_not_come_back():
    first, constant = 1 + NOISE, 0.97 + NOISE
    noisy = 0.96 + NOISE + np.tile([1, -1], 50)  # Its difference to each has an error of 0.1.
    assert judging.candidates({'a': first, 'c': noisy}) == ['a', 'c']
    assert judging.candidates({'a': first, 'b': constant, 'c': noisy}) == ['b', 'c']


def test_one_trial_is_the_one_to_take():
    assert judging.candidates({'a': [0.5]}) == ['a'] and judging.candidates({}) == []
