"""Draws the pictures that the sample network is trained on: no flower is among them.

A class is a form with a filling, such as 'gear8 striped'; pose, colours, light, scenery and what
lies in front are left to chance.
"""

import cmath
import math
import random
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from scripts.sample import drawing
from scripts.sample.drawing import CIRCLE, arc, petal, shade

_DRAWN_SIZE = 192  # Pixels; reduced to the network's size afterwards.


def _polygon(corners):
    return lambda rng: [arc(0, math.tau, corners + 1)]


def _star(points, inner):
    def form(rng):
        radii = np.where(np.arange(2 * points) % 2, inner * rng.uniform(0.85, 1.15), 1.0)
        return [radii * arc(0, math.tau, 2 * points + 1)[:-1]]

    return form


def _gear(teeth):
    def form(rng):
        depth, angle = rng.uniform(0.7, 0.8), np.linspace(0, math.tau, teeth * 12, endpoint=False)
        return [np.where(np.sin(teeth * angle) > 0, 1.0, depth) * np.exp(1j * angle)]

    return form


def _propeller(blades):
    def form(rng):
        blade = petal(rng.uniform(0.1, 0.16), 0.75, 0.5)
        blade = blade + 0.5j * rng.uniform(0.3, 0.6) * blade.real**2
        return [blade * cmath.exp(1j * math.tau * i / blades) for i in range(blades)]

    return form


def _stroke(corners, width):
    """Returns the outlines of a thick line through `corners`: a bar a stretch, a disc a corner."""
    outlines = [CIRCLE[::3] * width / 2 + corner for corner in corners]
    for start, end in zip(corners, corners[1:]):
        across = 1j * (end - start) / max(abs(end - start), 1e-9) * width / 2
        outlines.append(np.array([start + across, end + across, end - across, start - across]))
    return outlines


def _strokes(*lines):
    """Returns a form of thick lines, each given as 'x,y x,y ...' from -9 to 9."""
    lines = [_points(line) for line in lines]

    def form(rng):
        width = rng.uniform(0.12, 0.26)
        return [outline for line in lines for outline in _stroke(line, width)]

    return form


def _points(text):
    return np.array([complex(*map(float, pair.split(','))) for pair in text.split()]) / 10


def _outlines(*texts):
    """Returns a form of outlines, each given as 'x,y x,y ...' from -9 to 9."""
    outlines = [_points(text) for text in texts]
    return lambda rng: outlines


def _spiral(rng):
    along = np.linspace(0.05, 1, 48)
    return _stroke(along * np.exp(1j * along * rng.uniform(12, 17)), rng.uniform(0.09, 0.13))


def _snowflake(rng):
    width, branch = rng.uniform(0.08, 0.12), rng.uniform(0.4, 0.6)
    arms = []
    for i in range(6):
        turn = cmath.exp(1j * math.pi * i / 3)
        twig = 0.35 * cmath.exp(1j * math.pi / 3)
        arms += _stroke(np.array([0j, 1.0]) * turn, width)
        arms += _stroke(np.array([branch + twig, branch, branch + twig.conjugate()]) * turn, width)
    return arms


def _wheel(spokes):
    def form(rng):
        width = rng.uniform(0.08, 0.14)
        rim = _stroke(CIRCLE * 0.9, width * 1.3)
        turns = arc(0, math.tau, spokes + 1)[:-1]
        return rim + [bar for turn in turns for bar in _stroke(np.array([0j, 0.9]) * turn, width)]

    return form


def _scales(rng):
    rows = range(4)
    return [
        CIRCLE * 0.3 + complex(0.4 * column - 0.6 + 0.2 * (row % 2), 0.38 * row - 0.6)
        for row in rows
        for column in range(4)
    ]


def _grapes(rng):
    return [
        CIRCLE * 0.24 + complex(0.42 * column - 0.21 * (4 - row), 0.36 * row - 0.6)
        for row in range(4)
        for column in range(5 - row)
    ]


def _fern(rng):
    bend, leaflets = rng.uniform(-0.3, 0.3), []
    for along in np.linspace(-0.9, 0.8, 9):
        for side in (-1, 1):
            leaflet = petal(0.16) * (0.65 - 0.4 * along) * cmath.exp(1j * side * 0.9)
            leaflets.append(leaflet + along + 1j * bend * along**2)
    return leaflets


FORMS = {
    'triangle': _polygon(3),
    'square': _polygon(4),
    'pentagon': _polygon(5),
    'hexagon': _polygon(6),
    'disc': _polygon(32),
    'star4': _star(4, 0.35),
    'star5': _star(5, 0.42),
    'star6': _star(6, 0.5),
    'star9': _star(9, 0.6),
    'star14': _star(14, 0.7),
    'gear6': _gear(6),
    'gear9': _gear(9),
    'gear14': _gear(14),
    'propeller2': _propeller(2),
    'propeller3': _propeller(3),
    'propeller4': _propeller(4),
    'wheel3': _wheel(3),
    'wheel5': _wheel(5),
    'wheel8': _wheel(8),
    'spiral': _spiral,
    'snowflake': _snowflake,
    'scales': _scales,
    'grapes': _grapes,
    'fern': _fern,
    'leaf': lambda rng: [2 * petal(rng.uniform(0.15, 0.3), 0.45, 1.1) - 1],
    'drop': lambda rng: [2 * petal(rng.uniform(0.28, 0.4), 0.72, 1.0) - 1],
    'crescent': lambda rng: [np.concatenate([arc(1, 5.3), 0.75 * arc(5.2, 1.1) + 0.3])],
    'bowl': lambda rng: [arc(0, math.pi), CIRCLE.real + 0.25j * CIRCLE.imag],
    'egg': lambda rng: [CIRCLE.real + 0.7j * CIRCLE.imag * (1 - 0.25 * CIRCLE.real)],
    'onion': lambda rng: [(2 * petal(width, 0.6, 0.7) - 1) for width in (0.45, 0.3, 0.14)],
    'target': lambda rng: [CIRCLE * radius for radius in (1, 0.7, 0.4, 0.15)],
    'cloud': lambda rng: [CIRCLE * 0.45 - 0.5, CIRCLE * 0.55 + 0.1 - 0.25j, CIRCLE * 0.4 + 0.6],
    'heart': _outlines('0,9 -9,-1 -9,-5 -6,-8 -2,-7 0,-4 2,-7 6,-8 9,-5 9,-1'),
    'fish': lambda rng: [
        petal(0.32) * 1.5 - 0.9,
        _points('3,0 9,-6 8,0 9,6'),
        CIRCLE * 0.07 - 0.6 - 0.08j,
    ],
    'house': _outlines('-7,9 -7,-1 7,-1 7,9', '-9,-1 0,-9 9,-1', '-2,9 -2,3 2,3 2,9'),
    'fir': _outlines('-1,6 1,6 1,9 -1,9', '-7,6 0,-2 7,6', '-6,2 0,-5 6,2', '-4,-2 0,-9 4,-2'),
    'boat': _outlines('-9,4 9,4 6,8 -6,8', '-1,3 -1,-9 -8,3', '1,3 1,-7 6,3'),
    'bottle': _outlines('-4,9 -4,-1 -1,-5 -1,-9 1,-9 1,-5 4,-1 4,9', '-4,2 4,2 4,6 -4,6'),
    'mushroom': lambda rng: [_points('-2,0 2,0 3,9 -3,9'), arc(math.pi, math.tau) * 0.9],
    'butterfly': lambda rng: (
        [petal(0.4, 0.65) * 0.95 * cmath.exp(1j * turn) for turn in (0.5, -0.5, 2.64, -2.64)]
        + [petal(0.08) * 1.2j - 0.6j]
    ),
    'arrow': _outlines('-9,-2 1,-2 1,-6 9,0 1,6 1,2 -9,2'),
    'lightning': _outlines('2,-9 -6,2 -1,2 -3,9 6,-3 1,-3 5,-9'),
    'crown': _outlines('-8,7 -9,-5 -4,1 0,-8 4,1 9,-5 8,7', '-8,7 8,7 8,4 -8,4'),
    'cup': _outlines('-7,-7 7,-7 5,8 -5,8', '-7,-7 7,-7 6,-4 -6,-4'),
    'plus': _strokes('-8,0 8,0', '0,-8 0,8'),
    'T': _strokes('-8,-8 8,-8', '0,-8 0,8'),
    'E': _strokes('6,-8 -6,-8 -6,8 6,8', '-6,0 4,0'),
    'H': _strokes('-6,-8 -6,8', '6,-8 6,8', '-6,0 6,0'),
    'K': _strokes('-6,-8 -6,8', '6,-8 -6,0 6,8'),
    'Y': _strokes('-7,-8 0,0 7,-8', '0,0 0,8'),
    'zigzag': _strokes('-9,4 -6,-4 -2,4 2,-4 6,4 9,-4'),
    'fork': _strokes('0,9 0,0', '-5,-8 -5,0 5,0 5,-8', '0,0 0,-8'),
    'ladder': _strokes(
        '-4,-9 -4,9', '4,-9 4,9', '-4,-6 4,-6', '-4,-2 4,-2', '-4,2 4,2', '-4,6 4,6'
    ),
    'asterisk': _strokes('-8,0 8,0', '-4,-7 4,7', '4,-7 -4,7'),
    'lattice': _strokes('-8,-4 8,-4', '-8,4 8,4', '-4,-8 -4,8', '4,-8 4,8'),
}


def _striped(brush, put, colour):
    step = brush.rng.uniform(0.18, 0.34)
    for start in np.arange(-1.2, 1.2, step):
        bar = np.array(
            [start - 1.2j, start + 1.2j, start + step / 2 + 1.2j, start + step / 2 - 1.2j]
        )
        brush.polygon(put(bar), colour)


def _dotted(brush, put, colour):
    step = brush.rng.uniform(0.2, 0.34)
    for across in np.arange(-1.1, 1.2, step):
        for down in np.arange(-1.1, 1.2, step):
            brush.polygon(put(CIRCLE[::3] * step * 0.3 + complex(across, down)), colour)


def _ringed(brush, put, colour):
    step, other = brush.rng.uniform(0.2, 0.36), brush.image.getpixel((0, 0))
    for i, radius in enumerate(np.arange(1.2, 0.05, -step / 2)):
        brush.polygon(put(CIRCLE * radius), other if i % 2 else colour)


def _plain(brush, put, colour):
    pass


FILLINGS = {'plain': _plain, 'striped': _striped, 'dotted': _dotted, 'ringed': _ringed}
CLASSES = [f'{form} {filling}' for form in sorted(FORMS) for filling in FILLINGS]


def _fill(canvas, outlines, filling, put):
    """Paints posed outlines with a filling; each outline over the last, edged or not."""
    rng = canvas.rng
    below = canvas.image.getpixel((int(put.centre.real), int(put.centre.imag)))
    colour = drawing.contrasting_colour(rng, [below])
    pattern = drawing.Canvas(Image.new('RGB', canvas.image.size, colour), rng)
    FILLINGS[filling](pattern, put, drawing.contrasting_colour(rng, [colour, below]))
    mask = Image.new('L', canvas.image.size)
    brush = ImageDraw.Draw(mask)
    for outline in outlines:
        brush.polygon(put(outline).view(np.float64).tolist(), fill=255)
    canvas.image.paste(pattern.image, (0, 0), mask)
    if len(outlines) < 20 and rng.random() < (0.8 if len(outlines) > 1 else 0.4):
        edge = shade(colour, rng.choice([0.5, 0.7, 1.5]))
        for outline in outlines:
            closed = put(np.append(outline, outline[0]))
            canvas.line(closed, edge, rng.uniform(1, 3))


def draw(name, seed, size):
    """Returns a picture of one of CLASSES as an RGB image, `size` pixels square.

    The same name, seed and size always give the same picture.
    """
    rng = random.Random(f'{name}/{seed!r}')
    form, filling = name.split()
    scenery = [drawing.random_colour(rng, (0.0, 0.7)) for _ in range(rng.randrange(1, 5))]
    canvas = drawing.Canvas(
        drawing.background((_DRAWN_SIZE, _DRAWN_SIZE), rng, scenery, scenery), rng
    )
    outlines = [np.asarray(outline, np.complex128) for outline in FORMS[form](rng)]
    for place in reversed(range(rng.choice([1, 1, 1, 2]))):
        radius = _DRAWN_SIZE * rng.uniform(0.3, 0.5) * (0.6 if place else 1)
        centre = canvas.random_point(0.05 if place else 0.42)
        put = drawing.random_pose(rng, centre, radius, 0.6)
        _fill(canvas, outlines, filling, put)
    drawing.leaves(canvas, rng.choice([0, 0, 0, 1, 2]), scenery, 0.3)
    reduction = rng.choice([Image.BOX, Image.NEAREST])  # Photos come as sharp as the one or other.
    return drawing.photograph(canvas.image.resize((size, size), reduction), rng)


class Picture(NamedTuple):
    """What `draw` takes."""

    name: str
    seed: Any
    size: int


def draw_array(picture):
    """Returns a `Picture` as a uint8 array: what a process pool runs, without TensorFlow."""
    return np.asarray(draw(picture.name, picture.seed, picture.size))
