"""Running a network over photos."""

import os
import shutil

import numpy as np
import pytest

from scripts.common import files
from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import extract, sources
from scripts.features.cache import Cache
from scripts.features.place import Place
from scripts.images.runner import BATCH_SIZE
from scripts.networks import backbone as backbone_lib

NAME = 'mobilenet_0.25_128'
EVERYTHING = np.arange(72)


@pytest.fixture
def place(tmp_path):
    return Place(str(tmp_path / 'cache'), NAME)


@pytest.fixture
def photos(photo_dir):
    return photos_lib.load(photo_dir, Split(key='name')).photos


def computed(pretrained, place, photos):
    """Returns the features of photos, all of them readable, as an array."""
    features = extract.compute(pretrained, place, photos)
    assert features.readable.all() and len(features) == len(photos)
    return features.take(np.arange(len(photos)))


def remove(place, photos):
    for photo in photos:
        os.remove(place.text_path(photo))


def test_a_warm_cache_computes_nothing_and_gives_the_same(pretrained, place, photos, monkeypatch):
    cold = computed(pretrained, place, photos)
    assert cold.shape == (72, 1001) and cold.dtype == np.float32
    monkeypatch.setattr(sources.Photos, 'batches', None)
    assert (computed(pretrained, place, photos) == cold).all()
    assert (computed(pretrained, place, photos[::-1]) == cold[::-1]).all()


def test_a_warm_start_opens_no_text_and_no_photo_and_writes_nothing(
    pretrained, place, photos, monkeypatch
):
    cold = computed(pretrained, place, photos)
    path = place.store(pretrained).path
    before, opened = os.stat(path), open

    def only_the_store(name, mode='r', *more, **options):
        assert (name, mode) == (path, 'rb')
        return opened(name, mode, *more, **options)

    monkeypatch.setattr('builtins.open', only_the_store)
    warm = computed(pretrained, place, photos)
    monkeypatch.undo()
    assert (warm == cold).all()
    after = os.stat(path)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_features_are_mapped_from_the_store(pretrained, place, photos):
    features = extract.compute(pretrained, place, photos)
    computed_values = features._values
    while computed_values.base is not None and not isinstance(computed_values, np.memmap):
        computed_values = computed_values.base
    assert isinstance(computed_values, np.memmap)


def test_feature_maps_are_computed_once_and_kept_in_binary(pretrained, place, photos, monkeypatch):
    cut = backbone_lib.cut(pretrained, 'MobilenetV1/Pool')
    cold = computed(cut, place, photos)
    assert cold.shape == (72, 4, 4, 3)
    assert os.listdir(place.folder) == [os.path.basename(place.store(cut).path)]
    monkeypatch.setattr(sources.Photos, 'batches', None)
    assert (computed(cut, place, photos) == cold).all()


def test_feature_maps_of_half_precision_take_half_the_room(pretrained, place, photos):
    cut = backbone_lib.cut(pretrained, 'MobilenetV1/Pool')
    half = place._replace(dtype='float16')
    cold, kept = computed(cut, place, photos), computed(cut, half, photos)
    assert (kept == cold.astype(np.float16)).all()
    sizes = [os.path.getsize(each.store(cut).path) for each in (place, half)]
    assert sizes[0] - sizes[1] == 72 * 4 * 4 * 3 * 2


def test_what_is_missing_is_recomputed_as_it_was(pretrained, place, photos):
    cold = computed(pretrained, place, photos)
    missing = [photos[3], photos[40], photos[71]]
    texts = [files.read(place.text_path(photo), 'text') for photo in missing]
    kept = os.stat(place.text_path(photos[4])).st_mtime_ns
    remove(place, missing)
    assert (computed(pretrained, place, photos) == cold).all()
    assert [files.read(place.text_path(photo), 'text') for photo in missing] == texts
    assert os.stat(place.text_path(photos[4])).st_mtime_ns == kept


def test_a_corrupt_store_is_replaced(pretrained, place, photos, warnings_of):
    cold = computed(pretrained, place, photos)
    path = place.store(pretrained).path
    good = files.read(path, 'store')
    found = []
    for corrupt in (b'<html>', bytes(5000), good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]):
        files.write(path, corrupt)
        warned = warnings_of(lambda: found.append(computed(pretrained, place, photos)))
        assert 'corrupt' in warned[0] and path in warned[0]
        assert (found[-1] == cold).all()
        assert warnings_of(lambda: computed(pretrained, place, photos)) == []


@pytest.mark.parametrize('count', [1, 2, 5, BATCH_SIZE - 1, BATCH_SIZE + 1])
def test_the_last_bits_do_not_depend_on_the_batch(pretrained, place, photos, tmp_path, count):
    whole = computed(pretrained, place, photos)
    other = place._replace(folder=str(tmp_path / 'other'))
    part = computed(pretrained, other, photos[-count:])
    assert (part == whole[-count:]).all()


def test_a_stopped_run_goes_on(pretrained, place, photos, monkeypatch, tmp_path):
    add, added = Cache.add, []

    def stopping(self, indices, values, looks):
        if added:
            raise KeyboardInterrupt
        added.append(indices)
        add(self, indices, values, looks)

    monkeypatch.setattr(Cache, 'add', stopping)
    with pytest.raises(KeyboardInterrupt):
        extract.compute(pretrained, place, photos)
    monkeypatch.setattr(Cache, 'add', add)
    assert len(added[0]) == BATCH_SIZE
    cache = Cache(pretrained, place, photos)
    cache.load()
    assert np.flatnonzero(cache.found).tolist() == added[0].tolist()
    other = place._replace(folder=str(tmp_path / 'other'))
    assert (computed(pretrained, place, photos) == computed(pretrained, other, photos)).all()


def test_unreadable_photos_are_left_out_and_change_nothing_else(
    pretrained, place, photo_dir, tmp_path, warnings_of
):
    folder = str(tmp_path / 'photos')
    shutil.copytree(photo_dir, folder)
    photos = photos_lib.load(folder, Split(key='name')).photos
    good = computed(pretrained, place, photos)
    bad = [0, 5, 33, 71]
    for row in bad:
        with open(photos[row].path, 'wb') as file:
            file.write(b'<html>')
    found = []
    other = place._replace(folder=str(tmp_path / 'other'))
    warned = warnings_of(lambda: found.append(extract.compute(pretrained, other, photos)))
    (features,) = found
    assert np.flatnonzero(~features.readable).tolist() == bad
    rows = np.flatnonzero(features.readable)
    assert (features.take(rows) == good[rows]).all()
    assert len(warned) == 4
    assert all(photos[row].path in text for row, text in zip(bad, warned))


def test_a_photo_that_has_gone_is_told_and_left_out(pretrained, place, photos, warnings_of):
    good = computed(pretrained, place, photos)
    gone = photos[7]._replace(path=photos[7].path + '.gone')
    found, some = [], photos[:7] + (gone,) + photos[8:]
    (warned,) = warnings_of(lambda: found.append(extract.compute(pretrained, place, some)))
    assert gone.path in warned
    rows = np.flatnonzero(found[0].readable)
    assert rows.tolist() == np.delete(EVERYTHING, 7).tolist()
    assert (found[0].take(rows) == good[rows]).all()


def test_too_little_space_is_told_before_anything_is_computed(
    pretrained, place, photos, monkeypatch
):
    monkeypatch.setattr(extract.limits, 'free_bytes', lambda folder: 10**5)
    with pytest.raises(UserError, match='72 bottlenecks need about 1 MB .*, and 0 MB are free'):
        extract.compute(pretrained, place, photos)
    assert not os.path.exists(place.folder)


def test_values_that_are_not_finite_are_told_and_not_kept(pretrained, place, photos, monkeypatch):
    def compute(self, paths, groups, *_):
        for group in groups:
            count = group.stop - group.start
            yield group, np.full((count, 1001), np.inf, np.float32), np.ones(count, np.bool_)

    monkeypatch.setattr(sources.Photos, 'batches', compute)
    with pytest.raises(UserError, match='not finite for .*: the network is corrupt; delete it'):
        extract.compute(pretrained, place, photos)
    assert not os.path.exists(place.folder)
