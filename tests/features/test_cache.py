"""The cache of bottlenecks: classic files, and a record that notices what changed."""

import json
import os
import shutil
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from scripts.common.errors import UserError
from scripts.dataset.photos import Photo
from scripts.features import cache as cache_lib

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


def overwrite_photo(cache, photo):
    """Of the same size, and at the same time, as far as a photo's own time tells."""
    before = os.stat(photo.path)
    with open(photo.path, 'r+b') as file:
        file.write(b'PHOTO')
    os.utime(photo.path, ns=(before.st_atime_ns, before.st_mtime_ns))


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
        (overwrite_photo, 'another version of the photo'),
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


def touch(photos):
    for photo in photos:
        os.utime(photo.path, (1, 1))


def copy(photos):
    """Copies the folder and puts the copy in its place."""
    folder = os.path.dirname(os.path.dirname(photos[0].path))
    shutil.copytree(folder, folder + '.copy')
    shutil.rmtree(folder)
    os.rename(folder + '.copy', folder)


def unpack(photos):
    """Writes all photos again."""
    for photo in photos:
        with open(photo.path, 'rb') as file:
            data = file.read()
        os.unlink(photo.path)
        with open(photo.path, 'wb') as file:
            file.write(data)


def rename_and_back(photos):
    for photo in photos:
        os.rename(photo.path, photo.path + '.old')
        os.rename(photo.path + '.old', photo.path)


CHANGES_OF_NOTHING = [touch, copy, unpack, rename_and_back]


def as_before(cache, photos):
    """Takes out of the records what earlier versions did not write."""
    for folder in {photo.folder for photo in photos}:
        with open(cache.record_path(folder), 'rb') as file:
            lines = file.read().decode('ascii').splitlines()
        lines = [json.loads(line)[:5] for line in lines if line]
        with open(cache.record_path(folder), 'wb') as file:
            file.write(b''.join(b'\n' + json.dumps(line).encode() + b'\n' for line in lines))


@pytest.mark.parametrize('change', CHANGES_OF_NOTHING)
@pytest.mark.parametrize('old', [False, True], ids=['new record', 'old record'])
def test_where_only_times_differ_contents_are_compared_once(
    cache, photos, warnings_of, monkeypatch, change, old
):
    cache_lib.store(cache, photos, VALUES)
    if old:
        as_before(cache, photos)
        assert load(cache, photos)[1] == [True] * 4  # They are completed.
    change(photos)
    assert warnings_of(lambda: load(cache, photos)) == []
    monkeypatch.setattr(cache_lib, '_digest_of_photo', None)
    bottlenecks, found = load(cache, photos)
    assert found == [True] * 4 and (bottlenecks == VALUES).all()


def test_a_time_that_differs_from_an_old_record_is_not_trusted(cache, photos, warnings_of):
    cache_lib.store(cache, photos, VALUES)
    as_before(cache, photos)
    touch(photos[:1])
    (warned,) = warnings_of(lambda: load(cache, photos))
    assert 'another version of the photo' in warned and cache.path(photos[0]) in warned
    assert load(cache, photos)[1] == [False, True, True, True]


def exchange(path, other):
    for pair in ((path, path + '.x'), (other, path), (path + '.x', other)):
        os.rename(*pair)


@pytest.mark.parametrize('folders', [False, True], ids=['photos', 'folders'])
def test_photos_that_have_changed_places_are_noticed(cache, photos, warnings_of, folders):
    path = os.path.join(os.path.dirname(photos[1].path), '0.jpg')
    other = os.path.join(os.path.dirname(photos[1].path), '2.jpg')
    os.rename(photos[1].path, path)
    os.rename(photos[3].path, other)
    photos[1] = photos[1]._replace(path=path, file_name='0.jpg')
    photos[3] = photos[3]._replace(path=other, file_name='2.jpg')
    for photo in photos:
        os.utime(photo.path, (1, 1))
    cache_lib.store(cache, photos, VALUES)
    if folders:
        exchange(os.path.dirname(photos[0].path), os.path.dirname(photos[1].path))
    else:
        exchange(photos[0].path, photos[1].path)
    assert load(cache, photos)[1] == ([False] * 4 if folders else [False, False, True, True])
    assert 'another version of the photo' in warnings_of(lambda: load(cache, photos))[0]


def test_a_photo_that_is_compared_and_gone_counts_as_another(cache, photos, warnings_of):
    cache_lib.store(cache, photos, VALUES)
    touch(photos)
    digest = cache_lib._digest_of_photo
    with mock.patch.object(
        cache_lib, '_digest_of_photo', lambda path: os.unlink(path) or digest(path)
    ):
        assert load(cache, photos[:1])[1] == [False]


def test_a_record_that_cannot_be_completed_is_told(cache, photos, warnings_of, monkeypatch):
    cache_lib.store(cache, photos, VALUES)
    touch(photos)
    path = cache.record_path('a')
    opened = open

    def refuse(name, mode, *more, **options):
        if name == path and mode == 'ab':
            raise PermissionError(13, 'Permission denied', name)
        return opened(name, mode, *more, **options)

    monkeypatch.setattr('builtins.open', refuse)
    found = []
    (warned,) = warnings_of(lambda: found.extend(load(cache, photos)[1]))
    assert found == [True] * 4
    assert 'cannot write %s' % path in warned and 'compared again' in warned


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


@pytest.mark.parametrize('wrong', [-VALUES, VALUES * np.nan, np.roll(VALUES, 1, axis=0)])
@pytest.mark.parametrize('rows', [[0, 1, 2, 3], [2]])
def test_a_binary_file_that_says_something_else_is_not_believed(
    cache, photos, warnings_of, wrong, rows
):
    digests = cache_lib.store(cache, photos, VALUES)
    values = VALUES.copy()
    values[rows] = wrong[rows]
    cache_lib.save_values(cache, digests, values)  # Its own checksum is right.
    with open(cache.values_path(), 'rb') as file:
        crafted = file.read()
    found = []
    (warned,) = warnings_of(lambda: found.append(load(cache, photos)[0]))
    assert cache.values_path() in warned and 'other values than the text files' in warned
    assert (found[0] == VALUES).all()
    with open(cache.values_path(), 'rb') as file:
        assert file.read() != crafted
    assert warnings_of(lambda: load(cache, photos)) == []


def test_which_rows_of_a_large_binary_file_are_compared_cannot_be_guessed(cache, photos):
    many = [photos[0]] * 500
    cache_lib.store(cache, photos, VALUES)
    load(cache, photos)
    compared = []
    from_text = cache_lib.from_text

    def keep(text, length):
        compared.append(len(text))
        return from_text(text, length)

    with mock.patch.object(cache_lib, 'from_text', keep):
        load(cache, many)
    assert len(compared) == 32
    drawn = [cache_lib._drawn(range(500)) for _ in range(2)]
    assert drawn[0] != drawn[1] and all(len(set(each)) == 32 for each in drawn)


def test_many_damaged_files_are_counted_not_all_listed(cache, photos, warnings_of):
    many = photos * 10
    cache_lib.store(cache, photos, VALUES)
    for photo in photos:
        empty(cache, photo)
    warned = warnings_of(lambda: load(cache, many))
    assert len(warned) == 11 and 'and 30 more' in warned[-1]


def test_the_longest_names_have_a_record(cache, photos, warnings_of):
    for name in ('\udcff' * 255, '\u82b1' * 85, '\U0001f33c' * 63, 'a' * 255):
        os.rename(photos[0].path, os.path.join(os.path.dirname(photos[0].path), name))
        path = os.path.join(os.path.dirname(photos[0].path), name)
        photos[0] = photos[0]._replace(file_name=name, path=path)
        cache_lib.store(cache, photos[:1], VALUES[:1])
        assert warnings_of(lambda: load(cache, photos[:1])) == []
        assert load(cache, photos[:1])[1] == [True]


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
    [
        b'["0.jpg", 1, 2, "5ha", 3, 4, 5, "6", 7]',
        b'["0.jpg", 1, 2, "5ha"]',
        b'7',
        b'null',
        b'[]',
        b'[["0.jpg"], 1, 2, "x", 3]',
        b'["0.jpg"]',
        b'[' * 99999,
        b'["0.jpg", 1, 2, "5ha", 3, 4, 5, "%s"]' % (b'9' * 10**4),
        b'\xff',
    ],
    ids=range(10),
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
