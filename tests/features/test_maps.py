"""Feature maps: checked when they are taken, recomputed where they are not kept."""

import os
import subprocess

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import extract, kept_photos, sources
from scripts.features import store as store_lib
from scripts.features.place import Place
from scripts.networks import backbone as backbone_lib
from tests import pictures

pytestmark = pytest.mark.once

EVERYTHING = np.arange(36)
SOME = np.array([35, 3, 3, 0, 20])
SHAPE = (4, 4, 3)


@pytest.fixture
def backbone(pretrained):
    return backbone_lib.cut(pretrained, 'MobilenetV1/Pool')


@pytest.fixture
def place(tmp_path):
    return Place(str(tmp_path / 'cache'), 'net')


@pytest.fixture
def photos(tmp_path):
    folder = pictures.draw_classes(str(tmp_path / 'photos'), 12)
    return photos_lib.load(folder, Split(key='name')).photos


@pytest.fixture
def values(backbone, tmp_path, photos):
    """The features of the photos, computed and kept elsewhere."""
    other = Place(str(tmp_path / 'elsewhere'), 'net')
    return extract.compute(backbone, other, photos).take(EVERYTHING)


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


def rows_of(features, photo_rows):
    """Returns where photos are in the store: the batches come in the order of their writers."""
    return features._kept.where[photo_rows].tolist()


def corrupt_values(store, row):
    """Changes one bit of the values of a row of a store."""
    with open(store.path, 'r+b') as file:
        file.seek(store_lib._HEADER_BYTES + (row + 1) * store.row_type.itemsize - 1)
        last = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([last[0] ^ 1]))


def test_once_features_are_kept_no_photo_is_opened(backbone, place, photos, values, monkeypatch):
    extract.compute(backbone, place, photos)
    monkeypatch.setattr(sources.Photos, 'batches', None)
    features = extract.compute(backbone, place, photos)
    for photo in photos:
        os.unlink(photo.path)
    assert (features.take(EVERYTHING) == values).all()
    assert features.take(SOME).dtype == np.float32 and features.shape == SHAPE
    assert features.readable.all() and len(features) == 36


def test_feature_maps_and_pixels_are_mapped_not_read(backbone, place, photos):
    kept = kept_photos.keep(place.folder, photos, backbone.network.pixels)
    features = extract.compute(backbone, place, photos)
    assert is_mapped(features._kept.rows.values) and is_mapped(kept.image(0))


def test_a_warm_start_looks_at_no_values(backbone, place, photos, values, monkeypatch):
    extract.compute(backbone, place, photos)
    looked_at = []
    intact = store_lib.Rows.intact
    monkeypatch.setattr(
        store_lib.Rows,
        'intact',
        lambda self, rows: looked_at.extend(rows.tolist()) or intact(self, rows),
    )
    features = extract.compute(backbone, place, photos)
    assert not looked_at
    for _ in range(2):
        assert (features.take(SOME) == values[SOME]).all()
    assert sorted(looked_at) == sorted(rows_of(features, np.unique(SOME)))  # Each once.


def test_corrupt_values_are_noticed_when_they_are_taken_and_replaced(
    backbone, place, photos, values, warnings_of
):
    (row,) = rows_of(extract.compute(backbone, place, photos), [3])
    corrupt_values(place.store(backbone), row)
    features, taken = [], []
    assert warnings_of(lambda: features.append(extract.compute(backbone, place, photos))) == []
    (warned,) = warnings_of(lambda: taken.append(features[0].take(SOME)))
    assert photos[3].path in warned and 'corrupt; replacing' in warned
    assert (taken[0] == values[SOME]).all()
    assert warnings_of(lambda: taken.append(features[0].take(SOME))) == []
    features = extract.compute(backbone, place, photos)
    assert warnings_of(lambda: taken.append(features.take(EVERYTHING))) == []
    assert (taken[-1] == values).all()


def test_corrupt_values_that_cannot_be_replaced_are_recomputed_each_time(
    backbone, place, photos, values, warnings_of, monkeypatch
):
    features = extract.compute(backbone, place, photos)
    corrupt_values(place.store(backbone), *rows_of(features, [3]))

    def refuse(*_):
        raise store_lib.StoreWriteError('cannot write it')

    monkeypatch.setattr(store_lib.Store, 'append', refuse)
    taken = []
    warned = warnings_of(lambda: taken.append(features.take(SOME)))
    assert len(warned) == 2 and warned[1] == 'cannot write it: it is recomputed each time'
    assert warnings_of(lambda: taken.append(features.take(EVERYTHING))) == []
    assert (taken[0] == values[SOME]).all() and (taken[1] == values).all()


def test_corrupt_values_of_a_photo_that_was_touched_are_not_recorded_again(
    backbone, place, photos, values, warnings_of
):
    (row,) = rows_of(extract.compute(backbone, place, photos), [3])
    corrupt_values(place.store(backbone), row)
    for photo in photos:
        os.utime(photo.path, (1, 1))
    taken = []
    (warned,) = warnings_of(
        lambda: taken.append(extract.compute(backbone, place, photos).take(EVERYTHING))
    )
    assert 'what is kept of %s is corrupt; recomputing' % photos[3].path in warned
    assert (taken[0] == values).all()


def test_where_the_disk_has_no_room_a_line_says_so_and_they_are_recomputed(
    backbone, place, photos, values, warnings_of, monkeypatch
):
    with open(photos[7].path, 'wb') as file:
        file.write(b'<html>')
    monkeypatch.setattr(extract.limits, 'free_bytes', lambda folder: 1000)
    found = []
    warned = warnings_of(lambda: found.append(extract.compute(backbone, place, photos)))
    assert len(warned) == 2
    assert 'the features of 36 photos need about 0 MB in %s' % place.folder in warned[0]
    assert 'not kept, but recomputed each time' in warned[0] and photos[7].path in warned[1]
    (features,) = found
    assert np.flatnonzero(~features.readable).tolist() == [7]
    rows = np.delete(EVERYTHING, 7)
    assert (features.take(rows) == values[rows]).all()
    assert (features.take(SOME) == values[SOME]).all()
    assert not os.path.exists(place.folder)


def test_a_photo_that_goes_while_it_is_recomputed_each_time_is_told(
    backbone, place, photos, monkeypatch
):
    monkeypatch.setattr(extract.limits, 'free_bytes', lambda folder: 1000)
    features = extract.compute(backbone, place, photos)
    os.unlink(photos[3].path)
    with pytest.raises(UserError, match='photo %s is unreadable' % photos[3].path):
        features.take(SOME)


def test_what_was_kept_before_is_used_where_the_disk_has_no_room_for_more(
    backbone, place, photos, values, monkeypatch
):
    extract.compute(backbone, place, photos[:20])
    before = os.stat(place.store(backbone).path)
    monkeypatch.setattr(extract.limits, 'free_bytes', lambda folder: 1000)
    features = extract.compute(backbone, place, photos)
    for photo in photos[:20]:
        os.unlink(photo.path)
    assert (features.take(EVERYTHING) == values).all()
    assert os.stat(place.store(backbone).path).st_size == before.st_size


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two pages, 8 kB."""
    path = str(tmp_path / 'disk')
    os.mkdir(path)
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=8k', 'faults', path]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip('a small tmpfs cannot be mounted here: this needs root and CAP_SYS_ADMIN')
    yield path
    subprocess.run(['umount', '-l', path], check=True)


@pytest.mark.each_python
def test_a_disk_that_becomes_full_is_told_and_has_room_again(
    backbone, photos, values, small_disk, warnings_of, monkeypatch
):
    monkeypatch.setattr(extract.limits, 'free_bytes', lambda folder: 10**9)
    place, found = Place(small_disk, 'net'), []
    (warned,) = warnings_of(lambda: found.append(extract.compute(backbone, place, photos)))
    assert 'No space left' in warned and 'not kept, but recomputed each time' in warned
    assert (found[0].take(EVERYTHING) == values).all()
    assert os.listdir(small_disk) == []


def test_a_disk_that_becomes_full_keeps_what_was_there_before(
    backbone, photos, values, small_disk, warnings_of, monkeypatch
):
    place = Place(small_disk, 'net')
    extract.compute(backbone, place, photos[:8])
    monkeypatch.setattr(extract.limits, 'free_bytes', lambda folder: 10**9)
    found = []
    (warned,) = warnings_of(lambda: found.append(extract.compute(backbone, place, photos)))
    assert 'No space left' in warned
    assert (found[0].take(EVERYTHING) == values).all()
    assert len(place.store(backbone).read()) >= 8
