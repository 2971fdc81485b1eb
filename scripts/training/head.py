"""The head: the new layers with their training step, metrics and summaries, as a graph.

The names of nodes and summary tags are a contract: people compare runs in TensorBoard by them.
"""

import typing

import tensorflow.compat.v1 as tf

from scripts.training import optimizing

# Small enough that all classes start out equal, not zero so that TensorBoard shows it move.
_INITIAL_STDDEV = 0.001

# Collections of summaries that not every step has, as TensorFlow's own has those that it has: the
# histograms of large layers take longer than a step.
AT_EVALUATIONS, _AT_STEPS = 'summaries_at_evaluations', 'summaries_at_steps'

# What the names of the new nodes begin with; TensorFlow puts a number behind `input`.
SCOPES = ('input', 'input_1', 'final_training_ops', 'cross_entropy', 'train', 'accuracy')


class Head(typing.NamedTuple):
    """Tensors and operations of the head.

    ground_truth_input: int64 `[batch]`, fed.
    step_input: int32 scalar, fed to train_step: the number of the step, on which the dropout and
      the learning rate depend.
    train_step: one step of the optimizer, of all variables.
    cross_entropy, accuracy: float32 scalars.
    scores: float32 `[batch, label_count]`, the softmax.
    step_summaries, evaluation_summaries: scalar strings, the summaries of a step and those of an
      evaluation.
    """

    ground_truth_input: tf.Tensor
    step_input: tf.Tensor
    train_step: tf.Operation
    cross_entropy: tf.Tensor
    accuracy: tf.Tensor
    scores: tf.Tensor
    step_summaries: tf.Tensor
    evaluation_summaries: tf.Tensor


class _Layers(typing.NamedTuple):
    """The dense layers of the head, as pairs of variables: weights `[inputs, units]`, and biases.

    hidden: list of those before the softmax, ReLU.
    last: the pair of the softmax.
    """

    hidden: typing.Sequence[typing.Tuple[tf.Variable, tf.Variable]]
    last: typing.Tuple[tf.Variable, tf.Variable]

    def logits(self, bottlenecks):
        """Returns the logits, float32 `[batch, label_count]`, of bottlenecks."""
        values = bottlenecks
        for layer in self.hidden:
            values = _hidden(values, *layer)
        return _dense(values, *self.last)

    @property
    def weights(self):
        """List of the variables of weights."""
        return [weights for weights, _ in self.hidden] + [self.last[0]]


def add(bottleneck_tensor, label_count, settings, decayed=(), in_training=None):
    """Adds a head behind a network, to the current graph; returns a `Head`.

    Args:
      bottleneck_tensor: float32 `[batch, length]`.
      label_count: int, how many labels there are.
      settings: a `settings.Training`.
      decayed: variables of the network that have weight decay where the head has.
      in_training: where the network gives others in training, takes the number of the step, int32
        scalar, and returns those bottlenecks and a list of operations of the step; or None.
    """
    bottleneck_input, ground_truth_input = _inputs(bottleneck_tensor)
    layers, logits = _logits(bottleneck_input, label_count, settings)
    final_tensor = tf.nn.softmax(logits, name=settings.final_tensor_name)
    tf.summary.histogram('activations', final_tensor)

    with tf.name_scope('cross_entropy'):
        cross_entropy = _mean_cross_entropy(ground_truth_input, logits)
    tf.summary.scalar('cross_entropy', cross_entropy)
    with tf.name_scope('train'):
        step_input = tf.placeholder_with_default(0, [], name='StepInput')
        unchanged = bottleneck_input, []
        trained_on, updates = in_training(step_input) if in_training else unchanged
        if settings.dropout:  # Of bottlenecks: what hidden layers give is never dropped.
            trained_on = _drop_out(trained_on, step_input, settings)
        loss = cross_entropy
        if trained_on is not bottleneck_input:
            loss = _mean_cross_entropy(ground_truth_input, layers.logits(trained_on))
        loss = optimizing.with_decay(loss, layers.weights + list(decayed), settings)
        rate = optimizing.learning_rate(settings, step_input)
        train_step = optimizing.minimize(loss, rate, settings)
        train_step = tf.group(train_step, *updates) if updates else train_step
    if isinstance(rate, tf.Tensor):
        tf.summary.scalar('learning_rate', rate, collections=[_AT_STEPS])
    with tf.name_scope('accuracy'):
        accuracy = _accuracy(final_tensor, ground_truth_input)
    tf.summary.scalar('accuracy', accuracy)
    summaries = tf.summary.merge_all()
    return Head(
        ground_truth_input=ground_truth_input,
        step_input=step_input,
        train_step=train_step,
        cross_entropy=cross_entropy,
        accuracy=accuracy,
        scores=final_tensor,
        step_summaries=_with_others(summaries, _AT_STEPS),
        evaluation_summaries=_with_others(summaries, AT_EVALUATIONS),
    )


def _inputs(bottleneck_tensor):
    """Returns the placeholders of bottlenecks and of their labels."""
    shape = [None, bottleneck_tensor.shape.as_list()[1]]
    with tf.name_scope('input'):
        return (
            tf.placeholder_with_default(bottleneck_tensor, shape, 'BottleneckInputPlaceholder'),
            tf.placeholder(tf.int64, [None], 'GroundTruthInput'),
        )


def _with_others(summaries, collection):
    """Returns summaries, a scalar string, together with those of a collection."""
    others = tf.get_collection(collection)
    return tf.summary.merge([summaries] + others) if others else summaries


def _logits(bottleneck_input, label_count, settings):
    """Returns the `_Layers` and the logits, float32 `[batch, label_count]`."""
    values, seed = bottleneck_input, settings.random_seed
    with tf.name_scope('final_training_ops'):
        hidden = []
        for number, units in enumerate(settings.hidden_units, 1):
            with tf.name_scope('hidden_%d' % number):
                hidden.append(_hidden_layer([values.shape.as_list()[1], units], seed + number))
                values = _hidden(values, *hidden[-1])
        shape = [values.shape.as_list()[1], label_count]
        with tf.name_scope('weights'):
            # A seed of its own: what TensorFlow draws without one depends on its version.
            weights = tf.Variable(
                tf.truncated_normal(shape, stddev=_INITIAL_STDDEV, seed=seed), name='final_weights'
            )
            _summarize(weights)
        with tf.name_scope('biases'):
            biases = tf.Variable(tf.zeros([label_count]), name='final_biases')
            _summarize(biases)

        with tf.name_scope('Wx_plus_b'):
            logits = _dense(values, weights, biases)
            tf.summary.histogram('pre_activations', logits)
    return _Layers(hidden, (weights, biases)), logits


def _hidden_layer(shape, seed):
    """Returns the variables of a hidden layer: weights of a shape, and biases."""
    with tf.name_scope('weights'):
        # As He et al. begin (https://arxiv.org/abs/1502.01852): ReLU keeps the spread of values.
        spread = (2 / shape[0]) ** 0.5
        weights = tf.Variable(
            tf.truncated_normal(shape, stddev=spread, seed=seed), name='hidden_weights'
        )
        tf.summary.histogram('histogram', weights, collections=[AT_EVALUATIONS])
    with tf.name_scope('biases'):
        biases = tf.Variable(tf.zeros(shape[1:]), name='hidden_biases')
        tf.summary.histogram('histogram', biases, collections=[AT_EVALUATIONS])
    return weights, biases


def _hidden(values, weights, biases):
    return tf.nn.relu(_dense(values, weights, biases))


def _dense(values, weights, biases):
    # Not the operator, nor TensorFlow 2's tf.add: those make an AddV2, which TensorFlow before 1.15
    # and OpenCV do not know.
    return tf.raw_ops.Add(x=tf.matmul(values, weights), y=biases, name='add')


def _accuracy(scores, ground_truth):
    correct = tf.equal(tf.argmax(scores, 1), ground_truth)
    return tf.reduce_mean(tf.cast(correct, tf.float32))


def _mean_cross_entropy(ground_truth, logits):
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ground_truth, logits=logits)
    )


def _drop_out(bottlenecks, step_input, settings):
    """Returns bottlenecks of which a fraction is zero and the rest larger by as much.

    What is dropped depends on the seed and the step alone, so that a run can be resumed.
    """
    draws = tf.random.stateless_uniform(
        tf.shape(bottlenecks), tf.stack([settings.random_seed, step_input])
    )
    kept = tf.cast(draws >= settings.dropout, tf.float32)
    return bottlenecks * kept / (1.0 - settings.dropout)


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
