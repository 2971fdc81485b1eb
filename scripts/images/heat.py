"""Heatmaps as colours over a photo. No TensorFlow here."""

import numpy as np
from PIL import Image

OPACITY = 0.55  # Of the colours over a photo; page.css and report.css have it too.

# Dark where it is cold, and lighter all the way, so that it is read without colours too, and over a
# photo of any colour. A sample of matplotlib's inferno, from 0 to 1.
_RAMP = np.array(
    [(0, 0, 4), (51, 10, 95), (120, 28, 109), (187, 55, 84), (237, 105, 37), (252, 181, 25)]
    + [(252, 255, 164)],
    np.float32,
)


def colours(heat):
    """Returns heat as a Pillow image, RGB, a pixel for each value.

    Args:
      heat: float32 `[rows, columns]`, from 0 to 1.
    """
    steps = np.linspace(0, 1, len(_RAMP))
    channels = [np.interp(heat, steps, _RAMP[:, channel]) for channel in range(3)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8), 'RGB')


def over(image, heat):
    """Returns a photo, an RGB Pillow image, with heat, as `colours` takes it, over all of it."""
    return Image.blend(image, colours(heat).resize(image.size, Image.BILINEAR), OPACITY)
