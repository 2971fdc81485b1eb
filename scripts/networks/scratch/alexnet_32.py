"""alexnet_32: the network of Krizhevsky et al., 2012, for pictures of 32 x 32."""


def alexnet_32(layers, pixels):
    """Five convolutions with batch norms in the place of local responses, two dense layers of 4096.

    Args:
      layers: the `layers` of one mode.
      pixels: float32 `[batch, height, width, channels]`.

    Returns:
      float32 `[batch, 4096]`.
    """
    values = layers.convolution(pixels, 96, size=3, stride=2)
    values = layers.max_pool(values, size=2, stride=2)
    values = layers.batch_norm(values)
    values = layers.convolution(values, 256, size=5)
    values = layers.max_pool(values, size=3, stride=2)
    values = layers.batch_norm(values)
    for filters in (384, 384, 256):
        values = layers.convolution(values, filters, size=3)
    values = layers.max_pool(values, size=3, stride=2)
    values = layers.batch_norm(values)
    values = layers.flatten(values)
    for _ in range(2):
        values = layers.dense(values, 4096)
        values = layers.dropout(values, 0.5)
    return values
