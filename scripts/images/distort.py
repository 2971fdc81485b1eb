"""Random distortions of training photos.

The random part is drawn apart from the pixels, in numpy: so the same seed distorts the same way
however many threads decode.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.images import pixels

DRAWS = 5  # Random numbers for each photo: scale, top, left, flip, brightness.
_BELOW_1 = np.nextafter(np.float32(1), np.float32(0))


def draw(random_state, count):
    """Returns float32 `[count, DRAWS]`, each uniform in [0, 1), for `load`."""
    draws = random_state.random_sample((count, DRAWS)).astype(np.float32)
    return np.minimum(draws, _BELOW_1)  # One in 2^25 float64s below 1 rounds to 1.


def load(path_tensor, draw_tensor, distortions, spec):
    """Reads the photo at a path, distorted, into what a network is fed.

    Args:
      path_tensor: scalar string.
      draw_tensor: float32 `[DRAWS]` from `draw`.
      distortions: `settings.Distortions`.
      spec: a `settings.PixelSpec`.

    Returns:
      float32 tensor `[spec.height, spec.width, spec.channels]`, normalized.
    """
    enough = distortions.enlarged(spec).enough
    contents_tensor = pixels.read(path_tensor)
    image = pixels.decode(contents_tensor, spec.exif_rotation, spec.channels, enough)
    return pixels.normalize(distort(image, draw_tensor, distortions, spec), spec)


def distort(image_tensor, draw_tensor, distortions, spec):
    """Scales, crops, flips and brightens one decoded photo.

    Args:
      image_tensor: uint8 or float32 `[h, w, spec.channels]`, 0 to 255.
      draw_tensor: float32 `[DRAWS]` from `draw`.
      distortions: `settings.Distortions`.
      spec: a `settings.PixelSpec`.

    Returns:
      float32 `[spec.height, spec.width, spec.channels]`; brightness may take it past 255, as it
      always did.
    """
    scale_draw, top_draw, left_draw, flip_draw, brightness_draw = tf.unstack(draw_tensor, DRAWS)
    margin = 1.0 + distortions.random_crop / 100.0
    scale = margin * (1.0 + distortions.random_scale / 100.0 * scale_draw)
    size = tf.constant([spec.height, spec.width])
    scaled_size = tf.cast(tf.cast(size, tf.float32) * scale, tf.int32)
    image = tf.image.resize_bilinear(image_tensor[tf.newaxis], scaled_size)[0]

    room = scaled_size - size
    corner = tf.cast(tf.stack([top_draw, left_draw]) * tf.cast(room + 1, tf.float32), tf.int32)
    corner = tf.minimum(corner, room)
    shape = [spec.height, spec.width, spec.channels]
    image = tf.slice(image, tf.concat([corner, [0]], 0), shape)
    if distortions.flip_left_right:
        image = tf.cond(flip_draw < 0.5, lambda: tf.reverse(image, [1]), lambda: image)
    if distortions.random_brightness:
        image *= 1.0 + distortions.random_brightness / 100.0 * (2.0 * brightness_draw - 1.0)
    return image
