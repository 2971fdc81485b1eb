"""The images on which an imported graph is compared with its source."""

import numpy as np

_COUNT = 6
_SEED = 20261124


def images(height, width, channels):
    """Returns random images, float32 `[batch, height, width, channels]`, from 0 to 255.

    They differ in colour, contrast and detail, as photos do: to a network, images of mere noise
    look alike.
    """
    random = np.random.RandomState(_SEED)
    made = [_image(random, height, width, channels) for _ in range(_COUNT)]
    return np.clip(made, 0, 255).round().astype(np.float32)


def _image(random, height, width, channels):
    image = random.uniform(40, 215, channels) + np.zeros((height, width, channels))
    for cells in (2, 5, 16):
        grid = random.randn(min(cells, height), min(cells, width), channels)
        rows = np.arange(height) * grid.shape[0] // height
        columns = np.arange(width) * grid.shape[1] // width
        image += random.uniform(10, 60) * grid[rows][:, columns]
    return image + random.uniform(0, 20) * random.randn(height, width, channels)


def largest_difference(outputs):
    """Returns by how much a value differs between two images at most.

    Args:
      outputs: array `[batch, ...]`.
    """
    return float((outputs.max(0) - outputs.min(0)).max()) if outputs.size else 0.0
