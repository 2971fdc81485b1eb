"""What is kept of features: what counts, what is recomputed, and what is told."""

import builtins
import contextlib
import os
import shutil
from unittest import mock

import numpy as np
import pytest

from scripts.common import files
from scripts.common.errors import UserError
from scripts.dataset.photos import Photo
from scripts.features import cache as cache_lib
from scripts.features import identity, texts
from scripts.features.cache import Cache
from scripts.features.place import Place
from tests.features.backbones import Backbone

LENGTH = 6
NAME = 'mobilenet_0.25_128'
VALUES = np.random.RandomState(0).randn(4, LENGTH).astype(np.float32)
MAPS = np.random.RandomState(1).randn(4, 2, 3, 5).astype(np.float32)


VECTORS = Backbone(shape=(LENGTH,))
FEATURE_MAPS = Backbone('Conv2d_12/Relu6', (2, 3, 5), '3b' * 32)


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
def place(tmp_path):
    return Place(str(tmp_path / 'cache'), NAME)


def load(place, photos, backbone=VECTORS):
    """Returns the features that are found, zeros for the others, and which are."""
    cache = Cache(backbone, place, photos)
    cache.load()
    features = cache.features()
    assert (features.readable == cache.found).all()
    values = np.zeros((len(photos),) + backbone.shape, np.float32)
    values[cache.found] = features.take(np.flatnonzero(cache.found))
    return values, cache.found.tolist()


def store(place, photos, values=VALUES, backbone=VECTORS):
    """Stores features of photos, of which none need be found."""
    cache = Cache(backbone, place, photos)
    cache.load()
    cache.add(np.arange(len(photos)), values[: len(photos)])
    return cache


def write_text(place, photo, text):
    """Writes a text file, at another time than any before."""
    path = place.text_path(photo)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as file:
        file.write(text)
    os.utime(path, (10**9, 10**9))


def read_text(path):
    return files.read(path, 'text').decode('ascii')


def classic_text(values):
    """What the classic script writes."""
    return ','.join(str(value) for value in values.tolist())


@contextlib.contextmanager
def nothing_read(*folders):
    """Fails where a file below folders is opened."""
    opened = open

    def refuse(path, *more, **options):
        assert not any(str(path).startswith(str(each)) for each in folders), path
        return opened(path, *more, **options)

    with mock.patch.object(builtins, 'open', refuse):
        yield


def test_what_is_stored_is_found_without_opening_photos_and_texts(place, photos, warnings_of):
    assert load(place, photos)[1] == [False] * 4
    store(place, photos[:3])
    texts_dirs = [os.path.join(place.folder, folder) for folder in 'ab']
    with nothing_read(os.path.dirname(os.path.dirname(photos[0].path)), *texts_dirs):
        assert warnings_of(lambda: load(place, photos)) == []
        values, found = load(place, photos)
    assert found == [True, True, True, False] and (values[:3] == VALUES[:3]).all()


def test_text_files_are_the_classic_ones(place, photos):
    store(place, photos)
    path = os.path.join(place.folder, 'a', '0.jpg_%s.txt' % NAME)
    assert read_text(path) == texts.to_text(VALUES[0]).decode('ascii')
    assert sorted(os.listdir(place.folder)) == ['a', 'b', NAME + '.features']


def test_feature_maps_are_kept_in_the_store_alone(place, photos, warnings_of):
    store(place, photos, MAPS, FEATURE_MAPS)
    (name,) = os.listdir(place.folder)
    assert name.startswith(NAME + '_') and name.endswith('.features')
    with nothing_read(os.path.dirname(os.path.dirname(photos[0].path))):
        assert warnings_of(lambda: load(place, photos, FEATURE_MAPS)) == []
        values, found = load(place, photos[::-1], FEATURE_MAPS)
    assert all(found) and (values == MAPS[::-1]).all()


def test_each_boundary_shape_and_type_has_a_store_of_its_own(place):
    paths = {
        each_place.store(backbone).path
        for each_place in (place, place._replace(dtype='float16'), place._replace(name='other'))
        for backbone in (
            VECTORS,
            FEATURE_MAPS,
            FEATURE_MAPS._replace(boundary='Conv2d_11/Relu6'),
            FEATURE_MAPS._replace(shape=(3, 2, 5)),
        )
    }
    assert len(paths) == 12


def test_other_types_are_kept_as_they_are_and_given_as_float32(place, photos):
    half = place._replace(dtype='float16')
    store(half, photos, MAPS, FEATURE_MAPS)
    values, _ = load(half, photos, FEATURE_MAPS)
    assert values.dtype == np.float32 and (values == MAPS.astype(np.float16)).all()
    pixels = np.random.RandomState(2).randint(0, 256, (4, 2, 3, 5)).astype(np.uint8)
    as_bytes = place._replace(dtype='uint8')
    store(as_bytes, photos, pixels, FEATURE_MAPS)
    assert (load(as_bytes, photos, FEATURE_MAPS)[0] == pixels).all()
    with pytest.raises(TypeError):
        store(as_bytes, photos, MAPS, FEATURE_MAPS)


def test_classic_files_are_used_with_one_warning_and_stay(place, photos, warnings_of):
    for photo, values in zip(photos, VALUES):
        write_text(place, photo, classic_text(values))
    warned = warnings_of(lambda: load(place, photos))
    assert len(warned) == 1 and '4 bottleneck files' in warned[0] and 'unchecked' in warned[0]
    with nothing_read(os.path.join(place.folder, 'a')):
        assert warnings_of(lambda: load(place, photos)) == []
        values, found = load(place, photos)
    assert all(found) and (values == VALUES).all()
    for photo, values in zip(photos, VALUES):
        assert read_text(place.text_path(photo)) == classic_text(values)


def test_many_classic_files_are_adopted_chunk_by_chunk(place, photos, warnings_of):
    for photo, values in zip(photos, VALUES):
        write_text(place, photo, classic_text(values))
    with mock.patch.object(cache_lib.store_lib, '_CHUNK_BYTES', 3 * (120 + 4 * LENGTH)):
        (warned,) = warnings_of(lambda: load(place, photos))
    assert '4 bottleneck files' in warned
    assert (load(place, photos)[0] == VALUES).all()


def test_a_deleted_text_is_recomputed(place, photos, warnings_of):
    store(place, photos)
    os.unlink(place.text_path(photos[1]))
    assert warnings_of(lambda: load(place, photos)) == []
    assert load(place, photos)[1] == [True, False, True, True]


def test_the_numbers_of_an_edited_text_are_used_with_one_warning(place, photos, warnings_of):
    store(place, photos)
    for photo in photos[1:3]:
        write_text(place, photo, '1,2,3,4,5,6')
    loaded = []
    (warned,) = warnings_of(lambda: loaded.extend(load(place, photos)))
    assert '2 bottleneck files were edited' in warned and place.text_path(photos[1]) in warned
    assert warnings_of(lambda: load(place, photos)) == []
    for values, found in (loaded, load(place, photos)):
        assert all(found) and (values[[0, 3]] == VALUES[[0, 3]]).all()
        assert (values[1:3] == np.arange(1, 7)).all()
    assert read_text(place.text_path(photos[1])) == '1,2,3,4,5,6'


def test_a_text_that_was_copied_or_touched_is_read_once(place, photos, warnings_of):
    store(place, photos)
    for photo in photos:
        os.utime(place.text_path(photo), (1, 1))
    assert warnings_of(lambda: load(place, photos)) == []
    with nothing_read(os.path.join(place.folder, 'a')):
        values, found = load(place, photos)
    assert all(found) and (values == VALUES).all()


def change_photo(place, photo):
    with open(photo.path, 'ab') as file:
        file.write(b'!')


def overwrite_photo(place, photo):
    """Of the same size, and at the same time, as far as a photo's own time tells."""
    before = os.stat(photo.path)
    with open(photo.path, 'r+b') as file:
        file.write(b'PHOTO')
    os.utime(photo.path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut_inside_the_last_number(place, photo):
    with open(place.text_path(photo), 'r+') as file:
        file.truncate(len(file.read()) - 4)


def cut_inside_a_classic_number(place, photo):
    write_text(place, photo, classic_text(VALUES[2]))
    load(place, [photo])
    write_text(place, photo, classic_text(VALUES[2])[:-9])


def empty(place, photo):
    open(place.text_path(photo), 'w').close()


def zero_bytes(place, photo):
    write_text(place, photo, '\0' * os.path.getsize(place.text_path(photo)))


@pytest.mark.parametrize(
    'change, words',
    [
        (change_photo, 'another version of the photo'),
        (overwrite_photo, 'another version of the photo'),
        (cut_inside_the_last_number, 'cut short'),
        (cut_inside_a_classic_number, 'cut short'),
        (empty, 'expected 6 numbers'),
        (zero_bytes, 'expected 6 numbers'),
    ],
)
def test_a_change_is_noticed_and_recomputed(place, photos, warnings_of, change, words):
    store(place, photos)
    change(place, photos[2])
    warned = warnings_of(lambda: load(place, photos))
    assert len(warned) == 1 and words in warned[0] and place.text_path(photos[2]) in warned[0]
    assert 'recomputing' in warned[0]
    assert load(place, photos)[1] == [True, True, False, True]
    store(place, photos[2:3], VALUES[2:3])
    assert warnings_of(lambda: load(place, photos)) == []
    assert load(place, photos)[1] == [True] * 4


@pytest.mark.parametrize('change', [change_photo, overwrite_photo])
def test_a_changed_photo_of_a_feature_map_is_noticed(place, photos, warnings_of, change):
    store(place, photos, MAPS, FEATURE_MAPS)
    change(place, photos[2])
    (warned,) = warnings_of(lambda: load(place, photos, FEATURE_MAPS))
    assert photos[2].path in warned and 'another version of the photo; recomputing' in warned
    assert load(place, photos, FEATURE_MAPS)[1] == [True, True, False, True]


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


@pytest.mark.parametrize('change', [touch, copy, unpack, rename_and_back])
@pytest.mark.parametrize('backbone, values', [(VECTORS, VALUES), (FEATURE_MAPS, MAPS)])
def test_where_only_times_differ_contents_are_compared_once(
    place, photos, warnings_of, change, backbone, values
):
    store(place, photos, values, backbone)
    change(photos)
    assert warnings_of(lambda: load(place, photos, backbone)) == []
    with nothing_read(os.path.dirname(os.path.dirname(photos[0].path))):
        loaded, found = load(place, photos, backbone)
    assert found == [True] * 4 and (loaded == values).all()


def exchange(path, other):
    for pair in ((path, path + '.x'), (other, path), (path + '.x', other)):
        os.rename(*pair)


@pytest.mark.parametrize('folders', [False, True], ids=['photos', 'folders'])
def test_photos_that_have_changed_places_are_noticed(place, photos, warnings_of, folders):
    path = os.path.join(os.path.dirname(photos[1].path), '0.jpg')
    other = os.path.join(os.path.dirname(photos[1].path), '2.jpg')
    os.rename(photos[1].path, path)
    os.rename(photos[3].path, other)
    photos[1] = photos[1]._replace(path=path, file_name='0.jpg')
    photos[3] = photos[3]._replace(path=other, file_name='2.jpg')
    for photo in photos:
        os.utime(photo.path, (1, 1))
    store(place, photos)
    if folders:
        exchange(os.path.dirname(photos[0].path), os.path.dirname(photos[1].path))
    else:
        exchange(photos[0].path, photos[1].path)
    assert load(place, photos)[1] == ([False] * 4 if folders else [False, False, True, True])
    assert 'another version of the photo' in warnings_of(lambda: load(place, photos))[0]


def test_a_photo_that_has_gone_has_no_features(place, photos, warnings_of):
    store(place, photos)
    os.unlink(photos[0].path)
    assert warnings_of(lambda: load(place, photos)) == []  # It is told where photos are read.
    assert load(place, photos)[1] == [False, True, True, True]


def test_a_photo_that_goes_while_it_is_compared_counts_as_another(place, photos):
    store(place, photos)
    touch(photos)
    digest = identity.digest

    def remove_first(path, entry):
        os.unlink(path)
        return digest(path, entry)

    with mock.patch.object(identity, 'digest', remove_first):
        assert load(place, photos[:1])[1] == [False]


def test_a_photo_that_changes_while_it_is_computed_is_not_believed_later(place, photos):
    cache = Cache(VECTORS, place, photos)
    cache.load()
    overwrite_photo(place, photos[1])
    touch(photos[2:3])
    cache.add(np.arange(4), VALUES)
    assert load(place, photos)[1] == [True, False, False, True]


def test_another_version_of_the_network_is_noticed(place, photos, warnings_of):
    store(place, photos)
    other = VECTORS._replace(fingerprint='07' * 32)
    warned = warnings_of(lambda: load(place, photos, other))
    assert len(warned) == 4 and all('another version of the network' in text for text in warned)
    assert load(place, photos, other)[1] == [False] * 4
    assert load(place, photos)[1] == [True] * 4
    store(place, photos, VALUES + 1, other)
    values, found = load(place, photos, other)
    assert all(found) and (values == VALUES + 1).all()
    assert load(place, photos)[1] == [False] * 4


def test_many_problems_are_counted_not_all_listed(place, photos, warnings_of):
    many = photos * 10
    store(place, photos)
    for photo in photos:
        empty(place, photo)
    warned = warnings_of(lambda: load(place, many))
    assert len(warned) == 11 and 'and 30 more' in warned[-1]


def test_the_longest_names_have_a_row(place, photos, warnings_of):
    for name in ('\udcff' * 255, '\u82b1' * 85, '\U0001f33c' * 63, 'a' * 255):
        os.rename(photos[0].path, os.path.join(os.path.dirname(photos[0].path), name))
        path = os.path.join(os.path.dirname(photos[0].path), name)
        photos[0] = photos[0]._replace(file_name=name, path=path)
        store(place, photos[:1])
        assert warnings_of(lambda: load(place, photos[:1])) == []
        assert load(place, photos[:1])[1] == [True]


def damage_store(place, backbone, at):
    path = place.store(backbone).path
    data = files.read(path, 'store')
    at = at % len(data)
    files.write(path, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize(
    'at, unchecked',
    [(-9, 0), (-30, 1), (3, 4)],
    ids=['values', 'an entry', 'the header'],
)
def test_a_corrupt_store_is_told_and_the_texts_are_used(place, photos, warnings_of, at, unchecked):
    store(place, photos)
    damage_store(place, VECTORS, at)
    loaded = []
    warned = warnings_of(lambda: loaded.extend(load(place, photos)))
    assert place.store(VECTORS).path in warned[0] and 'corrupt' in warned[0]
    assert len(warned) == 1 + (unchecked > 0)
    assert all('%d bottleneck files' % unchecked in text for text in warned[1:])
    assert all(loaded[1]) and (loaded[0] == VALUES).all()
    assert warnings_of(lambda: load(place, photos)) == []
    assert (load(place, photos)[0] == VALUES).all()


@pytest.mark.parametrize('at, lost', [(-150, 1), (3, 4)])
def test_of_a_corrupt_store_of_feature_maps_rows_are_recomputed(
    place, photos, warnings_of, at, lost
):
    store(place, photos, MAPS, FEATURE_MAPS)
    damage_store(place, FEATURE_MAPS, at)
    cache = Cache(FEATURE_MAPS, place, photos)
    (warned,) = warnings_of(cache.load)
    assert place.store(FEATURE_MAPS).path in warned and 'corrupt' in warned
    assert (~cache.found).sum() == lost
    missing = np.flatnonzero(~cache.found)
    cache.add(missing, MAPS[missing])
    assert warnings_of(lambda: load(place, photos, FEATURE_MAPS)) == []
    assert (load(place, photos, FEATURE_MAPS)[0] == MAPS).all()


def refusing(path):
    """Returns an `open` that does not write to a path."""
    opened = open

    def refuse(name, mode='r', *more, **options):
        if name == path and mode == 'ab':
            raise PermissionError(13, 'Permission denied', name)
        return opened(name, mode, *more, **options)

    return mock.patch.object(builtins, 'open', refuse)


@pytest.mark.parametrize('backbone, values', [(VECTORS, VALUES), (FEATURE_MAPS, MAPS)])
def test_a_store_that_takes_no_rows_is_told_and_what_is_there_is_used(
    place, photos, warnings_of, backbone, values
):
    store(place, photos, values, backbone)
    touch(photos)
    loaded = []
    with refusing(place.store(backbone).path):
        (warned,) = warnings_of(lambda: loaded.extend(load(place, photos, backbone)))
    assert 'cannot write %s' % place.store(backbone).path in warned and 'longer' in warned
    assert all(loaded[1]) and (loaded[0] == values).all()


def test_texts_of_a_folder_that_cannot_be_written_are_used(place, photos, warnings_of):
    store(place, photos[:2])
    for photo, values in zip(photos[2:], VALUES[2:]):
        write_text(place, photo, classic_text(values))
    write_text(place, photos[0], '1,2,3,4,5,6')
    loaded = []
    with refusing(place.store(VECTORS).path):
        warned = warnings_of(lambda: loaded.extend(load(place, photos + photos[:1])))
    assert len(warned) == 3 and 'cannot write' in warned[0]
    assert all(loaded[1]) and (loaded[0][1:4] == VALUES[1:]).all()
    assert (loaded[0][[0, 4]] == np.arange(1, 7)).all()


def test_corrupt_rows_that_cannot_be_replaced_are_not_used(place, photos, warnings_of):
    store(place, photos)
    damage_store(place, VECTORS, -9)
    loaded = []
    with refusing(place.store(VECTORS).path):
        warned = warnings_of(lambda: loaded.extend(load(place, photos)))
    assert len(warned) == 2 and 'cannot write' in warned[0] and 'corrupt' in warned[1]
    assert all(loaded[1]) and (loaded[0] == VALUES).all()


def test_a_cache_that_cannot_be_written_is_told(place, photos):
    cache = Cache(VECTORS, place, photos)
    cache.load()
    with open(place.folder, 'w'):
        pass
    with pytest.raises(UserError, match='cannot write'):
        cache.add(np.arange(4), VALUES)


def test_a_text_that_cannot_be_looked_at_is_told(place, photos):
    with open(place.folder, 'w'):
        pass
    with pytest.raises(UserError, match='cannot read .*%s' % place.folder):
        load(place, photos)


def test_a_stop_between_row_and_text_leaves_no_text_of_the_photo_before(place, photos, warnings_of):
    store(place, photos)
    change_photo(place, photos[1])
    stop = mock.patch.object(os, 'replace', mock.Mock(side_effect=KeyboardInterrupt))
    with stop, pytest.raises(KeyboardInterrupt):
        store(place, photos[1:2], VALUES[2:3])
    assert warnings_of(lambda: load(place, photos)) == []
    assert load(place, photos)[1] == [True, False, True, True]


def test_a_text_that_is_a_link_stays_one(place, photos, tmp_path):
    store(place, photos)
    path, target = place.text_path(photos[0]), str(tmp_path / 'elsewhere')
    os.rename(path, target)
    os.symlink(target, path)
    empty(place, photos[0])
    store(place, photos[:1])
    assert os.path.islink(path) and read_text(target) == texts.to_text(VALUES[0]).decode('ascii')
    assert load(place, photos)[1] == [True] * 4


def test_dead_rows_are_dropped_when_they_are_most_of_the_file(place, photos):
    store(place, photos)
    whole = os.path.getsize(place.store(VECTORS).path)
    for moment in range(5):
        for photo in photos:
            os.utime(photo.path, (moment, moment))
        values, found = load(place, photos)
        assert all(found) and (values == VALUES).all()
        assert os.path.getsize(place.store(VECTORS).path) <= 2 * whole


def test_what_another_run_has_replaced_meanwhile_is_not_taken(place, photos):
    cache = store(place, photos)
    store(place, photos, VALUES + 1, VECTORS._replace(fingerprint='07' * 32))
    with pytest.raises(UserError, match='was changed by another run'):
        cache.features()


def test_what_another_run_adds_at_the_same_time_is_as_good(place, photos, warnings_of):
    first, second = (Cache(VECTORS, place, photos) for _ in range(2))
    first.load()
    second.load()
    for cache in (first, second):
        cache.add(np.arange(4), VALUES)
    for cache in (first, second):
        assert (cache.features().take(np.arange(4)) == VALUES).all()
    assert warnings_of(lambda: load(place, photos)) == []
    assert load(place, photos)[1] == [True] * 4


def test_a_text_that_another_run_adds_while_this_one_looks_has_its_row(
    place, photos, warnings_of, monkeypatch
):
    steps = []

    def then_another_run_adds(owner, name):
        function = getattr(owner, name)

        def wrapped(*arguments):
            steps.append(name)
            result = function(*arguments)
            if len(steps) == 1:
                store(place, photos)
            return result

        monkeypatch.setattr(owner, name, wrapped)

    then_another_run_adds(identity, 'entries')
    then_another_run_adds(cache_lib.store_lib.Store, 'read')
    assert warnings_of(lambda: load(place, photos)) == []
    assert load(place, photos)[1] == [True] * 4


def test_files_of_earlier_versions_are_left_alone_and_their_texts_used(place, photos, warnings_of):
    for photo, values in zip(photos, VALUES):
        write_text(place, photo, texts.to_text(values).decode('ascii'))
    old = [os.path.join(place.folder, name) for name in ('a/%s.record' % NAME, NAME + '.values')]
    for path in old:
        files.write(path, b'of an earlier version')
    (warned,) = warnings_of(lambda: load(place, photos))
    assert '4 bottleneck files' in warned and 'unchecked' in warned
    assert (load(place, photos)[0] == VALUES).all()
    assert [files.read(path, 'file') for path in old] == [b'of an earlier version'] * 2
