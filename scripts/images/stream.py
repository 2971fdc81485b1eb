"""Photos on disk as batches of pixels, decoded and resized in parallel."""

import os

import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.images import pixels

# Large enough to keep a processor busy, small enough for a Jetson's memory. The last bits of a
# network's output depend on the batch size, so it is the same everywhere.
BATCH_SIZE = 32

# Stands in a list of paths for a photo that cannot be read; its pixels are zeros.
BLANK_PATH = ''

_BATCHES_AHEAD = 2


def or_blank(path_tensor, spec, load):
    """Returns `load()`, the pixels of a photo, or zeros where the path is BLANK_PATH."""
    shape = [spec.height, spec.width, 3]
    image = tf.cond(tf.equal(path_tensor, BLANK_PATH), lambda: tf.zeros(shape), load)
    image.set_shape(shape)
    return image


def batches(elements, to_pixels):
    """Turns a tf.data.Dataset into one of batches of pixels.

    Args:
      elements: a Dataset with one element a photo.
      to_pixels: takes an element, returns float32 `[height, width, 3]`.

    Returns:
      A Dataset of float32 `[batch, height, width, 3]`, BATCH_SIZE each and in order; the last one
      may be shorter.
    """
    images = elements.map(to_pixels, num_parallel_calls=os.cpu_count())
    return images.batch(BATCH_SIZE).prefetch(_BATCHES_AHEAD)


def find_unreadable(paths):
    """Decodes each photo alone.

    Args:
      paths: list of str.

    Returns:
      A dict from the path of each photo that cannot be read to the reason, one line.
    """
    unreadable = {}
    graph = tf.Graph()
    with graph.as_default():
        path_tensor = tf.placeholder(tf.string, [])
        # The shape, not the pixels: they need not come out of the graph.
        shape_tensor = tf.shape(pixels.decode(tf.read_file(path_tensor)))
    with open_session(graph) as session:
        for path in paths:
            try:
                session.run(shape_tensor, {path_tensor: os.fsencode(path)})
            except tf.errors.OpError as error:
                unreadable[path] = error.message.split('\n')[0]
    return unreadable
