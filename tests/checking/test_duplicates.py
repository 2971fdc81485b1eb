"""Near-duplicates: what features propose, and what pixels decide."""

import itertools
import os

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from scripts.checking import duplicates
from scripts.checking.duplicates import Pair
from scripts.images.settings import IGNORE

COUNT = 12


def scene(seed, size=(320, 240)):
    """Draws a picture of many things."""
    random = np.random.RandomState(seed)
    image = Image.new('RGB', size, tuple(random.randint(0, 256, 3).tolist()))
    drawing = ImageDraw.Draw(image)
    for _ in range(25):
        left, top = random.randint(0, size[0] - 20), random.randint(0, size[1] - 20)
        box = [left, top, left + random.randint(10, 120), top + random.randint(10, 120)]
        drawing.ellipse(box, fill=tuple(random.randint(0, 256, 3).tolist()))
    return image


def changed(image, *changes):
    """Returns a picture after some of flip, crop and scale."""
    if 'flip' in changes:
        image = ImageOps.mirror(image)
    if 'crop' in changes:
        width, height = image.size
        image = image.crop((width // 30, 0, width // 30 + width * 19 // 20, height * 19 // 20))
    if 'scale' in changes:
        image = image.resize((image.width * 3 // 5, image.height * 3 // 5), Image.BICUBIC)
    return image


@pytest.fixture
def write(tmp_path):
    """Writes pictures; returns their paths."""

    def write_all(images, **options):
        paths = []
        for image in images:
            paths.append(str(tmp_path / ('%d.jpg' % len(os.listdir(str(tmp_path))))))
            image.save(paths[-1], 'JPEG', **dict(dict(quality=90), **options))
        return paths

    return write_all


@pytest.fixture
def all_proposed(monkeypatch):
    """Lets the pixels of all pairs be compared, whatever the features."""

    def pairs(features):
        return list(itertools.combinations(range(len(features)), 2))

    monkeypatch.setattr(duplicates, '_proposed', pairs)


@pytest.mark.parametrize(
    'changes',
    [('flip',), ('crop',), ('scale',), ('recompress',), ('flip', 'crop', 'scale', 'recompress')],
)
def test_a_changed_copy_is_found_and_others_are_none(write, changes):
    scenes = [scene(seed) for seed in range(COUNT)]
    paths = write(scenes)
    quality = 30 if 'recompress' in changes else 90
    paths += write([changed(scenes[3], *changes)], quality=quality)
    features = np.random.RandomState(0).rand(COUNT + 1, 6).astype(np.float32)
    features[-1] = features[3] + 0.01
    (pair,) = duplicates.find(paths, features, IGNORE)
    assert (pair.first, pair.second) == (3, COUNT) and 0.9 < pair.similarity <= 1


def test_only_what_features_propose_is_compared(write):
    paths = write([scene(1), scene(1, (318, 240))] + [scene(seed) for seed in range(2, 14)])
    features = np.random.RandomState(0).rand(14, 6).astype(np.float32)
    features[1] = -features[0]
    assert duplicates.find(paths, features, IGNORE) == []


def test_files_of_the_same_bytes_are_found_whatever_the_features(write, tmp_path):
    paths = write([scene(1), scene(2), scene(1), scene(1)])
    features = -np.eye(4, dtype=np.float32)
    found = [pair[:2] for pair in duplicates.find(paths, features, IGNORE)]
    assert (0, 2) in found and (0, 3) in found and not any(1 in pair for pair in found)
    assert duplicates.groups(duplicates.find(paths, features, IGNORE)) == [(0, 2, 3)]


def test_plain_pictures_and_those_of_one_slope_are_no_duplicates(write, all_proposed):
    plain = [Image.new('RGB', (200, 150), (shade, shade, shade)) for shade in (100, 103, 180)]
    fields = []
    sky = np.linspace(140, 110, 150)[:, np.newaxis, np.newaxis]
    for seed in (1, 2):
        noise = np.random.RandomState(seed).randint(-90, 91, (150, 200, 3))
        fields.append(Image.fromarray((sky + noise).clip(0, 255).astype(np.uint8)))
    paths = write(plain + fields)
    assert duplicates.find(paths, np.ones((5, 1)), IGNORE) == []


def test_an_unreadable_photo_is_no_duplicate(write, tmp_path, all_proposed):
    paths = write([scene(1), scene(2)]) + [str(tmp_path / 'gone.jpg'), str(tmp_path / 'bad.jpg')]
    (tmp_path / 'bad.jpg').write_bytes(b'no photo')
    assert duplicates.find(paths, np.ones((4, 1)), IGNORE) == []


def test_one_photo_has_no_duplicate(write):
    assert duplicates.find(write([scene(1)]), np.ones((1, 3), np.float32), IGNORE) == []


def test_neighbours_are_those_of_all_photos_whatever_the_block(monkeypatch):
    features = np.random.RandomState(3).rand(50, 4).astype(np.float32)
    expected = duplicates._proposed(features)
    monkeypatch.setattr(duplicates, '_BLOCK', 7)
    assert duplicates._proposed(features) == expected
    assert all(first < second for first, second in expected)


def test_groups_are_what_pairs_connect():
    pairs = [Pair(*each, 0.9) for each in ((1, 5), (2, 3), (5, 9), (0, 7), (7, 9))]
    assert duplicates.groups(pairs) == [(0, 1, 5, 7, 9), (2, 3)]
    assert duplicates.groups([]) == []
