"""The head: the new softmax layer with its training step, metrics and summaries, as a graph.

The names of nodes and summary tags are a contract: people compare runs in TensorBoard by them.
"""

import typing

import tensorflow.compat.v1 as tf

from scripts.training.settings import ADAM, MOMENTUM

# Small enough that all classes start out equal, not zero so that TensorBoard shows it move.
_INITIAL_STDDEV = 0.001

_MOMENTUM = 0.9  # The customary one.

# What the names of the new nodes begin with; TensorFlow puts a number behind `input`.
SCOPES = ('input', 'input_1', 'final_training_ops', 'cross_entropy', 'train', 'accuracy')


class Head(typing.NamedTuple):
    """Tensors and operations of the head.

    ground_truth_input: int64 `[batch]`, fed.
    step_input: int32 scalar, fed to train_step: the number of the step, which seeds the dropout.
    train_step: one step of the optimizer, of all variables.
    cross_entropy, accuracy: float32 scalars.
    scores: float32 `[batch, label_count]`, the softmax.
    summaries: scalar string, all summaries.
    """

    ground_truth_input: tf.Tensor
    step_input: tf.Tensor
    train_step: tf.Operation
    cross_entropy: tf.Tensor
    accuracy: tf.Tensor
    scores: tf.Tensor
    summaries: tf.Tensor


def add(bottleneck_tensor, label_count, settings):
    """Adds a head behind a network, to the current graph.

    Args:
      bottleneck_tensor: float32 `[batch, length]`.
      label_count: int, how many labels there are.
      settings: a `settings.Training`.

    Returns:
      A `Head`.
    """
    length = bottleneck_tensor.shape.as_list()[1]
    with tf.name_scope('input'):
        bottleneck_input = tf.placeholder_with_default(
            bottleneck_tensor, shape=[None, length], name='BottleneckInputPlaceholder'
        )
        ground_truth_input = tf.placeholder(tf.int64, [None], name='GroundTruthInput')
    logits, multiply = _logits(bottleneck_input, label_count, settings.random_seed)
    final_tensor = tf.nn.softmax(logits, name=settings.final_tensor_name)
    tf.summary.histogram('activations', final_tensor)

    with tf.name_scope('cross_entropy'):
        cross_entropy = _mean_cross_entropy(ground_truth_input, logits)
    tf.summary.scalar('cross_entropy', cross_entropy)
    with tf.name_scope('train'):
        step_input = tf.placeholder_with_default(0, [], name='StepInput')
        loss = cross_entropy
        if settings.dropout:
            dropped = _drop_out(bottleneck_input, step_input, settings)
            loss = _mean_cross_entropy(ground_truth_input, multiply(dropped))
        train_step = _optimizer(settings).minimize(loss)
    with tf.name_scope('accuracy'):
        correct = tf.equal(tf.argmax(final_tensor, 1), ground_truth_input)
        accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    tf.summary.scalar('accuracy', accuracy)
    return Head(
        ground_truth_input=ground_truth_input,
        step_input=step_input,
        train_step=train_step,
        cross_entropy=cross_entropy,
        accuracy=accuracy,
        scores=final_tensor,
        summaries=tf.summary.merge_all(),
    )


def _logits(bottleneck_input, label_count, seed):
    """Returns the logits, float32 `[batch, label_count]`, and what makes them of bottlenecks."""
    shape = [bottleneck_input.shape.as_list()[1], label_count]
    with tf.name_scope('final_training_ops'):
        with tf.name_scope('weights'):
            # A seed of its own: what TensorFlow draws without one depends on its version.
            weights = tf.Variable(
                tf.truncated_normal(shape, stddev=_INITIAL_STDDEV, seed=seed), name='final_weights'
            )
            _summarize(weights)
        with tf.name_scope('biases'):
            biases = tf.Variable(tf.zeros([label_count]), name='final_biases')
            _summarize(biases)

        def multiply(bottlenecks):
            # Not the operator, nor TensorFlow 2's tf.add: those make an AddV2, which TensorFlow
            # before 1.15 and OpenCV do not know.
            return tf.raw_ops.Add(x=tf.matmul(bottlenecks, weights), y=biases, name='add')

        with tf.name_scope('Wx_plus_b'):
            logits = multiply(bottleneck_input)
            tf.summary.histogram('pre_activations', logits)
    return logits, multiply


def _mean_cross_entropy(ground_truth, logits):
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ground_truth, logits=logits)
    )


def _drop_out(bottleneck_input, step_input, settings):
    """Returns bottlenecks of which a fraction is zero and the rest larger by as much.

    What is dropped depends on the seed and the step alone, so that a run can be resumed.
    """
    draws = tf.random.stateless_uniform(
        tf.shape(bottleneck_input), tf.stack([settings.random_seed, step_input])
    )
    kept = tf.cast(draws >= settings.dropout, tf.float32)
    return bottleneck_input * kept / (1.0 - settings.dropout)


def _optimizer(settings):
    if settings.optimizer == ADAM:
        return tf.train.AdamOptimizer(settings.learning_rate)
    if settings.optimizer == MOMENTUM:
        return tf.train.MomentumOptimizer(settings.learning_rate, _MOMENTUM)
    return tf.train.GradientDescentOptimizer(settings.learning_rate)


def _summarize(variable):
    """Adds summaries of the spread of a variable's values."""
    with tf.name_scope('summaries'):
        mean = tf.reduce_mean(variable)
        with tf.name_scope('stddev'):
            stddev = tf.sqrt(tf.reduce_mean(tf.square(variable - mean)))
        # A trailing _1 is what the classic tags have: there, nodes took the bare names.
        tf.summary.scalar('mean_1', mean)
        tf.summary.scalar('stddev_1', stddev)
        tf.summary.scalar('max_1', tf.reduce_max(variable))
        tf.summary.scalar('min_1', tf.reduce_min(variable))
        tf.summary.histogram('histogram', variable)
