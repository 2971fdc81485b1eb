"""Common to both sets of drawn pictures: outlines, poses, colours, backgrounds and the camera.

The plane is the complex plane. An outline is a complex128 array `[points]`, y pointing down as in
images, so that turning and scaling is one multiplication. A thing is drawn within the unit circle
and a `Pose` puts it on the canvas.
"""

import cmath
import colorsys
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


class Pose(NamedTuple):
    """The affine map z -> turn * z + mirror * conj(z) + centre, in pixels."""

    turn: complex
    mirror: complex
    centre: complex

    def __call__(self, points):
        return self.turn * points + self.mirror * np.conj(points) + self.centre

    @property
    def scale(self):
        """Pixels that a length of 1 takes along its longer axis."""
        return abs(self.turn) + abs(self.mirror)


def pose(centre, radius, angle, tilt=1.0, axis=0.0):
    """Returns the Pose that turns by `angle`, then squashes across `axis` (radians) to `tilt`."""
    return Pose(
        radius * (1 + tilt) / 2 * cmath.exp(1j * angle),
        radius * (1 - tilt) / 2 * cmath.exp(1j * (2 * axis - angle)),
        centre,
    )


def random_pose(rng, centre, radius, flattest):
    """Returns a Pose turned and tilted any way, squashed to `flattest` of its height at most."""
    return pose(
        centre,
        radius,
        rng.uniform(0, math.tau),
        rng.uniform(flattest, 1.0),
        rng.uniform(0, math.pi),
    )


def arc(start, end, count=24):
    """Returns `count` points of the unit circle from angle `start` to `end`, both included."""
    return np.exp(1j * np.linspace(start, end, count))


CIRCLE = arc(0, math.tau, 32)


def petal(width, fullest=0.5, bluntness=0.7):
    """Returns the outline of a leaf or petal from 0 to 1 along the real axis.

    Args:
      width: the half width at its fullest.
      fullest: where along the length that is, in (0, 1).
      bluntness: 0.4 for a strap with a round end, 1.5 and more for a drawn-out tip.
    """
    along = (1 - np.cos(np.linspace(0, math.pi, 15))) / 2
    across = width * np.sin(math.pi * along ** (math.log(0.5) / math.log(fullest))) ** bluntness
    return np.concatenate([along + 1j * across, (along - 1j * across)[::-1]])


def random_colour(rng, saturation=(0.15, 1.0), value=(0.3, 1.0), hue=(0.0, 1.0)):
    """Returns a random (red, green, blue), 0 to 255."""
    hsv = [rng.uniform(*bounds) for bounds in (hue, saturation, value)]
    return tuple(int(255 * channel) for channel in colorsys.hsv_to_rgb(*hsv))


def contrasting_colour(rng, others, **bounds):
    """Returns a random colour, within `random_colour`'s bounds, unlike each of `others`."""
    colours = [random_colour(rng, **bounds) for _ in range(4)]
    return max(colours, key=lambda colour: min(_difference(colour, each) for each in others))


def _difference(colour, other):
    return sum(abs(a - b) for a, b in zip(colour, other))


def shade(colour, factor):
    """Returns `colour` made darker (factor < 1) or lighter (factor > 1, towards white)."""
    if factor <= 1:
        return tuple(int(channel * factor) for channel in colour)
    return tuple(int(channel + (255 - channel) * min(factor - 1, 1)) for channel in colour)


class Canvas:
    """An RGB picture under the brush; whatever is random about it comes from `rng`."""

    def __init__(self, image, rng):
        self.image = image
        self.rng = rng
        self._draw = ImageDraw.Draw(image)

    def polygon(self, points, fill):
        self._draw.polygon(points.view(np.float64).tolist(), fill=fill)

    def line(self, points, fill, width):
        self._draw.line(points.view(np.float64).tolist(), fill=fill, width=max(1, round(width)))

    def outlined(self, points, fill, width):
        """Fills an outline and draws its edge in a darker tone."""
        self.polygon(points, fill)
        self.line(points, shade(fill, 0.7), width)

    def random_point(self, margin):
        """Returns a point that keeps `margin`, a fraction of width and height, from the edges."""
        width, height = self.image.size
        return complex(
            width * self.rng.uniform(margin, 1 - margin),
            height * self.rng.uniform(margin, 1 - margin),
        )


def leaves(canvas, count, colours, length):
    """Scatters leaf-like blobs over a canvas, of about `length` of its short side each."""
    rng = canvas.rng
    for _ in range(count):
        size = min(canvas.image.size) * length * rng.uniform(0.5, 1.5)
        put = pose(canvas.random_point(-0.05), size, rng.uniform(0, math.tau))
        colour = shade(rng.choice(colours), rng.uniform(0.6, 1.2))
        canvas.polygon(put(petal(rng.uniform(0.08, 0.45), rng.uniform(0.3, 0.7)) - 0.5), colour)
        if rng.random() < 0.5:
            canvas.line(put(np.array([-0.5 + 0j, 0.4])), shade(colour, 0.8), size / 40)


def background(size, rng, colours, foliage):
    """Returns an RGB image `size` (width, height): a gradient with soft and sharp clutter on it."""
    small = (max(8, size[0] // 5), max(8, size[1] // 5))
    corners = np.array(
        [[shade(rng.choice(colours), rng.uniform(0.4, 1.3)) for _ in range(2)] for _ in range(2)],
        np.uint8,
    )
    canvas = Canvas(Image.fromarray(corners).resize(small, Image.BILINEAR), rng)
    for _ in range(rng.randrange(12)):  # Lights and things out of focus.
        radius = min(small) * rng.uniform(0.03, 0.2)
        tone = shade(rng.choice(colours), rng.uniform(0.5, 1.6))
        canvas.polygon(pose(canvas.random_point(0), radius, 0)(CIRCLE), tone)
    leaves(canvas, rng.randrange(14), foliage, 0.3)
    soft = canvas.image.filter(ImageFilter.BoxBlur(1)).resize(size, Image.BICUBIC)
    sharp = Canvas(soft, rng)
    if rng.random() < 0.5:
        leaves(sharp, rng.randrange(8), foliage, 0.3)
    return sharp.image


def photograph(image, rng):
    """Returns an RGB image as a camera sees it: lit from a side, tinted, unsharp, with grain."""
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.BoxBlur(min(image.size) * rng.uniform(0, 0.009)))
    width, height = image.size
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, np.newaxis]
    direction, strength = rng.uniform(0, math.tau), rng.uniform(0, 0.35)
    light = 1 + strength * (math.cos(direction) * across + math.sin(direction) * down)
    light = light * (1 - rng.uniform(0, 0.15) * (across**2 + down**2)) * rng.uniform(0.8, 1.25)
    tint = np.array([rng.uniform(0.88, 1.08) for _ in range(3)])
    grain = np.random.RandomState(rng.getrandbits(32)).standard_normal([height, width])
    pixels = np.asarray(image, np.float32) * (light[:, :, np.newaxis] * tint).astype(np.float32)
    pixels += (rng.uniform(0, 7) * grain).astype(np.float32)[:, :, np.newaxis]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
