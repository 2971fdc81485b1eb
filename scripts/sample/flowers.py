"""Draws the demo's photos: five kinds of flower that form tells apart, since any has any colour."""

import cmath
import math
import random

import numpy as np

from scripts.sample import drawing
from scripts.sample.drawing import CIRCLE, petal, shade

SHARPNESS = 2  # Drawn at this many times the final size, then reduced: smooth edges.
_GREENS = [(62, 112, 48), (86, 140, 60), (46, 92, 58), (110, 150, 70), (70, 100, 40)]
_EARTHS = [(120, 96, 70), (92, 80, 66), (150, 130, 100), (70, 60, 54)]
_SKIES = [(150, 180, 215), (120, 150, 200), (190, 205, 220), (170, 160, 190)]
_PETAL_HUES = (0.58, 1.17)  # From blue over red to yellow.
_HEART_HUES = (0.04, 0.2)


class _Bloom:
    """One flower being drawn: where it stands and what it is coloured with."""

    def __init__(self, canvas, put, petals, heart):
        self.canvas = canvas
        self.rng = canvas.rng
        self.put = put
        self.petals, self.heart = petals, heart
        self.light = self.rng.uniform(0, math.tau)
        self.pen = put.scale / 45

    def petal(self, outline, angle, start=0.0):
        """Draws a petal `start` from the middle towards `angle`: edge, body, lighter inside."""
        lit = 1 + 0.16 * math.cos(angle - self.light) + self.rng.uniform(-0.06, 0.06)
        turn = cmath.exp(1j * angle)
        self.canvas.outlined(
            self.put((outline + start) * turn), shade(self.petals, 0.86 * lit), self.pen
        )
        self.canvas.polygon(self.put((outline * 0.8 + 0.1 + start) * turn), shade(self.petals, lit))
        vein = np.array([0.12, 0.75]) + start
        self.canvas.line(self.put(vein * turn), shade(self.petals, 0.8 * lit), self.pen)

    def disc(self, radius):
        """Draws the heart of the flower with its florets."""
        self.canvas.outlined(self.put(CIRCLE * radius), self.heart, self.pen)
        for i in range(1, 40):  # The golden angle spreads florets evenly, as in the living flower.
            floret = radius * 0.9 * math.sqrt(i / 40) * cmath.exp(2.39996j * i)
            self.canvas.polygon(
                self.put(CIRCLE[::4] * radius * 0.08 + floret),
                shade(self.heart, self.rng.uniform(0.6, 1.4)),
            )


def _daisy(bloom):
    rng = bloom.rng
    count, width = rng.randrange(13, 22), rng.uniform(0.075, 0.11)
    for i in range(count):
        outline = petal(width, 0.6, 0.45) * rng.uniform(0.72, 0.85)
        bloom.petal(outline, math.tau * i / count + rng.uniform(-0.07, 0.07), 0.15)
    bloom.disc(rng.uniform(0.22, 0.32))


def _lily(bloom):
    rng = bloom.rng
    width, fullest = rng.uniform(0.17, 0.24), rng.uniform(0.4, 0.55)
    for i in (0, 2, 4, 1, 3, 5):  # Three petals lie over three.
        outline = petal(width, fullest, 1.1) * rng.uniform(0.88, 1.0)
        bloom.petal(outline, math.tau * i / 6 + rng.uniform(-0.1, 0.1))
    for i in range(6):
        tip = rng.uniform(0.25, 0.45) * cmath.exp(1j * (math.tau * i / 6 + rng.uniform(-0.3, 0.3)))
        bloom.canvas.line(bloom.put(np.array([0j, tip])), shade(bloom.heart, 1.3), bloom.pen * 1.3)
        bloom.canvas.polygon(bloom.put(CIRCLE * 0.05 + tip), shade(bloom.heart, 0.6))


def _primrose(bloom):
    rng = bloom.rng
    width, notch = rng.uniform(0.38, 0.46), rng.uniform(0.03, 0.16)
    for i in range(5):
        outline = petal(width, 0.68, 0.6) * rng.uniform(0.88, 0.98)
        outline = outline - notch * np.exp(-((outline.imag / 0.12) ** 2)) * (outline.real > 0.8)
        bloom.petal(outline, math.tau * i / 5 + rng.uniform(-0.08, 0.08))
    for i in range(5):
        eye = petal(0.12, 0.5, 1.0) * rng.uniform(0.28, 0.36) * cmath.exp(1j * math.tau * i / 5)
        bloom.canvas.polygon(bloom.put(eye), bloom.heart)
    bloom.canvas.polygon(bloom.put(CIRCLE * 0.08), shade(bloom.heart, 0.7))


def _rose(bloom):
    rng = bloom.rng
    turn, extent = rng.uniform(0, math.tau), rng.uniform(0.5, 0.6)
    for ring, count in enumerate((7, 6, 5, 4, 3)):  # Each ring of petals lies within the last.
        size = 0.82**ring * extent - 0.03 * ring
        tone = shade(bloom.petals, 1.15 - 0.14 * ring)
        for i in range(count):
            angle = turn + math.tau * (i + ring / 2) / count + rng.uniform(-0.1, 0.1)
            outline = (CIRCLE.real * 0.75 + 1j * CIRCLE.imag) * size * 0.85 + size * 0.8
            outline = bloom.put(outline * cmath.exp(1j * angle))
            bloom.canvas.outlined(
                outline, shade(tone, 1 + 0.14 * math.cos(angle - bloom.light)), bloom.pen * 1.3
            )
    whorl = np.linspace(0.02, 0.15, 24) * np.exp(1j * (turn + np.linspace(0, 11, 24)))
    bloom.canvas.polygon(bloom.put(CIRCLE * 0.16), shade(bloom.petals, 0.75))
    bloom.canvas.line(bloom.put(whorl), shade(bloom.petals, 0.5), bloom.pen * 1.3)


def _tulip(bloom):
    rng = bloom.rng
    bloom.put = bloom.put._replace(centre=bloom.put(-0.75))  # Petals open around the cup's foot.
    spread, width = rng.uniform(0.2, 0.45), rng.uniform(0.22, 0.32)
    # Those behind come first, then both sides, then the one in front.
    for angle in (0, -0.6 * spread, 0.6 * spread):
        bloom.petal(petal(width * 0.7, 0.5, 1.0) * rng.uniform(1.45, 1.6), angle)
    for side in rng.sample((-1, 1), 2):
        bloom.petal(petal(width, 0.42, 0.8) * rng.uniform(1.4, 1.55), side * spread)
    bloom.petal(petal(width * 1.1, 0.4, 0.65) * rng.uniform(1.1, 1.25), rng.uniform(-0.08, 0.08))


_KINDS = {'daisy': _daisy, 'lily': _lily, 'primrose': _primrose, 'rose': _rose, 'tulip': _tulip}
CLASSES = sorted(_KINDS)


def _stem(canvas, bloom_pose, kind):
    """Draws the stem under a flower, most often with a pair of leaves."""
    rng = canvas.rng
    green, size = rng.choice(_GREENS), bloom_pose.scale
    down = cmath.exp(1j * rng.uniform(0.25, 0.75) * math.pi)
    if kind == 'tulip':  # Seen from the side: the stem goes on where the cup ends.
        down = -bloom_pose.turn / abs(bloom_pose.turn)
    bend = bloom_pose.centre + down * size * 1.2
    along = np.linspace(0, 1, 12)
    foot = bend + complex(rng.uniform(-0.4, 0.4), 1.5) * size
    curve = (1 - along) ** 2 * bloom_pose.centre + 2 * along * (1 - along) * bend + along**2 * foot
    canvas.line(curve, green, size * rng.uniform(0.07, 0.12))
    for _ in range(rng.randrange(4)):
        put = drawing.pose(
            curve[rng.randrange(5, 12)],
            size * rng.uniform(0.6, 1.3),
            cmath.phase(-down) + rng.uniform(-1.1, 1.1),
        )
        canvas.outlined(
            put(petal(rng.uniform(0.1, 0.25), 0.4, 1.0)),
            shade(green, rng.uniform(0.7, 1.2)),
            size / 45,
        )


def _bloom_pose(canvas, kind, radius, margin):
    rng = canvas.rng
    centre = canvas.random_point(margin)
    if kind == 'tulip':
        upright = rng.gauss(-math.pi / 2, 0.4)
        return drawing.pose(centre, radius, upright, rng.uniform(0.6, 0.85), upright)
    return drawing.random_pose(rng, centre, radius, 0.65)


def draw(kind, seed):
    """Returns a photo of one `kind` of CLASSES as an RGB image, 240 to 320 by 200 to 240 pixels.

    Args:
      kind: one of CLASSES.
      seed: any value with a repr of its own; the same one always gives the same photo.
    """
    rng = random.Random(f'{kind}/{seed!r}')
    size = (rng.randrange(240, 321) * SHARPNESS, rng.randrange(200, 241) * SHARPNESS)
    scenery = rng.choice([_GREENS, _GREENS + _EARTHS, _SKIES + _GREENS, _EARTHS, _SKIES])
    foliage = rng.choice([_GREENS, _GREENS + _EARTHS])
    canvas = drawing.Canvas(drawing.background(size, rng, scenery, foliage), rng)
    petals = drawing.contrasting_colour(
        rng, scenery, saturation=(0.0, 0.9), value=(0.7, 1.0), hue=_PETAL_HUES
    )
    heart = drawing.contrasting_colour(rng, [petals], hue=_HEART_HUES)
    for place in reversed(range(rng.choice([1, 1, 1, 2, 3]))):  # The first one stands in front.
        radius = min(size) * rng.uniform(0.31, 0.47) * (0.6 if place else 1)
        put = _bloom_pose(canvas, kind, radius, 0.08 if place else 0.38)
        _stem(canvas, put, kind)
        _KINDS[kind](_Bloom(canvas, put, petals, heart))
    drawing.leaves(canvas, rng.choice([0, 0, 1, 1, 2]), foliage, 0.3)
    return drawing.photograph(canvas.image.reduce(SHARPNESS), rng)
