"""Features of distorted copies: kept, numbered, and the same whatever the run."""

import os

import numpy as np
import pytest

from scripts.common import limits
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import extract, sources
from scripts.features.place import Place
from scripts.images import distort
from scripts.images.settings import Copying, Distortions
from scripts.networks import backbone as backbone_lib
from tests import pictures

pytestmark = pytest.mark.once

DISTORTIONS = Distortions(True, 10, 10, 10)
THREE = Copying(DISTORTIONS, 3)
EVERYTHING = np.arange(30)


@pytest.fixture
def place(tmp_path):
    return Place(str(tmp_path / 'cache'), 'net')


@pytest.fixture
def photos(tmp_path):
    folder = pictures.draw_classes(str(tmp_path / 'photos'), 10)
    return photos_lib.load(folder, Split(key='name')).photos


@pytest.fixture(params=['the bottleneck', 'a feature map', 'the fed node'])
def backbone(pretrained, request):
    if request.param == 'the bottleneck':
        return pretrained
    if request.param == 'a feature map':
        return backbone_lib.cut(pretrained, 'MobilenetV1/Pool')
    pixels = pretrained.network.pixels
    return pretrained._replace(
        boundary=pretrained.network.input_name, shape=(pixels.height, pixels.width, 3)
    )


def all_copies(features):
    """Returns the features of all copies, float32 `[copies, photos, *shape]`."""
    count = len(features)
    return np.stack(
        [
            features.take(np.arange(count), np.full(count, number))
            for number in range(features.count)
        ]
    )


@pytest.mark.each_python
def test_copies_differ_are_kept_and_write_no_text(backbone, place, photos, monkeypatch):
    features = extract.compute_copies(backbone, place, photos, THREE)
    values = all_copies(features)
    assert values.dtype == np.float32 and features.shape == backbone.shape
    assert features.readable.all() and len(features) == 30 and features.count == 3
    plain = extract.compute(backbone, place._replace(folder=place.folder + '2'), photos)
    four = np.concatenate([values, plain.take(EVERYTHING)[np.newaxis]])
    for one in range(4):
        for other in range(one):
            assert (four[one] != four[other]).any(axis=tuple(range(1, four.ndim - 1))).all()
    (name,) = os.listdir(place.folder)
    assert name.startswith('net_distorted_') and name.endswith('.features')
    monkeypatch.setattr(sources.Copies, 'batches', None)
    again = extract.compute_copies(backbone, place, photos, THREE)
    for photo in photos:
        os.unlink(photo.path)
    assert (all_copies(again) == values).all()


def test_copies_are_distorted_as_photo_and_number_say(pretrained, place, photos):
    features = extract.compute_copies(pretrained, place, photos, THREE)
    named = photos[4]._replace(file_name='%s, distorted, 2' % photos[4].file_name)
    draws = distort.draw(sources._random_state(named), 1)
    runner = sources.DistortedRunner(pretrained, DISTORTIONS)
    expected = runner.run([photos[4].path] * 32, np.repeat(draws, 32, axis=0))
    assert (features.take(np.array([4]), np.array([2])) == expected[:1]).all()


def test_more_copies_compute_only_what_is_missing(pretrained, place, photos, monkeypatch):
    three = all_copies(extract.compute_copies(pretrained, place, photos, THREE))
    computed, batches = [], sources.Copies.batches

    def counting(self, paths, groups, *others):
        computed.extend(groups)
        yield from batches(self, paths, groups, *others)

    monkeypatch.setattr(sources.Copies, 'batches', counting)
    five = extract.compute_copies(pretrained, place, photos, THREE._replace(copies=5))
    assert [group.start for group in computed] == [64, 96, 128]  # Of 90 on; batches have 32.
    assert (all_copies(five)[:3] == three).all()
    two = extract.compute_copies(pretrained, place, photos, THREE._replace(copies=2))
    assert len(computed) == 3 and (all_copies(two) == three[:2]).all()


def test_other_distortions_and_photos_of_other_names_are_others(pretrained, place, photos):
    one = all_copies(extract.compute_copies(pretrained, place, photos, THREE))
    other = Copying(DISTORTIONS._replace(random_crop=20), 3)
    assert (all_copies(extract.compute_copies(pretrained, place, photos, other)) != one).any()
    assert len(os.listdir(place.folder)) == 2
    renamed = [photo._replace(file_name='x' + photo.file_name) for photo in photos]
    assert (all_copies(extract.compute_copies(pretrained, place, renamed, THREE)) != one).any()


def test_unreadable_photos_are_left_out_with_all_their_copies(
    pretrained, place, photos, warnings_of
):
    values = all_copies(extract.compute_copies(pretrained, place, photos, THREE))
    bad, good = [0, 7], np.delete(EVERYTHING, [0, 7])
    for row in bad:
        with open(photos[row].path, 'wb') as file:
            file.write(b'<html>')
    elsewhere, found = place._replace(folder=place.folder + '2'), []
    for _ in range(2):
        warned = warnings_of(
            lambda: found.append(extract.compute_copies(pretrained, elsewhere, photos, THREE))
        )
        assert len(warned) == 2 and photos[0].path in warned[0]
        assert np.flatnonzero(~found[-1].readable).tolist() == bad
        for number in range(3):
            taken = found[-1].take(good, np.full(len(good), number))
            assert (taken == values[number, good]).all()


def test_where_the_disk_has_no_room_copies_are_made_each_time(
    backbone, place, photos, warnings_of, monkeypatch
):
    values = all_copies(extract.compute_copies(backbone, place, photos, THREE))
    elsewhere, found = place._replace(folder=place.folder + '2'), []
    monkeypatch.setattr(limits, 'free_bytes', lambda folder: 1000)
    (warned,) = warnings_of(
        lambda: found.append(extract.compute_copies(backbone, elsewhere, photos, THREE))
    )
    assert 'not kept, but recomputed each time' in warned
    assert (all_copies(found[0]) == values).all() and not os.path.exists(elsewhere.folder)
