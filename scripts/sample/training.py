"""Trains the sample network on drawn things."""

import multiprocessing

import numpy as np

from scripts.common.progress import Progress
from scripts.sample import network, things
from scripts.sample.model import PEAK_RATE, Model
from scripts.training.batches import Batch, of_arrays
from scripts.training.fit import fit
from scripts.training.settings import Training

BATCH_SIZE = 32
_COARSE_FRACTION = 2 / 3  # Of the steps: those take a quarter of the time and teach most.
_CALIBRATION_BATCHES = 200  # After as many, moving averages have forgotten their start.
_STEPS_BETWEEN_REPORTS = 500
_LOGITS_SPREAD = 4.0  # Standard deviation; suits a learning rate of 0.01.

_CHANNELS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
_NO_PHOTOS = of_arrays(np.empty([0, 0, 0, 3], np.float32), np.empty(0, np.int64), [])


def draw_images(images_per_form, seed):
    """Draws the pictures to train on, on all processors.

    Returns:
      images: uint8 array `[count, IMAGE_SIZE, IMAGE_SIZE, 3]`, the forms taking turns.
      labels: int64 array `[count]`, each an index into things.CLASSES.
    """
    count = images_per_form * len(things.FORMS)
    images = np.empty([count, network.IMAGE_SIZE, network.IMAGE_SIZE, 3], np.uint8)
    labels = np.array([_label(i) for i in range(count)], np.int64)
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


class Batches:
    """Batches of float32 `[BATCH_SIZE, size, size, 3]`, -1 to 1, and their labels, without end.

    A batch is turned by a quarter or mirrored and shifted as one, and each image's colour channels
    change places, at no cost to speak of; no class depends on any of that.

    Args:
      images, labels: as `draw_images` returns them.
      coarse: int, how many batches, the first ones, show every other pixel.
      seed: int.
    """

    def __init__(self, images, labels, coarse, seed):
        self._images, self._labels, self._coarse = images, labels, coarse
        self._random = np.random.RandomState(seed)

    def next(self):
        """Returns the next `Batch`."""
        random, every = self._random, 2 if self._coarse > 0 else 1
        self._coarse -= 1
        chosen = random.randint(len(self._images), size=BATCH_SIZE)
        batch = np.rot90(self._images[chosen, ::every, ::every], random.randint(4), axes=(1, 2))
        batch = batch[:, :, :: random.choice([-1, 1])]
        batch = np.roll(batch, random.randint(-6, 7, 2), axis=(1, 2))
        mix = _CHANNELS[random.randint(len(_CHANNELS), size=BATCH_SIZE)]
        batch = np.take_along_axis(batch, mix[:, np.newaxis, np.newaxis, :], axis=3)
        normalized = (batch - np.float32(network.PIXEL_MEAN)) / np.float32(network.PIXEL_STD)
        return Batch(normalized, self._labels[chosen])

    def skip(self, count):
        """Passes over `count` batches."""
        for _ in range(count):
            self.next()


def run(images, labels, steps, seed):
    """Returns the network, trained on `draw_images`'s result, as a frozen GraphDef.

    Args:
      images, labels: as `draw_images` returns them.
      steps: int, batches of BATCH_SIZE; 0 leaves the weights random.
      seed: int.
    """
    settings = Training(
        how_many_training_steps=steps,
        learning_rate=PEAK_RATE,
        random_seed=seed,
        train_batch_size=BATCH_SIZE,
        eval_step_interval=_STEPS_BETWEEN_REPORTS,
    )
    with Model(steps, seed) as model:
        batches = Batches(images, labels, int(_COARSE_FRACTION * steps), seed)
        fit(model, batches, _NO_PHOTOS, settings)
        batches = Batches(images, labels, 0, seed)
        logits = [model.calibrate(batches.next()) for _ in range(_CALIBRATION_BATCHES)]
        values = model.values()
    return network.freeze(_centred(values, np.concatenate(logits)), len(things.CLASSES))


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
