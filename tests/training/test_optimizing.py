"""The schedule of the learning rate, weight decay, clipping and the optimizers."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.training import optimizing
from scripts.training import settings as settings_lib

pytestmark = pytest.mark.each_tensorflow

SETTINGS = settings_lib.Training(10, 0.5, 1)
START = np.array([3.0, -4.0], np.float32)


def rates(**changes):
    """Returns the learning rates of all steps of a run, as a list."""
    settings = SETTINGS._replace(**changes)
    with tf.Graph().as_default():
        step = tf.placeholder(tf.int32, [])
        rate = optimizing.learning_rate(settings, step)
        with tf.Session() as session:
            return [
                float(session.run(rate, {step: number}))
                for number in range(settings.first_step, settings.end)
            ]


def after_one_step(loss_of, **changes):
    """Returns the values of two variables that began at START, the second one without decay."""
    settings = SETTINGS._replace(**changes)
    with tf.Graph().as_default():
        weights, biases = tf.Variable(START), tf.Variable(START)
        loss = optimizing.with_decay(loss_of(weights, biases), [weights], settings)
        step = optimizing.minimize(loss, settings.learning_rate, settings)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run(step)
            return session.run([weights, biases])


def sum_of_both(weights, biases):
    return tf.reduce_sum(weights) + tf.reduce_sum(biases)


def test_a_constant_rate_is_a_constant_of_the_graph():
    assert optimizing.learning_rate(SETTINGS, None) == 0.5


@pytest.mark.parametrize('first_step', [0, 500])
def test_cosine_falls_from_the_full_rate_to_nothing_at_the_last_step(first_step):
    found = rates(learning_rate_decay='cosine', first_step=first_step)
    expected = 0.25 * (1 + np.cos(np.pi * np.arange(10) / 9))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[0] == 0.5 and found[-1] == 0


def test_the_warm_up_is_linear_and_the_rest_falls():
    found = rates(learning_rate_decay='cosine', warmup_steps=4, first_step=7)
    np.testing.assert_allclose(found[:4], [0.125, 0.25, 0.375, 0.5])
    assert found[4] == 0.5 and found[-1] == 0
    assert found[4:] == sorted(found[4:], reverse=True)
    assert rates(warmup_steps=4)[4:] == [0.5] * 6


@pytest.mark.parametrize('steps, warmup', [(1, 0), (1, 1), (2, 1), (2, 2), (3, 9)])
def test_short_runs_have_rates_too(steps, warmup):
    found = rates(how_many_training_steps=steps, learning_rate_decay='cosine', warmup_steps=warmup)
    assert found[0] > 0 and all(0 <= each <= 0.5 for each in found)


def test_weight_decay_adds_a_fraction_of_each_weight_to_its_gradient():
    weights, biases = after_one_step(sum_of_both, weight_decay=0.1)
    np.testing.assert_allclose(weights, START - 0.5 * (1 + 0.1 * START), rtol=1e-6)
    np.testing.assert_allclose(biases, START - 0.5, rtol=1e-6)


def test_a_long_gradient_is_scaled_down_over_all_variables():
    weights, biases = after_one_step(sum_of_both, clip_norm=1.0)  # Its norm is 2.
    np.testing.assert_allclose(weights, START - 0.25, rtol=1e-6)
    np.testing.assert_allclose(biases, START - 0.25, rtol=1e-6)
    weights, _ = after_one_step(sum_of_both, clip_norm=2.5)
    np.testing.assert_allclose(weights, START - 0.5, rtol=1e-6)


@pytest.mark.parametrize(
    'optimizer, expected',
    [('gradient_descent', 1.0), ('momentum', 1.0), ('nesterov', 1.9), ('adam', 1.0)],
)
def test_the_first_step_is_as_long_as_the_optimizer_says(optimizer, expected):
    weights, _ = after_one_step(sum_of_both, optimizer=optimizer)
    np.testing.assert_allclose(weights, START - 0.5 * expected, rtol=1e-5)
