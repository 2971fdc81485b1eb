"""Photos on disk as batches of pixels, decoded and resized in parallel."""

import collections
import os
from concurrent import futures

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.images import bad_images, pixels

# Large enough to keep a processor busy, small enough for a Jetson's memory. The last bits of a
# network's output depend on the batch size, so it is the same everywhere.
BATCH_SIZE = 32

BLANK_PATH = ''  # In the place of a photo that cannot be read; its pixels are zeros.
_BATCHES_AHEAD = 2
_BATCHES_AT_ONCE = 2


def groups(count, size=BATCH_SIZE):
    """Returns the slices of `size` that `count` photos fall into; the last may be shorter."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def batches(elements, to_pixels, size=BATCH_SIZE):
    """Turns a tf.data.Dataset into one of batches of pixels.

    Args:
      elements: a Dataset with one element a photo.
      to_pixels: takes an element, returns float32 `[height, width, 3]`.
      size: of a batch.

    Returns:
      A Dataset of float32 `[batch, height, width, 3]`, in order; the last one may be shorter.
    """
    # AutoGraph would rewrite to_pixels, which has no Python branches, through files in /tmp: 1 s.
    as_it_is = tf.autograph.experimental.do_not_convert(to_pixels)
    images = elements.map(as_it_is, num_parallel_calls=os.cpu_count())
    return images.batch(size).prefetch(_BATCHES_AHEAD)


def run(spec, build, paths, policy=bad_images.SKIP):
    """Runs photos through a graph, batch by batch, while the next ones are decoded.

    A photo that cannot be read is left out with a warning, or ends the run.

    Args:
      spec: a `settings.PixelSpec`.
      build: takes float32 `[batch, height, width, 3]`, normalized, adds what is to be run to the
        current graph, and returns the tensor to fetch, `[batch, ...]`.
      paths: list of lists of str, as long as the first one each but for the last; BLANK_PATH in
        the place of a photo that is known to be unreadable.
      policy: of `bad_images`.

    Yields:
      For each list, the fetched values, `[batch, ...]`, and a bool array `[batch]` of which photos
      are readable; the values of others mean nothing.

    Raises:
      UserError: a photo cannot be read, and the policy is to stop.
    """
    paths = [list(batch) for batch in paths]
    size = len(paths[0]) if paths else BATCH_SIZE
    graph = tf.Graph()
    with graph.as_default():
        paths_tensor = tf.placeholder(tf.string, [None])
        elements = tf.data.Dataset.from_tensor_slices(paths_tensor)
        iterator = tf.data.make_initializable_iterator(
            batches(elements, lambda path_tensor: _load_or_blank(path_tensor, spec), size)
        )
        next_tensor = iterator.get_next()
        pixels_tensor = tf.placeholder(tf.float32, [None, spec.height, spec.width, 3])
        fetched_tensor = build(pixels_tensor)
    with open_session(graph) as session:

        def restart(remaining):
            session.run(iterator.initializer, {paths_tensor: remaining})

        decoded = _decoded(paths, policy, restart, lambda: session.run(next_tensor))
        results = overlapped(
            lambda batch: session.run(fetched_tensor, {pixels_tensor: batch}), decoded
        )
        for values, batch in zip(results, paths):
            yield values, np.array([path != BLANK_PATH for path in batch])


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


def _decoded(paths, policy, restart, next_batch):
    """Yields the pixels of each list of paths; in `paths`, those that cannot be read become blank.

    Args:
      paths: list of lists of str.
      policy: of `bad_images`.
      restart: takes a list of encoded paths, and begins to decode these.
      next_batch: returns the pixels of the next batch of them.
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
                unreadable = report_unreadable([path for path in paths[position] if path], policy)
                if not unreadable:
                    raise
                paths[position] = [
                    BLANK_PATH if path in unreadable else path for path in paths[position]
                ]
                break
            paths[position] = _without_holes(paths[position], policy)
            yield batch
            position += 1


def report_unreadable(paths, policy=bad_images.SKIP):
    """Decodes each photo alone.

    Args:
      paths: list of str.
      policy: of `bad_images`.

    Returns:
      The set of paths of photos that cannot be read; for each there is a warning with the reason.

    Raises:
      UserError: there is one, and the policy is to stop.
    """
    if not paths:
        return set()
    graph = tf.Graph()
    with graph.as_default():
        path_tensor = tf.placeholder(tf.string, [])
        # The shape, not the pixels: they need not come out of the graph.
        shape_tensor = tf.shape(pixels.decode(pixels.read(path_tensor)))

    def reason(path):
        try:
            session.run(shape_tensor, {path_tensor: os.fsencode(path)})
        except tf.errors.OpError:
            return bad_images.why_unreadable(path)
        return bad_images.hole_in(path)

    unreadable = set()
    with open_session(graph) as session, futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, why in zip(paths, pool.map(reason, paths)):
            if why is not None:
                bad_images.report(path, why, policy)
                unreadable.add(path)
    return unreadable


def _without_holes(paths, policy):
    """Returns a batch's paths with BLANK_PATH for the photos that decode, but not as they were."""
    kept = []
    for path in paths:
        why = bad_images.hole_in(path) if path else None
        if why is not None:
            bad_images.report(path, why, policy)
        kept.append(path if why is None else BLANK_PATH)
    return kept


def _load_or_blank(path_tensor, spec):
    shape = [spec.height, spec.width, 3]
    image_tensor = tf.cond(
        tf.equal(path_tensor, BLANK_PATH),
        lambda: tf.zeros(shape),
        lambda: pixels.load(path_tensor, spec),
    )
    image_tensor.set_shape(shape)
    return image_tensor
