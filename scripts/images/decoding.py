"""Photos decoded, as they may be kept, and what takes kept ones up again."""

import contextlib
import functools
import os

import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.images import bad_images, formats, pixels, reduction, runner

NOT_KEPT = -1  # In the place of a photo's number.


def decode_all(paths, spec, policy=bad_images.SKIP):
    """Decodes photos, a few at a time.

    Args:
      paths: list of str.
      spec: a `settings.PixelSpec`, of which the size counts only where decoding is fast.
      policy: of `bad_images`.

    Yields:
      For each path uint8 `[height, width, channels]`, or None for an unreadable photo, of which
      there is a warning with the reason.

    Raises:
      UserError: a photo is unreadable, and the policy is to stop.
    """
    graph = tf.Graph()
    with graph.as_default(), tf.device('/cpu:0'):
        path_tensor = tf.placeholder(tf.string, [])
        image_tensor = _decode(path_tensor, spec)
    with open_session(graph) as session:
        decode = functools.partial(_decode_one, session, image_tensor, path_tensor)
        results = runner.overlapped(decode, paths, os.cpu_count() or 1)
        with contextlib.closing(results):
            for path, (image, why) in zip(paths, results):
                if why is not None:
                    bad_images.report(path, why, policy)
                yield image


def size_of(path, spec):
    """Returns how many bytes a photo takes when it is decoded; 0 of one that does not tell."""
    name, (width, height) = formats.of_file(path) or (None, (0, 0))
    if name == formats.JPEG:
        width, height = reduction.reduced(width, height, spec.enough)
    pixels_in_it = width * height
    return pixels_in_it * spec.channels if 0 < pixels_in_it <= formats.MOST_PIXELS else 0


def photo(number_tensor, path_tensor, image_of, spec):
    """Returns a decoded photo, uint8 `[height, width, channels]`: the kept one, or else its file's.

    Args:
      number_tensor: int64 scalar, what `image_of` knows the photo by; NOT_KEPT: it is read.
      path_tensor: scalar string, its path.
      image_of: takes the number, returns uint8 `[height, width, channels]`; None: none is kept.
      spec: a `settings.PixelSpec`.
    """
    if image_of is None:
        return _decode(path_tensor, spec)
    image_tensor = tf.cond(
        tf.equal(number_tensor, NOT_KEPT),
        lambda: _decode(path_tensor, spec),
        lambda: tf.numpy_function(image_of, [number_tensor], tf.uint8),
    )
    image_tensor.set_shape([None, None, spec.channels])
    return image_tensor


def _decode(path_tensor, spec):
    contents_tensor = pixels.read(path_tensor)
    return pixels.decode(contents_tensor, spec.exif_rotation, spec.channels, spec.enough)


def _decode_one(session, image_tensor, path_tensor, path):
    """Returns the image, and None; or None, and what is wrong with the photo."""
    try:
        image = session.run(image_tensor, {path_tensor: os.fsencode(path)})
    except tf.errors.OpError:
        return None, bad_images.why_unreadable(path)
    why = bad_images.hole_in(path)
    return (image, None) if why is None else (None, why)
