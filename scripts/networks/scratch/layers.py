"""The layers of networks that are trained from random weights, in two modes.

A network's function takes layers and pixels, and returns what its softmax stands on. It runs twice:
with `InferenceLayers` it gives the graph that is exported, with `TrainingLayers` the one that
gradients go through. In both, a parameter has the same name.
"""

import collections
import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError

# As in Keras.
_EPSILON = 0.001
_MOMENTUM = 0.99

_MOST_DROPOUTS = 100  # Of a network; each draws numbers of its own.
_MOST_PARAMETERS = 2**28  # A GraphDef has at most 2 GB, and training holds eight times as much.

_STATISTICS = _MEAN, _VARIANCE = ('moving_mean', 'moving_variance')


def is_statistic(name):
    """Returns whether a parameter is a moving mean or variance, which no gradient changes."""
    return name.split('/')[-1] in _STATISTICS


class _Layers:
    """What both modes have in common.

    Values are float32 `[batch, height, width, channels]`, or `[batch, length]` for `dense`. Layers
    of one kind are numbered from 1 on: `dense_1/weights`.
    """

    def __init__(self):
        self._counts = collections.Counter()

    def convolution(self, values, filters, size, stride=1):
        """A convolution of `size` x `size` with biases and ReLU, padded with zeros."""
        shape = [size, size, values.shape.as_list()[3], filters]
        with self._layer('convolution') as name:
            weights, biases = self._weights(name, shape)
            values = tf.nn.conv2d(values, weights, [1, stride, stride, 1], 'SAME')
            return tf.nn.relu(tf.nn.bias_add(values, biases))

    def dense(self, values, units):
        """A dense layer with biases and ReLU, of a vector or on each position of a map."""
        if values.shape.ndims == 4:  # That is a convolution of 1 x 1.
            return self.convolution(values, units, 1)
        with self._layer('dense') as name:
            weights, biases = self._weights(name, [values.shape.as_list()[1], units])
            return tf.nn.relu(tf.nn.bias_add(tf.matmul(values, weights), biases))

    def max_pool(self, values, size, stride):
        """The maximum of `size` x `size` positions, those within the map only."""
        with self._layer('max_pool'):
            sides = [1, size, size, 1], [1, stride, stride, 1]
            return tf.nn.max_pool(values, *sides, padding='VALID')

    def flatten(self, values):
        """All values of a photo as a vector."""
        with self._layer('flatten'):
            return tf.reshape(values, [-1, int(np.prod(values.shape.as_list()[1:]))])

    def batch_norm(self, values):
        """Batch normalization with scale and offset, of each channel."""
        with self._layer('batch_norm') as name:
            shape = values.shape.as_list()[-1:]
            parts = [
                self._parameter('%s/%s' % (name, part), shape, initial)
                for part, initial in (
                    ('scale', _ones),
                    ('offset', _zeros),
                    (_MEAN, _zeros),
                    (_VARIANCE, _ones),
                )
            ]
            return self._batch_norm(name, values, parts)

    def dropout(self, values, rate):
        """In training, a fraction of all values is 0 and the rest larger by as much."""
        with self._layer('dropout'):
            return self._dropout(values, rate)

    def _weights(self, name, shape):
        """Returns the parameters of a layer: weights of a shape, and biases."""
        weights = self._parameter(name + '/weights', shape, _uniform)
        return weights, self._parameter(name + '/biases', shape[-1:], _zeros)

    @contextlib.contextmanager
    def _layer(self, kind):
        self._counts[kind] += 1
        name = '%s_%d' % (kind, self._counts[kind])
        with tf.name_scope(name):
            yield name


def _uniform(random, shape):
    # As He et al. begin (https://arxiv.org/abs/1502.01852): ReLU keeps the spread of values.
    limit = (6 / np.prod(shape[:-1])) ** 0.5
    return random.uniform(-limit, limit, shape)


def _zeros(random, shape):
    return np.zeros(shape)


def _ones(random, shape):
    return np.ones(shape)


class InferenceLayers(_Layers):
    """Layers as they are in a finished graph, with parameters that are constants.

    Args:
      seed: int, that of the random weights.
    """

    def __init__(self, seed):
        super().__init__()
        self._random = np.random.RandomState(seed)
        self._parameters = 0.0

    def _parameter(self, name, shape, initial):
        self._parameters += np.prod(shape, dtype=np.float64)
        if self._parameters > _MOST_PARAMETERS:
            raise UserError(
                'a network of more than %d parameters: expected fewer; lower --input_height and '
                '--input_width' % _MOST_PARAMETERS
            )
        value = initial(self._random, shape).astype(np.float32)
        return tf.constant(value, name=name.split('/')[-1])

    def _batch_norm(self, name, values, parts):
        # The first version of this operation is the one that all tools read.
        return tf.raw_ops.FusedBatchNorm(
            x=values,
            scale=parts[0],
            offset=parts[1],
            mean=parts[2],
            variance=parts[3],
            epsilon=_EPSILON,
            is_training=False,
        ).y

    def _dropout(self, values, rate):
        return tf.identity(values)


class TrainingLayers(_Layers):
    """Layers as they are trained: batch norms normalize each batch by itself, dropout drops.

    Args:
      values: a dict from the names of parameters to tensors of their values.
      seed: int, that of the dropout.
      step: int32 scalar, the number of the step; what is dropped depends on it and the seed alone,
        so that a run can be resumed.

    statistics: a dict from the names of moving means and variances to tensors of their values after
      the step.
    """

    def __init__(self, values, seed, step):
        super().__init__()
        self._values, self._seed, self._step = values, seed, step
        self.statistics = {}

    def _parameter(self, name, shape, initial):
        return self._values[name]

    def _batch_norm(self, name, values, parts):
        scale, offset, *moving = parts
        values, *of_batch = tf.nn.fused_batch_norm(values, scale, offset, epsilon=_EPSILON)
        for part, before, now in zip(_STATISTICS, moving, of_batch):
            after = before + (1 - _MOMENTUM) * (now - before)
            self.statistics['%s/%s' % (name, part)] = after
        return values

    def _dropout(self, values, rate):
        number = self._counts['dropout']
        seeds = tf.stack([self._seed, self._step * _MOST_DROPOUTS + number])
        draws = tf.random.stateless_uniform(tf.shape(values), seeds)
        return values * tf.cast(draws >= rate, tf.float32) / (1.0 - rate)
