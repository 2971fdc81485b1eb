"""cnn_32: one convolution, then dense layers on each position of its map."""


def cnn_32(layers, pixels):
    """A convolution of 32, dense layers of 1024 and six times 512 on each position, one of all.

    Args:
      layers: the `layers` of one mode.
      pixels: float32 `[batch, height, width, channels]`.

    Returns:
      float32 `[batch, 512]`.
    """
    values = layers.convolution(pixels, 32, size=3)
    values = layers.max_pool(values, size=2, stride=2)
    for units in (1024,) + 6 * (512,):
        values = layers.dense(values, units)
    values = layers.flatten(values)
    return layers.dense(values, 512)
