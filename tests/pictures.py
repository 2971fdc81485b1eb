"""Photos drawn for tests: each class a colour, each photo another place and shade."""

import os

import numpy as np
from PIL import Image, ImageDraw

from tests.images import exif_kinds

COLOURS = {'Blue-Ones': (30, 60, 200), 'green': (40, 180, 60), 'Red': (210, 40, 30)}
LABELS = ['blue ones', 'red', 'green']  # In the order of the folders' names, capitals first.


def draw(path, colour, seed, size=(48, 40)):
    """Draws one photo: a blob of about `colour` on grey noise; the extension gives its format."""
    random = np.random.RandomState(seed)
    noise = random.randint(90, 160, size=(size[1], size[0], 3)).astype(np.uint8)
    image = Image.fromarray(noise)
    shade = tuple(int(each) for each in np.clip(np.array(colour) + random.randint(-25, 25), 0, 255))
    left, top = random.randint(0, 12, size=2)
    ImageDraw.Draw(image).ellipse([left, top, left + size[0] // 2, top + size[1] // 2], fill=shade)
    image.save(path)


def draw_classes(folder, count, extension='.jpg'):
    """Draws `count` photos of each class into sub-folders of `folder`, which it returns."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        os.makedirs(os.path.join(folder, name))
        for index in range(count):
            draw(
                os.path.join(folder, name, '%03d%s' % (index, extension)),
                colour,
                1000 * number + index,
            )
    return folder


def rotated_copy(folder, copy):
    """Copies a folder of classes of JPEGs, each of which asks to be turned; returns the copy."""
    for name in sorted(os.listdir(folder)):
        os.makedirs(os.path.join(copy, name))
        for file_name in sorted(os.listdir(os.path.join(folder, name))):
            with open(os.path.join(folder, name, file_name), 'rb') as file:
                data = exif_kinds.with_segments(exif_kinds.exif(6), jpeg=file.read())
            with open(os.path.join(copy, name, file_name), 'wb') as file:
                file.write(data)
    return copy


def enlarged_copy(folder, copy, side):
    """Scales each photo of a folder of classes to `side` pixels square; returns the copy."""
    for name in sorted(os.listdir(folder)):
        os.makedirs(os.path.join(copy, name))
        for file_name in sorted(os.listdir(os.path.join(folder, name))):
            with Image.open(os.path.join(folder, name, file_name)) as image:
                image.resize((side, side)).save(os.path.join(copy, name, file_name))
    return copy
