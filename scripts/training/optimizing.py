"""How a loss is minimized: the optimizer, the schedule of its learning rate, weight decay."""

import math

import tensorflow.compat.v1 as tf

from scripts.training.settings import ADAM, CONSTANT, COSINE, MOMENTUM, NESTEROV

_MOMENTUM = 0.9  # The customary one.


def learning_rate(settings, step):
    """Returns the learning rate of a step: a float where all steps have the same.

    It grows in equal parts up to the last step of the warm-up; then it stays, or falls with a
    cosine, to 0 at the last step of all.

    Args:
      settings: a `settings.Training`.
      step: int32 scalar, the number of the step.
    """
    if settings.learning_rate_decay == CONSTANT and not settings.warmup_steps:
        return settings.learning_rate
    done = tf.cast(step - settings.first_step, tf.float32)
    fraction = tf.constant(1.0)
    if settings.learning_rate_decay == COSINE:
        falling = settings.how_many_training_steps - 1 - settings.warmup_steps
        progress = (done - settings.warmup_steps) / max(falling, 1)
        fraction = 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(progress, 0.0, 1.0)))
    if settings.warmup_steps:
        fraction = tf.minimum((done + 1.0) / settings.warmup_steps, fraction)
    return settings.learning_rate * fraction


def with_decay(loss, weights, settings):
    """Returns a loss with the weight decay of a list of variables, where that is wanted.

    Args:
      loss: float32 scalar.
      weights: list of variables.
      settings: a `settings.Training`.
    """
    if not settings.weight_decay:
        return loss
    return loss + settings.weight_decay * tf.add_n([tf.nn.l2_loss(each) for each in weights])


def minimize(loss, rate, settings):
    """Returns the operation that is one step of the optimizer, of all variables.

    Args:
      loss: float32 scalar.
      rate: as `learning_rate` gives it.
      settings: a `settings.Training`.
    """
    optimizer = _optimizer(settings.optimizer, rate)
    if not settings.clip_norm:
        return optimizer.minimize(loss)
    gradients, variables = zip(*optimizer.compute_gradients(loss))
    clipped, _ = tf.clip_by_global_norm(gradients, settings.clip_norm)
    return optimizer.apply_gradients(zip(clipped, variables))


def _optimizer(name, rate):
    if name == ADAM:
        return tf.train.AdamOptimizer(rate)
    if name in (MOMENTUM, NESTEROV):
        return tf.train.MomentumOptimizer(rate, _MOMENTUM, use_nesterov=name == NESTEROV)
    return tf.train.GradientDescentOptimizer(rate)
