"""Running a network over photos."""

import os
import shutil

import numpy as np
import pytest

from scripts.common import files
from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import cache as cache_lib
from scripts.features import extract
from scripts.images.runner import BATCH_SIZE

NAME = 'mobilenet_0.25_128'


@pytest.fixture
def cache(tmp_path, pretrained):
    return cache_lib.Cache(str(tmp_path / 'cache'), NAME, pretrained.sha256, 1001)


@pytest.fixture
def photos(photo_dir):
    return photos_lib.load(photo_dir, Split()).photos


def remove(cache, photos):
    for photo in photos:
        os.remove(cache.path(photo))


def test_a_warm_cache_computes_nothing_and_gives_the_same(pretrained, cache, photos, monkeypatch):
    cold, readable = extract.through_cache(pretrained, cache, photos)
    assert cold.shape == (72, 1001) and cold.dtype == np.float32 and readable.all()
    monkeypatch.setattr(extract, '_compute', None)
    warm, readable = extract.through_cache(pretrained, cache, photos)
    assert (warm == cold).all() and readable.all()


def test_the_second_run_reads_few_texts_as_numbers(pretrained, cache, photos, monkeypatch):
    cold, _ = extract.through_cache(pretrained, cache, photos)
    compared, from_text = [], cache_lib.from_text

    def count(text, length):
        compared.append(text)
        return from_text(text, length)

    monkeypatch.setattr(cache_lib, 'from_text', count)
    kept = os.stat(cache.values_path()).st_mtime_ns
    warm, _ = extract.through_cache(pretrained, cache, photos)
    assert (warm == cold).all()
    assert len(compared) == 32
    backwards, _ = extract.through_cache(pretrained, cache, photos[::-1])
    assert (backwards == cold[::-1]).all()
    assert os.stat(cache.values_path()).st_mtime_ns != kept


def test_an_up_to_date_binary_file_is_not_written_again(pretrained, cache, photos):
    extract.through_cache(pretrained, cache, photos)
    kept = os.stat(cache.values_path()).st_ino
    extract.through_cache(pretrained, cache, photos)
    assert os.stat(cache.values_path()).st_ino == kept


@pytest.mark.parametrize('damage', [b'', b'1234567', b'\0' * 5000, None])
def test_a_damaged_binary_file_is_noticed_and_made_anew(
    pretrained, cache, photos, warnings_of, damage
):
    cold, _ = extract.through_cache(pretrained, cache, photos)
    good = files.read(cache.values_path(), 'values')
    if damage is None:
        damage = good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]
    files.write(cache.values_path(), damage)
    found = []
    warned = warnings_of(lambda: found.extend(extract.through_cache(pretrained, cache, photos)))
    assert len(warned) == 1 and cache.values_path() in warned[0] and 'made anew' in warned[0]
    assert (found[0] == cold).all()
    assert files.read(cache.values_path(), 'values') == good


def test_where_the_binary_file_cannot_be_written_that_is_told_and_no_more(
    pretrained, cache, photos, warnings_of
):
    os.makedirs(cache.values_path())
    found = []
    warned = warnings_of(lambda: found.extend(extract.through_cache(pretrained, cache, photos)))
    assert found[1].all()
    assert len(warned) == 2 and 'takes longer' in warned[1]


def test_what_is_missing_is_made_as_it_was(pretrained, cache, photos):
    cold, _ = extract.through_cache(pretrained, cache, photos)
    missing = [photos[3], photos[40], photos[71]]
    texts = [files.read(cache.path(photo), 'text') for photo in missing]
    kept = os.stat(cache.path(photos[4])).st_mtime_ns
    remove(cache, missing)
    again, _ = extract.through_cache(pretrained, cache, photos)
    assert (again == cold).all()
    assert [files.read(cache.path(photo), 'text') for photo in missing] == texts
    assert os.stat(cache.path(photos[4])).st_mtime_ns == kept


@pytest.mark.parametrize('count', [1, 2, 5, BATCH_SIZE - 1, BATCH_SIZE + 1])
def test_the_last_bits_do_not_depend_on_the_batch(pretrained, cache, photos, tmp_path, count):
    whole, _ = extract.through_cache(pretrained, cache, photos)
    other = cache._replace(folder=str(tmp_path / 'other'))
    part, _ = extract.through_cache(pretrained, other, photos[-count:])
    assert (part == whole[-count:]).all()


def test_a_stopped_run_goes_on(pretrained, cache, photos, monkeypatch, tmp_path):
    store, stored = cache_lib.store, []

    def stopping(*arguments):
        if stored:
            raise KeyboardInterrupt
        stored.append(arguments[1])
        return store(*arguments)

    monkeypatch.setattr(cache_lib, 'store', stopping)
    with pytest.raises(KeyboardInterrupt):
        extract.through_cache(pretrained, cache, photos)
    monkeypatch.setattr(cache_lib, 'store', store)
    assert len(stored[0]) == BATCH_SIZE
    bottlenecks, _ = extract.through_cache(pretrained, cache, photos)
    other = cache._replace(folder=str(tmp_path / 'other'))
    assert (bottlenecks == extract.through_cache(pretrained, other, photos)[0]).all()


def test_unreadable_photos_are_left_out_and_change_nothing_else(
    pretrained, cache, photo_dir, tmp_path, warnings_of
):
    folder = str(tmp_path / 'photos')
    shutil.copytree(photo_dir, folder)
    photos = photos_lib.load(folder, Split()).photos
    good, _ = extract.through_cache(pretrained, cache, photos)
    bad = [0, 5, 33, 71]
    for row in bad:
        with open(photos[row].path, 'wb') as file:
            file.write(b'<html>')
    found = []
    other = cache._replace(folder=str(tmp_path / 'other'))
    warned = warnings_of(lambda: found.extend(extract.through_cache(pretrained, other, photos)))
    bottlenecks, readable = found
    assert np.flatnonzero(~readable).tolist() == bad
    assert (bottlenecks[readable] == good[readable]).all()
    assert len(warned) == 4
    assert all(photos[row].path in text for row, text in zip(bad, warned))


def test_too_little_space_is_told_before_anything_is_computed(
    pretrained, cache, photos, monkeypatch
):
    monkeypatch.setattr(extract.limits, 'free_bytes', lambda folder: 10**5)
    with pytest.raises(UserError, match='72 bottlenecks need about 1 MB'):
        extract.through_cache(pretrained, cache, photos)
    assert not os.path.exists(cache.folder)
