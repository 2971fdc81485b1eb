"""dense_128_128: two hidden layers."""


def dense_128_128(layers, pixels):
    """Two hidden layers of 128, each with a dropout of 0.2.

    Args:
      layers: the `layers` of one mode.
      pixels: float32 `[batch, height, width, channels]`.

    Returns:
      float32 `[batch, 128]`.
    """
    values = layers.flatten(pixels)
    values = layers.dense(values, 128)
    values = layers.dropout(values, 0.2)
    values = layers.dense(values, 128)
    return layers.dropout(values, 0.2)
