"""Trains the sample network on drawn things."""

import logging
import multiprocessing
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.progress import Progress
from scripts.sample import network, things

BATCH_SIZE = 32
_COARSE_FRACTION = 2 / 3  # Of the steps: those take a quarter of the time and teach most.
_CALIBRATION_STEPS = 200  # Batches after which moving averages have forgotten their start.
_STEPS_BETWEEN_REPORTS = 500
_PEAK_RATE = 0.03
_LOGITS_SPREAD = 4.0  # Standard deviation; suits a learning rate of 0.01.

_LOG = logging.getLogger(__name__)


class Settings(NamedTuple):
    """How the network is made."""

    steps: int  # Batches of BATCH_SIZE; 0 leaves the weights random.
    seed: int


def draw_images(images_per_form, seed):
    """Draws the pictures to train on, on all processors.

    Returns:
      images: uint8 array `[count, IMAGE_SIZE, IMAGE_SIZE, 3]`, the forms taking turns.
      labels: int32 array `[count]`, each an index into things.CLASSES.
    """
    count = images_per_form * len(things.FORMS)
    images = np.empty([count, network.IMAGE_SIZE, network.IMAGE_SIZE, 3], np.uint8)
    labels = np.array([_label(i) for i in range(count)], np.int32)
    pictures = (
        things.Picture(things.CLASSES[label], (seed, i), network.IMAGE_SIZE)
        for i, label in enumerate(labels)
    )
    # Not forked: the copy of a process in which TensorFlow 2 is loaded hangs now and then.
    processes = multiprocessing.get_context('spawn')
    with processes.Pool() as pool, Progress('Pictures', count, 'pictures') as progress:
        for i, image in enumerate(pool.imap(things.draw_array, pictures, chunksize=64)):
            images[i] = image
            progress.advance(1)
    return images, labels


def _label(i):
    """Returns the class of picture `i`: most are plain, where form is all there is to see."""
    textures = len(things.FILLINGS)
    turn = i // len(things.FORMS) % (2 * textures)
    return i % len(things.FORMS) * textures + (turn if turn < textures else 0)


def batches(images, labels, steps, coarse_steps, seed):
    """Yields `steps` batches: float32 `[BATCH_SIZE, size, size, 3]`, -1 to 1, and their labels.

    The first `coarse_steps` of them show every other pixel. A batch is turned by a quarter or
    mirrored and shifted as one, and each image's colour channels change places, at no cost to
    speak of; no class depends on any of that.
    """
    random = np.random.RandomState(seed)
    channels = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    for i in range(steps):
        chosen = random.randint(len(images), size=BATCH_SIZE)
        every = 2 if i < coarse_steps else 1
        batch = np.rot90(images[chosen, ::every, ::every], random.randint(4), axes=(1, 2))
        batch = batch[:, :, :: random.choice([-1, 1])]
        batch = np.roll(batch, random.randint(-6, 7, 2), axis=(1, 2))
        mix = channels[random.randint(len(channels), size=BATCH_SIZE)]
        batch = np.take_along_axis(batch, mix[:, np.newaxis, np.newaxis, :], axis=3)
        normalized = (batch - np.float32(network.PIXEL_MEAN)) / np.float32(network.PIXEL_STD)
        yield normalized, labels[chosen]


def train(images, labels, settings):
    """Returns the network, trained on `draw_images`'s result, as a frozen GraphDef."""
    with tf.Graph().as_default():
        tf.set_random_seed(settings.seed)
        images_tensor = tf.placeholder(tf.float32, [None, None, None, 3])
        labels_tensor = tf.placeholder(tf.int32, [None])
        logits = network.build(images_tensor, len(things.CLASSES), training=True)
        loss = _loss(labels_tensor, logits)
        hits = tf.reduce_mean(tf.cast(tf.nn.in_top_k(logits, labels_tensor, 1), tf.float32))
        statistics = tf.group(*tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        step = tf.train.create_global_step()
        rate = tf.train.cosine_decay(_PEAK_RATE, step, max(settings.steps, 1))
        descent = tf.train.AdamOptimizer(rate, epsilon=1e-5).minimize(loss, global_step=step)
        start = tf.global_variables_initializer()
        tf.get_default_graph().finalize()
        stream = batches(
            images, labels, settings.steps, int(_COARSE_FRACTION * settings.steps), settings.seed
        )
        with tf.Session() as session, Progress('Training', settings.steps, 'steps') as progress:
            session.run(start)
            for i, (batch, truth) in enumerate(stream, 1):
                _, loss_value, accuracy = session.run(
                    [(descent, statistics), loss, hits],
                    {images_tensor: batch, labels_tensor: truth},
                )
                progress.advance(1)
                if i % _STEPS_BETWEEN_REPORTS == 0:
                    _LOG.info('step %d: loss %.2f, accuracy %.1f%%', i, loss_value, 100 * accuracy)
            sample = batches(images, labels, _CALIBRATION_STEPS, 0, settings.seed)
            seen = [
                session.run([logits, statistics], {images_tensor: batch})[0] for batch, _ in sample
            ]
            values = network.values(session)
    return network.freeze(_centred(values, np.concatenate(seen)), len(things.CLASSES))


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


def _centred(values, logits):
    """Returns the network's values with logits of mean 0 and of _LOGITS_SPREAD over the pictures.

    A new layer is trained on the logits by plain gradient descent, which an offset that all
    images share, or a large scale, holds up. It also puts a random network on an equal footing.
    """
    scale = _LOGITS_SPREAD / logits.std(axis=0).mean()
    weights, biases = network.LOGITS + '/weights', network.LOGITS + '/biases'
    return dict(
        values,
        **{
            weights: values[weights] * scale,
            biases: (values[biases] - logits.mean(axis=0)) * scale,
        },
    )
