"""The cache of bottlenecks: classic files, and a record that notices what changed."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from scripts.bottlenecks import cache as cache_lib
from scripts.dataset.photos import Photo
from scripts.errors import UserError

LENGTH = 6
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def classic_text(values):
    """What the classic script writes."""
    return ','.join(str(value) for value in values)


def classic_values(text):
    """How the classic script reads."""
    return [float(value) for value in text.split(',')]


@pytest.fixture
def photos(tmp_path):
    """Four photos in two folders; what is in them does not matter here."""
    made = []
    for number in range(4):
        folder = 'ab'[number % 2]
        path = tmp_path / 'photos' / folder / ('%d.jpg' % number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'photo %d' % number)
        made.append(Photo(str(path), folder, path.name, number % 2, 'training'))
    return made


@pytest.fixture
def cache(tmp_path):
    return cache_lib.Cache(str(tmp_path / 'cache'), 'mobilenet_0.25_128', '5ha', LENGTH)


VALUES = np.random.RandomState(0).randn(4, LENGTH).astype(np.float32)


def load(cache, photos):
    bottlenecks = np.full((len(photos), LENGTH), np.nan, np.float32)
    found, digests, _ = cache_lib.load(cache, photos, bottlenecks)
    cache_lib.save_values(cache, digests, bottlenecks)
    return bottlenecks, found.tolist()


@given(st_numpy.arrays(np.float32, st.integers(1, 40), elements=FINITE))
def test_text_reads_back_as_the_same_values_here_and_in_the_classic_script(values):
    text = cache_lib.to_text(values)
    assert set(text) <= set('0123456789.,-+e')
    assert (cache_lib.from_text(text, len(values)) == values).all()
    assert (np.array(classic_values(text), np.float32) == values).all()


@given(st_numpy.arrays(np.float32, st.integers(1, 40), elements=FINITE))
def test_classic_text_reads_as_the_same_values(values):
    assert (cache_lib.from_text(classic_text(values), len(values)) == values).all()


@pytest.mark.parametrize(
    'text',
    [
        '',
        ' ',
        '1,2,3',
        '1,2,3,4,5,',
        '1,2,3,4,5,6,7',
        '1,2,x,4,5,6',
        '1 2 3 4 5 6',
        '1,2,nan,4,5,6',
        '1,2,inf,4,5,6',
        b'\x00' * 40,
        '1,2,3,4,5,6<html>',
        '1,,2,3,4,5,6',
    ],
)
def test_damaged_text_is_noticed(text):
    assert cache_lib.from_text(text, LENGTH) is None


def test_paths_are_the_classic_ones(cache, photos):
    assert cache.path(photos[0]) == os.path.join(cache.folder, 'a', '0.jpg_mobilenet_0.25_128.txt')


def test_what_is_stored_is_loaded(cache, photos, warnings_of):
    assert load(cache, photos)[1] == [False] * 4
    cache_lib.store(cache, photos[:3], VALUES[:3])
    assert warnings_of(lambda: load(cache, photos)) == []
    bottlenecks, found = load(cache, photos)
    assert found == [True, True, True, False]
    assert (bottlenecks[:3] == VALUES[:3]).all() and np.isnan(bottlenecks[3]).all()


def test_classic_files_are_trusted_with_one_notice_and_stay(cache, photos, warnings_of):
    for photo, values in zip(photos, VALUES):
        os.makedirs(os.path.dirname(cache.path(photo)), exist_ok=True)
        with open(cache.path(photo), 'w') as file:
            file.write(classic_text(values))
    warned = warnings_of(lambda: load(cache, photos))
    assert len(warned) == 1 and '4 bottleneck files' in warned[0] and 'trusted' in warned[0]
    assert warnings_of(lambda: load(cache, photos)) == []
    bottlenecks, found = load(cache, photos)
    assert all(found) and (bottlenecks == VALUES).all()
    for photo, values in zip(photos, VALUES):
        with open(cache.path(photo)) as file:
            assert file.read() == classic_text(values)


def change_photo(cache, photo):
    with open(photo.path, 'ab') as file:
        file.write(b'!')


def touch_photo(cache, photo):
    os.utime(photo.path, (1, 1))


def cut_inside_the_last_number(cache, photo):
    with open(cache.path(photo), 'r+') as file:
        file.truncate(len(file.read()) - 1)


def empty(cache, photo):
    open(cache.path(photo), 'w').close()


def zero_bytes(cache, photo):
    with open(cache.path(photo), 'r+b') as file:
        file.seek(5)
        file.write(b'\x00' * 4)


@pytest.mark.parametrize(
    'damage, words',
    [
        (change_photo, 'another version of the photo'),
        (touch_photo, 'another version of the photo'),
        (cut_inside_the_last_number, 'not what was written'),
        (empty, 'not what was written'),
        (zero_bytes, 'not what was written'),
    ],
)
def test_a_change_is_noticed_and_made_good(cache, photos, warnings_of, damage, words):
    cache_lib.store(cache, photos, VALUES)
    damage(cache, photos[2])
    warned = warnings_of(lambda: load(cache, photos))
    assert len(warned) == 1 and words in warned[0] and cache.path(photos[2]) in warned[0]
    assert load(cache, photos)[1] == [True, True, False, True]
    cache_lib.store(cache, photos[2:3], VALUES[2:3])
    assert load(cache, photos)[1] == [True] * 4


def test_a_damaged_classic_file_is_noticed(cache, photos, warnings_of):
    os.makedirs(os.path.dirname(cache.path(photos[0])))
    with open(cache.path(photos[0]), 'w') as file:
        file.write('1,2,3')
    warned = warnings_of(lambda: load(cache, photos[:1]))
    assert len(warned) == 1 and 'expected 6 numbers' in warned[0]


def test_another_version_of_the_network_is_noticed(cache, photos, warnings_of):
    cache_lib.store(cache, photos, VALUES)
    other = cache._replace(sha256='07he2')
    assert all(
        'another version of the network' in text
        for text in warnings_of(lambda: load(other, photos))
    )
    assert load(other, photos)[1] == [False] * 4
    assert load(cache, photos)[1] == [True] * 4


def test_many_damaged_files_are_counted_not_all_listed(cache, photos, warnings_of):
    many = photos * 10
    cache_lib.store(cache, photos, VALUES)
    for photo in photos:
        empty(cache, photo)
    warned = warnings_of(lambda: load(cache, many))
    assert len(warned) == 11 and 'and 30 more' in warned[-1]


@pytest.mark.parametrize('kept', range(0, 200, 7))
def test_a_torn_record_harms_no_other_line(cache, photos, kept):
    cache_lib.store(cache, photos, VALUES)
    path = cache.record_path('a')
    with open(path, 'rb') as file:
        whole = file.read()
    with open(path, 'wb') as file:
        file.write(whole[:kept])
    cache_lib.store(cache, photos, VALUES)
    assert load(cache, photos)[1] == [True] * 4
    change_photo(cache, photos[0])
    change_photo(cache, photos[2])
    assert load(cache, photos)[1] == [False, True, False, True]


@pytest.mark.parametrize(
    'line',
    [b'7', b'null', b'[]', b'[["0.jpg"], 1, 2, "x", 3]', b'["0.jpg"]', b'[' * 99999, b'\xff'],
)
def test_a_damaged_line_of_a_record_harms_no_other(cache, photos, line):
    cache_lib.store(cache, photos, VALUES)
    with open(cache.record_path('a'), 'ab') as file:
        file.write(b'\n' + line + b'\n')
    assert load(cache, photos)[1] == [True] * 4


def test_a_cache_that_cannot_be_written_is_told(cache, photos):
    with open(cache.folder, 'w'):
        pass
    with pytest.raises(UserError, match='cannot write'):
        cache_lib.store(cache, photos, VALUES)
