"""One photo as pixels, for programs that run graphs by themselves."""

import functools
import os

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs.session import open_session
from scripts.images import bad_images, pixels


def load(path, spec):
    """Returns what a network is fed for the photo at `path`: float32 `[1, height, width, 3]`.

    Args:
      path: the photo's.
      spec: a `settings.PixelSpec`.

    Raises:
      UserError: the photo cannot be read.
    """
    try:
        image = _reader(spec)(os.fsencode(path))
        wrong = bad_images.hole_in(path)
    except tf.errors.OpError:
        wrong = bad_images.why_unreadable(path)
    if wrong is not None:
        raise UserError('the photo %s cannot be read: it %s' % (path, wrong))
    return image


@functools.lru_cache(maxsize=4)
def _reader(spec):
    """Returns a function from a path, in bytes, to pixels; making it takes longer than most photos.

    It may be called by several threads.
    """
    with tf.Graph().as_default() as graph:
        path_tensor = tf.placeholder(tf.string, [])
        pixels_tensor = pixels.load(path_tensor, spec)[tf.newaxis]
    session = open_session(graph)
    return lambda path: session.run(pixels_tensor, {path_tensor: path})
