"""From encoded photos to what a network is fed: decode, resize, normalize."""

import tensorflow.compat.v1 as tf


def decode(contents_tensor):
    """Decodes an encoded photo: JPEG, PNG, GIF (the first frame) or BMP, whatever its name ends in.

    Args:
      contents_tensor: scalar string.

    Returns:
      uint8 tensor `[height, width, 3]`, RGB. The rotation that EXIF asks for is not applied:
      pretrained networks and cached bottlenecks are the classic ones, made without it.
    """

    def starts_with(magic):
        return tf.equal(tf.substr(contents_tensor, 0, len(magic)), magic)

    # DecodeJpeg goes by content and takes PNG too.
    image_tensor = tf.cond(
        starts_with('BM'),
        lambda: _decode_bmp(contents_tensor),
        lambda: tf.cond(
            starts_with('GIF8'),
            lambda: tf.image.decode_gif(contents_tensor)[0],
            lambda: tf.image.decode_jpeg(contents_tensor, channels=3),
        ),
    )
    image_tensor.set_shape([None, None, 3])
    return image_tensor


def _decode_bmp(contents_tensor):
    # DecodeBmp gives the channels of the file, 1, 3 or 4, and does not convert.
    image_tensor = tf.image.decode_bmp(contents_tensor)
    return tf.concat([image_tensor] * 3, axis=2)[:, :, :3]


def resize(image_tensor, height, width):
    """Resizes uint8 or float32 `[h, w, 3]` to float32 `[height, width, 3]` the classic way.

    Bilinear without align_corners and without antialiasing: other ways give other bottlenecks.
    From uint8 it gives the very values that it gives from float32, and is faster than the cast.
    """
    return tf.image.resize_bilinear(image_tensor[tf.newaxis], [height, width])[0]


def normalize(image_tensor, spec):
    """Returns float32 `(image - mean) / std` of an image or a batch of images, same shape."""
    return (image_tensor - spec.mean) * (1.0 / spec.std)


def from_contents(contents_tensor, spec):
    """Turns an encoded photo into what a network is fed.

    Args:
      contents_tensor: scalar string.
      spec: a `settings.PixelSpec`.

    Returns:
      float32 tensor `[spec.height, spec.width, 3]`, normalized.
    """
    image_tensor = resize(decode(contents_tensor), spec.height, spec.width)
    return normalize(image_tensor, spec)


def load(path_tensor, spec):
    """Reads the photo at a path, scalar string, as `from_contents` does its contents."""
    return from_contents(tf.read_file(path_tensor), spec)
