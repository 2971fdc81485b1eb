"""The images on which an imported graph is compared with its source."""

import numpy as np

from scripts.importing import settings as settings_lib

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


def normalized(images, pixels):
    """Returns images from 0 to 255 as the imported graph is fed them, float32, red first.

    Args:
      images: float32 `[batch, height, width, channels]`.
      pixels: complete `settings.Pixels`.
    """
    return (images - np.float32(pixels.mean)) / np.float32(pixels.std)


def as_source_takes(images, pixels):
    """Returns images from 0 to 255 as the source is fed them: blue first where it takes that."""
    made = normalized(images, pixels)
    return made[..., ::-1] if pixels.channel_order == settings_lib.BGR else made


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
