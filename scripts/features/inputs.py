"""What the fed node of a network is fed: features where nothing of the network is frozen."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.features.features import OfPhotos
from scripts.graphs import versions
from scripts.graphs.session import open_session
from scripts.images import decoding, pixels, runner


class InputFeatures(OfPhotos):
    """Normalized pixels of photos, made each time of decoded ones that are kept, or of their files.

    They are the values that `images.runner` gives.

    Args:
      kept: the `KeptPhotos`.
      spec: a `settings.PixelSpec`.
    """

    def __init__(self, kept, spec):
        super().__init__(kept.readable, (spec.height, spec.width, spec.channels))
        self._kept = kept
        graph = tf.Graph()
        with graph.as_default(), tf.device('/cpu:0'):
            self._photos = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.string, [None])
            self._of_photos = runner.map_photos(
                lambda photo: _fed(decoding.photo(*photo, kept.image, spec)[tf.newaxis], spec)[0],
                self._photos,
                spec,
            )
            self._images = tf.placeholder(tf.uint8, [None, None, None, spec.channels])
            self._of_images = _fed(self._images, spec)
        self._session = open_session(graph)

    def take(self, photo_rows):
        """Returns what is fed of some photos, readable ones: float32 `[n, *shape]`.

        Args:
          photo_rows: int array `[n]` of positions in the list of photos.

        Raises:
          UserError: a photo whose pixels are not kept has become unreadable.
        """
        self.check_readable(photo_rows)
        if not len(photo_rows):
            return np.empty((0,) + self.shape, np.float32)
        numbers = self._kept.numbers(photo_rows)
        is_kept = (numbers != decoding.NOT_KEPT).all()
        if is_kept and len({self._kept.shape(number) for number in numbers}) == 1:
            # One resizing of all: as many small photos take a tenth of the time.
            images = np.stack([self._kept.image(number) for number in numbers])
            return self._session.run(self._of_images, {self._images: images})
        paths = [os.fsencode(self._kept.paths[row]) for row in photo_rows]
        try:
            return self._session.run(self._of_photos, dict(zip(self._photos, (numbers, paths))))
        except tf.errors.OpError as error:  # All of them were readable before the first step.
            raise UserError(
                'a photo has become unreadable: %s; start again, and it is left out'
                % versions.what_failed(error)
            )


def _fed(images_tensor, spec):
    """Returns what is fed of photos of one size, uint8 `[n, h, w, channels]`."""
    return pixels.normalize(pixels.resize_all(images_tensor, spec.height, spec.width), spec)
