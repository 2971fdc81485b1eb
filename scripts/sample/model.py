"""The sample network while it is trained: the model that `fit` trains."""

import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.sample import network, things
from scripts.training.model import Result

PEAK_RATE = 0.03


class Model:
    """The network as a graph with a session, without checkpoints; used as a context manager.

    Args:
      steps: int, after how many the learning rate is 0.
      seed: int, of the initial weights.
    """

    def __init__(self, steps, seed):
        graph = tf.Graph()
        with graph.as_default():
            tf.set_random_seed(seed)
            self._images = tf.placeholder(tf.float32, [None, None, None, 3])
            self._labels = tf.placeholder(tf.int64, [None])
            self._logits = network.build(self._images, len(things.CLASSES), training=True)
            self._variables = {each.op.name: each for each in tf.global_variables()}
            self._statistics = tf.group(*tf.get_collection(tf.GraphKeys.UPDATE_OPS))
            self._measured = self._measures()
            self._step = tf.placeholder(tf.int32, [])
            rate = tf.train.cosine_decay(PEAK_RATE, self._step, max(steps, 1))
            descent = tf.train.AdamOptimizer(rate, epsilon=1e-5)
            loss = _loss(self._labels, self._logits)
            self._train_step = tf.group(descent.minimize(loss), self._statistics)
            initializer = tf.global_variables_initializer()
        self._session = open_session(graph)
        self._session.run(initializer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session.close()

    def _measures(self):
        """Returns the tensors of accuracy, cross entropy, and scores."""
        hits = tf.nn.in_top_k(self._logits, self._labels, 1)
        cross_entropy = tf.losses.sparse_softmax_cross_entropy(self._labels, self._logits)
        accuracy = tf.reduce_mean(tf.cast(hits, tf.float32))
        return accuracy, cross_entropy, tf.nn.softmax(self._logits)

    def train(self, step, batch, _):
        """Trains step number `step`, from 0 on, on a `Batch`; there are no summaries."""
        fed = self._fed(batch)
        fed[self._step] = step
        self._session.run(self._train_step, fed)

    def evaluate(self, batch):
        """Returns the `Result` on a `Batch`, each normalized by its own statistics."""
        accuracy, cross_entropy, scores = self._session.run(self._measured, self._fed(batch))
        return Result(float(accuracy), float(cross_entropy), scores, None)

    def calibrate(self, batch):
        """Lets the moving averages see a `Batch`; returns its logits, `[n, classes]`."""
        return self._session.run([self._logits, self._statistics], self._fed(batch))[0]

    def values(self):
        """Returns a dict from the name of each variable, but the optimizer's, to its value."""
        return self._session.run(self._variables)

    def _fed(self, batch):
        return {self._images: batch.features, self._labels: batch.labels}


def _loss(labels, logits):
    """The cross entropy of the form and of the filling, each summed over the other.

    Told both at once, a network learns either from all pictures that show it: much faster than
    the classes one by one.
    """
    textures = len(things.FILLINGS)
    pairs = tf.reshape(logits, [-1, len(things.FORMS), textures])
    form = tf.losses.sparse_softmax_cross_entropy(
        labels // textures, tf.reduce_logsumexp(pairs, axis=2)
    )
    filling = tf.losses.sparse_softmax_cross_entropy(
        labels % textures, tf.reduce_logsumexp(pairs, axis=1)
    )
    return form + 0.5 * filling
