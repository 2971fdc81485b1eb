"""What features are computed of: photos as they are, or distorted copies of them."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.features import identity
from scripts.graphs import versions
from scripts.graphs.session import open_session
from scripts.images import bad_images, decoding, distort, pixels, runner
from scripts.networks import backbone as backbone_lib


class Photos:
    """Photos as they are.

    Args:
      backbone: a `Backbone`.
      photos: list of `Photo`.
    """

    def __init__(self, backbone, photos):
        self.photos = photos
        self._backbone, self._runner = backbone, None

    def batches(self, paths, groups, policy, hole_in):
        """Computes features in batches.

        Args:
          paths: list of str, those of the photos, or BLANK_PATH for one that is to be left out.
          groups: list of slices of them, each of at most BATCH_SIZE.
          policy: of `bad_images`.
          hole_in: as `bad_images.hole_in`.

        Yields:
          For each slice it, float32 `[n, *shape]`, and a bool array `[n]` of which are readable.
        """
        batches = [paths[group] for group in groups]
        results = runner.run(self._backbone.network.pixels, self._build, batches, policy, hole_in)
        for group, (values, readable) in zip(groups, results):
            yield group, values, readable

    def take(self, rows):
        """Returns the features of some of the photos, int `[n]`: float32 `[n, *shape]`.

        Raises:
          UserError: one is unreadable.
        """
        if self._runner is None:
            self._runner = runner.Runner(self._backbone.network.pixels, self._build)
        paths = [self.photos[row].path for row in rows]
        batches = [paths[group] for group in runner.groups(len(paths))]
        results = self._runner.run(batches, bad_images.ONLY)
        return np.concatenate([values for values, _ in results])

    def _build(self, pixels_tensor):
        return add_features(self._backbone, pixels_tensor)


def add_features(backbone, pixels_tensor):
    """Adds a backbone to the current graph, behind a batch that may be short.

    Args:
      backbone: a `Backbone`.
      pixels_tensor: float32 `[n, height, width, channels]`, normalized, n at most BATCH_SIZE.

    Returns:
      The features tensor, float32 `[n, *backbone.shape]`.
    """
    # TensorFlow 1.15 computes a batch of a few photos in another way, with other last bits.
    count = tf.shape(pixels_tensor)[0]
    full_tensor = tf.pad(pixels_tensor, [[0, runner.BATCH_SIZE - count]] + [[0, 0]] * 3)
    return backbone_lib.import_into_graph(backbone, full_tensor)[:count]


class Copies:
    """Distorted copies of photos: the first one of each photo, then the second one of each.

    How a copy is distorted depends on the photo's name and the copy's number alone: so it can be
    kept, whatever the seed of a run.

    Args:
      backbone: a `Backbone`.
      photos: list of `Photo`.
      copying: `images.settings.Copying`.

    photos: list of `Photo`, one for each copy, under a name of its own.
    """

    def __init__(self, backbone, photos, copying):
        self.photos = [
            photo._replace(file_name='%s, distorted, %d' % (photo.file_name, number))
            for number in range(copying.copies)
            for photo in photos
        ]
        self._backbone, self._distortions = backbone, copying.distortions
        self._runner = None

    def batches(self, paths, groups, policy, hole_in):
        """Computes features in batches, as `Photos.batches` does; the last two are of no use here.

        Photos that are unreadable have to be BLANK_PATH.
        """
        blank = np.array([path == runner.BLANK_PATH for path in paths], np.bool_)

        def compute(group):
            rows, readable = np.arange(len(paths))[group], ~blank[group]
            # Another one in the place of a blank: what comes out of it counts for nothing.
            return group, self._compute(np.where(readable, rows, rows[readable][0])), readable

        self._open()
        yield from runner.overlapped(compute, groups)

    def take(self, rows):
        """Returns the features of some of the copies, int `[n]`, as `Photos.take` does."""
        self._open()
        return np.concatenate([self._compute(rows[group]) for group in runner.groups(len(rows))])

    def _open(self):
        if self._runner is None:
            self._runner = DistortedRunner(self._backbone, self._distortions)

    def _compute(self, rows):
        """Returns the features of at most BATCH_SIZE copies; a batch is always as large."""
        full = np.resize(rows, runner.BATCH_SIZE)
        draws = [distort.draw(_random_state(self.photos[row]), 1)[0] for row in full]
        paths = [self.photos[row].path for row in full]
        return self._runner.run(paths, draws)[: len(rows)]


def _random_state(photo):
    return np.random.RandomState(np.frombuffer(identity.name_of(photo), '<u4'))


class DistortedRunner:
    """A backbone behind photos that are distorted; its function may be called by several threads.

    Args:
      backbone: a `Backbone`.
      distortions: `Distortions`.
      image_of: takes a photo's number, returns uint8 `[height, width, channels]`; None where none
        has a number.
    """

    def __init__(self, backbone, distortions, image_of=None):
        spec = backbone.network.pixels
        decoded = distortions.enlarged(spec)
        graph = tf.Graph()

        def load(element):
            number_tensor, path_tensor, draw_tensor = element
            image_tensor = decoding.photo(number_tensor, path_tensor, image_of, decoded)
            return pixels.normalize(
                distort.distort(image_tensor, draw_tensor, distortions, spec), spec
            )

        with graph.as_default():
            self._fed = (
                tf.placeholder(tf.int64, [None]),
                tf.placeholder(tf.string, [None]),
                tf.placeholder(tf.float32, [None, distort.DRAWS]),
            )
            pixels_tensor = runner.map_photos(load, self._fed, spec)
            self._features = backbone_lib.import_into_graph(backbone, pixels_tensor)
        self._session = open_session(graph)

    def close(self):
        """Frees what the session holds."""
        self._session.close()

    def run(self, paths, draws, numbers=None):
        """Returns features, float32 `[n, *backbone.shape]`.

        Args:
          paths: list of str, the photos'.
          draws: float32 `[n, DRAWS]`, the random numbers of each.
          numbers: int64 `[n]`, what `image_of` knows the photos by, or NOT_KEPT, which is the
            default.

        Raises:
          UserError: a photo is unreadable.
        """
        if numbers is None:
            numbers = np.full(len(paths), decoding.NOT_KEPT)
        values = numbers, [os.fsencode(path) for path in paths], draws
        try:
            return self._session.run(self._features, dict(zip(self._fed, values)))
        except tf.errors.OpError as error:  # All of them were readable before the first step.
            raise UserError(
                'a training photo has become unreadable: %s; start again, and it is left out'
                % versions.what_failed(error)
            )
