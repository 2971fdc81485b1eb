"""JPEGs decoded at a part of their size, which takes a part of the time.

The decoder computes fewer pixels of each block of 8 x 8; their values are means of those that it
leaves out.
"""

import functools
import logging
import statistics
import time

import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.images import formats
from scripts.images.settings import FAST

_LOG = logging.getLogger(__name__)

_RATIOS = (8, 4, 2)
_MUCH = 4  # The ratio from which on it is worth a line.
_LOOKED_AT = 32  # Photos.


def decode_jpeg(contents_tensor, enough):
    """Decodes a JPEG.

    Args:
      contents_tensor: scalar string.
      enough: the (height, width) that it has to have at least: it is decoded at the smallest of
        its whole size, 1/2, 1/4 and 1/8 that is as large; None: at its whole size.

    Returns:
      uint8 tensor `[height, width, 3]`.
    """
    whole = functools.partial(tf.image.decode_jpeg, contents_tensor, channels=3)
    if enough is None:
        return whole()
    size_tensor = tf.image.extract_jpeg_shape(contents_tensor)[:2]

    def is_enough(ratio):
        # The decoder rounds up.
        return tf.reduce_all((size_tensor + (ratio - 1)) // ratio >= enough)

    cases = [(is_enough(ratio), functools.partial(whole, ratio=ratio)) for ratio in _RATIOS]
    # The decoder's own bound is on what it decodes: the part.
    pixels_tensor = tf.reduce_prod(tf.cast(size_tensor, tf.int64))
    with tf.control_dependencies(
        [tf.Assert(pixels_tensor <= formats.MOST_PIXELS, ['JPEG too large', size_tensor])]
    ):
        return tf.case(cases, whole)


def reduced(width, height, enough):
    """Returns the (width, height) at which `decode_jpeg` decodes a JPEG."""
    ratio = ratio_of(width, height, enough)
    return -(-width // ratio), -(-height // ratio)


def ratio_of(width, height, enough):
    """Returns 8, 4, 2 or 1: the part of its sides at which `decode_jpeg` decodes a JPEG."""
    for ratio in _RATIOS:
        if enough and -(-height // ratio) >= enough[0] and -(-width // ratio) >= enough[1]:
            return ratio
    return 1


def report(paths, spec):
    """Says, in one line, where many photos are much larger than they need be, and what that costs.

    Args:
      paths: list of str, of photos that are to be decoded, of which a few are looked at.
      spec: a `settings.PixelSpec`.
    """
    enough = spec._replace(decode=FAST).enough
    if enough == spec.enough or len(paths) < _LOOKED_AT:
        return
    found = []
    for path in paths[:: len(paths) // _LOOKED_AT]:
        name, size = formats.of_file(path) or (None, None)
        if name == formats.JPEG:
            found.append((ratio_of(*size, enough=enough), size, path))
    if not found or statistics.median_low(found)[0] < _MUCH:
        return
    _, (width, height), path = statistics.median_low(found)
    try:
        whole, part = _milliseconds(path, (None, enough))
    except (OSError, tf.errors.OpError):
        return  # It is unreadable, which is told where it is to be used.
    _LOG.info(
        'Photos of %d x %d pixels, as many of these are, take %.0f ms each to decode; with '
        '--decode=fast, which decodes JPEGs at a part of their size, still no smaller than '
        '%d x %d, %.0f ms',
        width,
        height,
        whole,
        enough[1],
        enough[0],
        part,
    )


def _milliseconds(path, sizes):
    """Returns how long it takes to decode a JPEG, in ms, for each of some sizes that are enough.

    Raises:
      OSError, tf.errors.OpError: it is unreadable.
    """
    graph, took = tf.Graph(), []
    with graph.as_default(), tf.device('/cpu:0'):
        contents_tensor = tf.placeholder(tf.string, [])
        images = [decode_jpeg(contents_tensor, enough) for enough in sizes]
    with open(path, 'rb') as file, open_session(graph) as session:
        fed = {contents_tensor: file.read()}
        for image_tensor in images:
            session.run(image_tensor.op, fed)
            start = time.perf_counter()
            session.run(image_tensor.op, fed)
            took.append((time.perf_counter() - start) * 1e3)
    return took
