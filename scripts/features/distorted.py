"""Features of distorted photos: of such as are distorted each time, and of copies that are kept."""

import logging
import os

import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.images import decoding, distort, pixels, runner
from scripts.networks import backbone as backbone_lib

_LOG = logging.getLogger(__name__)


class DistortedRunner:
    """A backbone behind photos that are distorted; its function may be called by several threads.

    Args:
      backbone: a `Backbone`.
      distortions: `Distortions`.
      image_of: takes a photo's number, returns uint8 `[height, width, channels]`.
    """

    def __init__(self, backbone, distortions, image_of):
        spec = backbone.network.pixels
        graph = tf.Graph()

        def load(element):
            number_tensor, path_tensor, draw_tensor = element
            image_tensor = decoding.photo(number_tensor, path_tensor, image_of, spec)
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

    def run(self, numbers, paths, draws):
        """Returns features, float32 `[n, *backbone.shape]`.

        Args:
          numbers: int64 `[n]`, what `image_of` knows the photos by, or NOT_KEPT.
          paths: list of str, the photos'.
          draws: float32 `[n, DRAWS]`, the random numbers of each.

        Raises:
          tf.errors.OpError: a photo is unreadable.
        """
        values = numbers, [os.fsencode(path) for path in paths], draws
        return self._session.run(self._features, dict(zip(self._fed, values)))
