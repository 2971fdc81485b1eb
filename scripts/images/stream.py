"""Photos on disk as batches of pixels, decoded and resized in parallel."""

import collections
import logging
import os
from concurrent import futures

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.images import pixels

# Large enough to keep a processor busy, small enough for a Jetson's memory. The last bits of a
# network's output depend on the batch size, so it is the same everywhere.
BATCH_SIZE = 32

_BLANK_PATH = ''  # In the place of a photo that cannot be read; its pixels are zeros.
_BATCHES_AHEAD = 2
_BATCHES_AT_ONCE = 2

_LOG = logging.getLogger(__name__)


def groups(count):
    """Returns the slices of BATCH_SIZE that `count` photos fall into; the last may be shorter."""
    return [slice(start, min(start + BATCH_SIZE, count)) for start in range(0, count, BATCH_SIZE)]


def batches(elements, to_pixels):
    """Turns a tf.data.Dataset into one of batches of pixels.

    Args:
      elements: a Dataset with one element a photo.
      to_pixels: takes an element, returns float32 `[height, width, 3]`.

    Returns:
      A Dataset of float32 `[batch, height, width, 3]`, BATCH_SIZE each and in order; the last one
      may be shorter.
    """
    # AutoGraph would rewrite to_pixels, which has no Python branches, through files in /tmp: 1 s.
    as_it_is = tf.autograph.experimental.do_not_convert(to_pixels)
    images = elements.map(as_it_is, num_parallel_calls=os.cpu_count())
    return images.batch(BATCH_SIZE).prefetch(_BATCHES_AHEAD)


def run(spec, build, paths):
    """Runs photos through a graph, batch by batch, while the next ones are decoded.

    A photo that cannot be read is left out with a warning.

    Args:
      spec: a `settings.PixelSpec`.
      build: takes float32 `[batch, height, width, 3]`, normalized, adds what is to be run to the
        current graph, and returns the tensor to fetch, `[batch, ...]`.
      paths: list of lists of str, BATCH_SIZE each but for the last.

    Yields:
      For each list, the fetched values, `[batch, ...]`, and a bool array `[batch]` of which photos
      are readable; the values of others mean nothing.
    """
    paths = [list(batch) for batch in paths]
    graph = tf.Graph()
    with graph.as_default():
        paths_tensor = tf.placeholder(tf.string, [None])
        elements = tf.data.Dataset.from_tensor_slices(paths_tensor)
        iterator = tf.data.make_initializable_iterator(
            batches(elements, lambda path_tensor: _load_or_blank(path_tensor, spec))
        )
        next_tensor = iterator.get_next()
        pixels_tensor = tf.placeholder(tf.float32, [None, spec.height, spec.width, 3])
        fetched_tensor = build(pixels_tensor)
    with open_session(graph) as session:

        def restart(remaining):
            session.run(iterator.initializer, {paths_tensor: remaining})

        decoded = _decoded(paths, restart, lambda: session.run(next_tensor))
        results = overlapped(
            lambda batch: session.run(fetched_tensor, {pixels_tensor: batch}), decoded
        )
        for values, batch in zip(results, paths):
            yield values, np.array([path != _BLANK_PATH for path in batch])


def overlapped(function, arguments):
    """Yields `function(argument)` for each of the arguments, in order, a few at a time.

    A network does not keep all processors busy all the time: another batch fills the gaps.
    """
    with futures.ThreadPoolExecutor(_BATCHES_AT_ONCE) as pool:
        running = collections.deque()
        for argument in arguments:
            running.append(pool.submit(function, argument))
            if len(running) > _BATCHES_AT_ONCE:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _decoded(paths, restart, next_batch):
    """Yields the pixels of each list of paths; in `paths`, those that cannot be read become blank.

    Args:
      paths: list of lists of str.
      restart: takes a list of encoded paths, and begins to decode these.
      next_batch: returns the pixels of the next BATCH_SIZE of them.
    """
    position = 0
    while position < len(paths):
        restart([os.fsencode(path) for batch in paths[position:] for path in batch])
        while position < len(paths):
            try:
                batch = next_batch()
            except tf.errors.OpError:
                # One photo fails its whole batch. With a blank in its place, and its batch mates
                # where they were, the stream starts again from here.
                unreadable = report_unreadable([path for path in paths[position] if path])
                if not unreadable:
                    raise
                paths[position] = [
                    _BLANK_PATH if path in unreadable else path for path in paths[position]
                ]
                break
            yield batch
            position += 1


def report_unreadable(paths):
    """Decodes each photo alone.

    Args:
      paths: list of str.

    Returns:
      The set of paths of photos that cannot be read; for each there is a warning with the reason.
    """
    graph = tf.Graph()
    with graph.as_default():
        path_tensor = tf.placeholder(tf.string, [])
        # The shape, not the pixels: they need not come out of the graph.
        shape_tensor = tf.shape(pixels.decode(tf.read_file(path_tensor)))

    def reason(path):
        try:
            session.run(shape_tensor, {path_tensor: os.fsencode(path)})
        except tf.errors.OpError as error:
            return error.message.split('\n')[0]
        return None

    unreadable = set()
    with open_session(graph) as session, futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, why in zip(paths, pool.map(reason, paths)):
            if why is not None:
                _LOG.warning('photo %s cannot be read and is left out: %s', path, why)
                unreadable.add(path)
    return unreadable


def _load_or_blank(path_tensor, spec):
    shape = [spec.height, spec.width, 3]
    image_tensor = tf.cond(
        tf.equal(path_tensor, _BLANK_PATH),
        lambda: tf.zeros(shape),
        lambda: pixels.load(path_tensor, spec),
    )
    image_tensor.set_shape(shape)
    return image_tensor
