"""From encoded photos to what a network is fed: decode, resize, normalize."""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.images import formats, reduction, rotation
from scripts.images.settings import APPLY, GREY, IGNORE, RGB

_GIF = b'GIF8'
# Where a PNG holds its width and height, and a BMP its bits a pixel.
_PNG_SIZE, _BMP_BITS = 16, 28


def decode(contents_tensor, exif_rotation=IGNORE, channels=RGB, enough=None):
    """Decodes an encoded photo: JPEG, PNG, GIF (the first frame) or BMP, whatever its extension.

    Args:
      contents_tensor: scalar string.
      exif_rotation: APPLY: a JPEG is turned as its EXIF asks. IGNORE: it is used as stored, as
        in the classic script. The eXIf chunk that a PNG may have is never looked at.
      channels: RGB, or GREY: the luma of ITU-R BT.601.
      enough: as `PixelSpec.enough`.

    Returns:
      uint8 tensor `[height, width, channels]`.
    """
    is_bmp = _starts_with(contents_tensor, b'BM')
    bits_tensor = tf.strings.substr(_head(contents_tensor, _BMP_BITS + 1), _BMP_BITS, 1)

    # A node that has once seen a BMP refuses those of another depth: so there is a node for each.
    # 0 is whatever the file has: TensorFlow 2 takes no 1.
    image_tensor = tf.case(
        [
            (is_bmp & tf.equal(bits_tensor, b'\x08'), lambda: _decode_bmp(contents_tensor, 0)),
            (is_bmp & tf.equal(bits_tensor, b'\x20'), lambda: _decode_bmp(contents_tensor, 4)),
            (is_bmp, lambda: _decode_bmp(contents_tensor, 3)),
            (_starts_with(contents_tensor, _GIF), lambda: tf.image.decode_gif(contents_tensor)[0]),
            (_starts_with(contents_tensor, b'\x89PNG'), lambda: _decode_png(contents_tensor)),
        ],
        lambda: _decode_jpeg(contents_tensor, exif_rotation, enough),
    )
    image_tensor.set_shape([None, None, RGB])
    return tf.image.rgb_to_grayscale(image_tensor) if channels == GREY else image_tensor


def read(path_tensor):
    """Reads the photo at a path, scalar string, as contents for `decode`.

    Of an animated GIF that is the first frame: the decoder takes memory for all of them.
    """
    contents_tensor = tf.read_file(path_tensor)
    contents_tensor = tf.cond(
        _starts_with(contents_tensor, _GIF),
        lambda: tf.numpy_function(formats.first_frame, [contents_tensor], tf.string),
        lambda: contents_tensor,
    )
    contents_tensor.set_shape([])
    return contents_tensor


def _starts_with(contents_tensor, magic):
    return tf.equal(tf.strings.substr(contents_tensor, 0, len(magic)), magic)


def _head(contents_tensor, count):
    """Returns at least the first `count` bytes, zeros where there are fewer.

    TensorFlow's substr takes the whole process down where it begins behind the end.
    """
    return tf.strings.join([tf.strings.substr(contents_tensor, 0, count), bytes(count)])


def _decode_jpeg(contents_tensor, exif_rotation, enough):
    image_tensor = reduction.decode_jpeg(contents_tensor, enough)
    if exif_rotation == APPLY:
        image_tensor = rotation.upright(image_tensor, contents_tensor)
    return image_tensor


def _decode_png(contents_tensor):
    # A PNG of a few bytes can claim any size, and the decoder takes memory for it at once. JPEGs
    # it bounds by itself.
    head_tensor = _head(contents_tensor, _PNG_SIZE + 8)
    size_tensor = tf.decode_raw(
        tf.strings.substr(head_tensor, _PNG_SIZE, 8), tf.int32, little_endian=False
    )
    pixels_tensor = tf.reduce_prod(tf.cast(size_tensor, tf.int64))
    with tf.control_dependencies(
        [tf.Assert(pixels_tensor <= formats.MOST_PIXELS, ['PNG too large', size_tensor])]
    ):
        return tf.image.decode_png(contents_tensor, channels=3)


def _decode_bmp(contents_tensor, channels):
    # DecodeBmp gives the channels of the file, and does not convert.
    image_tensor = tf.image.decode_bmp(contents_tensor, channels=channels)
    return tf.concat([image_tensor] * 3, axis=2)[:, :, :3]


def resize(image_tensor, height, width):
    """Resizes uint8 or float32 `[h, w, channels]` to float32 `[height, width, channels]`.

    Bilinear without align_corners and without antialiasing, the classic way: other ways give other
    bottlenecks.
    From uint8 it gives the very values that it gives from float32, and is faster than the cast.
    """
    return resize_all(image_tensor[tf.newaxis], height, width)[0]


def resize_all(images_tensor, height, width):
    """Resizes photos of one size, `[n, h, w, channels]`, as `resize` does each of them."""
    return tf.image.resize_bilinear(images_tensor, [height, width])


def normalize(image_tensor, spec):
    """Returns float32 `(image - mean) / std` of an image or a batch of images, same shape."""
    return (image_tensor - np.asarray(spec.mean)) * (1.0 / np.asarray(spec.std))


def from_contents(contents_tensor, spec):
    """Turns an encoded photo into what a network is fed.

    Args:
      contents_tensor: scalar string.
      spec: a `settings.PixelSpec`.

    Returns:
      float32 tensor `[spec.height, spec.width, spec.channels]`, normalized.
    """
    image_tensor = decode(contents_tensor, spec.exif_rotation, spec.channels, spec.enough)
    image_tensor = resize(image_tensor, spec.height, spec.width)
    return normalize(image_tensor, spec)


def load(path_tensor, spec):
    """Reads the photo at a path, scalar string, as `from_contents` does its contents."""
    return from_contents(read(path_tensor), spec)
