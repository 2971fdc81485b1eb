"""Running a graph over photos: it takes paths, and gives what the graph gives."""

import collections
import contextlib
import functools
import os
from concurrent import futures

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.images import bad_images, pixels
from scripts.images.settings import PixelSpec

# Large enough to keep a processor busy, small enough for a Jetson's memory. The last bits of a
# network's output depend on the batch size, so it is the same everywhere.
BATCH_SIZE = 32

BLANK_PATH = ''  # In the place of an unreadable photo; its pixels are zeros.
BATCHES_AT_ONCE = 2


def groups(count, size=BATCH_SIZE):
    """Returns the slices of `size` that `count` photos fall into; the last may be shorter."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def overlapped(function, arguments, at_once=BATCHES_AT_ONCE):
    """Yields `function(argument)` for each of the arguments, in order, a few at a time.

    A network does not keep all processors busy all the time: another batch fills the gaps.
    """
    with futures.ThreadPoolExecutor(at_once) as pool:
        running = collections.deque()
        for argument in arguments:
            running.append(pool.submit(function, argument))
            if len(running) > at_once:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def run(spec, build, paths, policy=bad_images.SKIP, hole_in=bad_images.hole_in):
    """Runs photos through a graph once: `Runner` and its `run` say what is taken and yielded."""
    with Runner(spec, build) as runner:
        yield from runner.run(paths, policy, hole_in)


def report_unreadable(paths, policy=bad_images.SKIP):
    """Decodes each photo alone.

    Args:
      paths: list of str.
      policy: of `bad_images`.

    Returns:
      The set of the paths of unreadable photos; for each there is a warning with the reason.

    Raises:
      UserError: there is one, and the policy is to stop.
    """
    if not paths:
        return set()
    unreadable = set()
    with Runner(PixelSpec(1, 1, 0, 1)) as runner:
        whys = overlapped(runner.why_unreadable, paths, os.cpu_count() or 1)
        with contextlib.closing(whys):
            for path, why in zip(paths, whys):
                if why is not None:
                    bad_images.report(path, why, policy)
                    unreadable.add(path)
    return unreadable


class Runner:
    """One graph, in one session, that reads and decodes photos and runs what is built on them.

    Used as a context manager. Its functions may be called by several threads.

    Args:
      spec: a `settings.PixelSpec`.
      build: takes float32 `[batch, height, width, channels]`, normalized, adds what is to be run to
        the current graph, and returns the tensor to fetch, `[batch, ...]`.
    """

    def __init__(self, spec, build=tf.identity):
        graph = tf.Graph()
        with graph.as_default():
            self._paths_tensor = tf.placeholder(tf.string, [None])
            load = functools.partial(_load_or_blank, spec)
            pixels_tensor = map_photos(load, self._paths_tensor, spec)
            self._pixels_tensor = pixels_tensor
            self._fetched_tensor = build(pixels_tensor)
        self._session = open_session(graph)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Frees what the session holds."""
        self._session.close()

    def run(self, paths, policy=bad_images.SKIP, hole_in=bad_images.hole_in):
        """Runs photos through the graph, a batch while the next one is decoded.

        An unreadable photo is left out with a warning, or ends the run.

        Args:
          paths: list of lists of str, a batch each; BLANK_PATH in the place of a photo that is
            known to be unreadable.
          policy: of `bad_images`.
          hole_in: takes the path of a photo that was decoded, as `bad_images.hole_in` does.

        Yields:
          For each list, the fetched values, `[batch, ...]`, and a bool array `[batch]` of which
          photos are readable; the values of others mean nothing.

        Raises:
          UserError: a photo is unreadable, and the policy is to stop.
        """
        with contextlib.closing(overlapped(self._run_batch, paths)) as results:
            for batch, (values, undecodable) in zip(paths, results):
                # In one thread: several that do a little for each photo wait for the interpreter.
                reasons = undecodable or _reasons(hole_in, batch)
                for path in batch:
                    if path in reasons:
                        bad_images.report(path, reasons[path], policy)
                readable = [path != BLANK_PATH and path not in reasons for path in batch]
                yield values, np.array(readable, np.bool_)

    def run_pixels(self, images):
        """Returns the fetched values, `[n, ...]`, of what else would have been read and decoded.

        Args:
          images: float32 `[n, height, width, channels]`, normalized.
        """
        return self._session.run(self._fetched_tensor, {self._pixels_tensor: images})

    def why_unreadable(self, path):
        """Returns what is wrong with a photo, as in 'is empty', or None: it is readable."""
        try:
            self._session.run(self._pixels_tensor.op, {self._paths_tensor: [os.fsencode(path)]})
        except tf.errors.OpError:
            return bad_images.why_unreadable(path)
        return bad_images.hole_in(path)

    def _run_batch(self, batch):
        """Returns the fetched values, and a dict from unreadable paths to what is wrong with them.

        One photo that cannot be decoded fails its whole batch, which is run again with a blank in
        its place: its batch mates stay where they are.
        """
        reasons = {}
        while True:
            paths = [BLANK_PATH if path in reasons else path for path in batch]
            fed = {self._paths_tensor: [os.fsencode(path) for path in paths]}
            try:
                return self._session.run(self._fetched_tensor, fed), reasons
            except tf.errors.OpError:
                found = _reasons(self.why_unreadable, paths)
                if not found:
                    raise
                reasons.update(found)


def _reasons(why, paths):
    """Returns a dict from those paths to what `why` gives of them where that is not None."""
    found = {path: why(path) for path in paths if path != BLANK_PATH}
    return {path: reason for path, reason in found.items() if reason is not None}


def map_photos(load, elements, spec):
    """Returns the pixels of a batch of photos, float32 `[batch, height, width, channels]`.

    As many are decoded at once as the session has threads. On a GPU the resizing would give other
    last bits, and each photo would go there by itself.

    Args:
      load: takes what `elements` has of one photo, returns float32 `[height, width, channels]`.
      elements: a tensor `[batch, ...]`, or a tuple of them.
      spec: a `settings.PixelSpec`.
    """
    # AutoGraph would rewrite the function, which has no Python branches: that takes 0.3 s.
    as_it_is = tf.autograph.experimental.do_not_convert(load)
    with tf.device('/cpu:0'):
        pixels_tensor = tf.map_fn(as_it_is, elements, tf.float32, parallel_iterations=BATCH_SIZE)
    pixels_tensor.set_shape([None, spec.height, spec.width, spec.channels])
    return pixels_tensor


def _load_or_blank(spec, path_tensor):
    shape = [spec.height, spec.width, spec.channels]
    image_tensor = tf.cond(
        tf.equal(path_tensor, BLANK_PATH),
        lambda: tf.zeros(shape),
        lambda: pixels.load(path_tensor, spec),
    )
    image_tensor.set_shape(shape)
    return image_tensor
