"""dense_128: one hidden layer, the first network of many courses."""


def dense_128(layers, pixels):
    """A hidden layer of 128 with a dropout of 0.2.

    Args:
      layers: the `layers` of one mode.
      pixels: float32 `[batch, height, width, channels]`.

    Returns:
      float32 `[batch, 128]`.
    """
    values = layers.flatten(pixels)
    values = layers.dense(values, 128)
    return layers.dropout(values, 0.2)
