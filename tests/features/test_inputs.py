"""What the fed node is fed: the values of the photos, from decoded ones that are kept."""

import builtins
import os
import subprocess

import numpy as np
import pytest
from PIL import Image

from scripts.common import limits
from scripts.common.errors import UserError
from scripts.dataset.photos import Photo
from scripts.features import extract, kept_photos
from scripts.features.place import Place
from scripts.images import decoding, runner
from scripts.images.settings import APPLY, GREY, PixelSpec
from tests.images import exif_kinds, photo_kinds

pytestmark = pytest.mark.once

SPEC = PixelSpec(20, 30, 127.5, (60, 70, 80))
COUNT = 9


def write_photos(folder, size_of, count=COUNT):
    """Writes photos of noise; returns them."""
    random, photos = np.random.RandomState(5), []
    folder.mkdir(exist_ok=True)
    for number in range(count):
        path = folder / ('%d.png' % number)
        width, height = size_of(number)
        noise = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
        Image.fromarray(noise).save(str(path))
        photos.append(Photo(str(path), 'a', path.name, 0, 'training'))
    return photos


@pytest.fixture
def photos(tmp_path):
    """Photos of several sizes."""
    return write_photos(tmp_path / 'photos', lambda number: (30 + 5 * number, 50 - 4 * number))


def bytes_kept(features):
    """Returns how many bytes the kept pixels of features take."""
    return features._kept.bytes_kept


@pytest.fixture
def place(tmp_path):
    return Place(str(tmp_path / 'cache'), 'net')


def backbone_of(pretrained, spec):
    """A backbone whose boundary is its fed node."""
    network = pretrained.network._replace(pixels=spec)
    return pretrained._replace(
        network=network,
        boundary=network.input_name,
        shape=(spec.height, spec.width, spec.channels),
    )


@pytest.fixture
def backbone(pretrained):
    return backbone_of(pretrained, SPEC)


def expected(photos, spec=SPEC):
    """What a network is fed of photos, from their files."""
    paths = [photo.path for photo in photos]
    groups = [paths[group] for group in runner.groups(len(paths))]
    results = runner.run(spec, lambda pixels_tensor: pixels_tensor, groups)
    return np.concatenate([values for values, _ in results])


@pytest.mark.parametrize(
    'spec',
    [SPEC, SPEC._replace(exif_rotation=APPLY), SPEC._replace(channels=GREY, std=2)],
    ids=['RGB', 'rotated', 'grey'],
)
@pytest.mark.each_python
def test_values_are_those_of_the_photos_and_no_photo_is_opened_twice(
    pretrained, place, photos, spec
):
    for photo, data in zip(photos, (photo_kinds.JPEG, exif_kinds.rotated(6), photo_kinds.GIF)):
        with open(photo.path, 'wb') as file:
            file.write(data)
    values, rows = expected(photos, spec), np.array([8, 1, 1, 0, 2])
    backbone = backbone_of(pretrained, spec)
    first = extract.compute(backbone, place, photos)
    assert (first.take(np.arange(COUNT)) == values).all()
    again = extract.compute(backbone, place, photos)
    for photo in photos:
        os.unlink(photo.path)
    taken = again.take(rows)
    assert taken.dtype == np.float32 and (taken == values[rows]).all()
    assert again.shape == values.shape[1:] and len(again) == COUNT and again.readable.all()
    assert again.take(np.array([], np.int64)).shape == (0,) + values.shape[1:]


def test_a_warm_start_opens_no_photo(backbone, place, photos, monkeypatch):
    extract.compute(backbone, place, photos)
    opened = open

    def refuse(path, *more, **options):
        assert not str(path).endswith('.png')
        return opened(path, *more, **options)

    monkeypatch.setattr(builtins, 'open', refuse)
    monkeypatch.setattr(decoding, 'decode_all', None)
    assert extract.compute(backbone, place, photos).readable.all()


def test_photos_of_one_size_are_resized_at_once(backbone, place, tmp_path, monkeypatch):
    photos = write_photos(tmp_path / 'photos', lambda number: (32, 32), 40)
    features = extract.compute(backbone, place, photos)
    monkeypatch.setattr(features, '_of_photos', None)
    assert (features.take(np.arange(40)) == expected(photos)).all()


def test_bytes_kept_are_those_of_pixels(backbone, place, photos):
    features = extract.compute(backbone, place, photos)
    size = sum((30 + 5 * number) * (50 - 4 * number) * 3 for number in range(COUNT))
    assert bytes_kept(features) == size
    on_disk = os.path.getsize(os.path.join(place.folder, 'decoded.pixels'))
    assert size <= on_disk < size + 64 * COUNT


def test_pixels_begin_where_tensorflow_takes_them_without_a_copy(backbone, place, photos):
    extract.compute(backbone, place, photos[:4])
    with open(path_of(place, '.pixels'), 'ab') as file:
        file.write(b'torn')
    extract.compute(backbone, place, photos)
    kept = kept_photos.keep(place.folder, photos, SPEC)
    assert all(kept.image(row).ctypes.data % 64 == 0 for row in range(COUNT))


def test_unreadable_photos_are_left_out(backbone, place, photos, warnings_of):
    for row in (0, 4):
        with open(photos[row].path, 'wb') as file:
            file.write(b'<html>')
    good = [1, 2, 3, 5, 6, 7, 8]
    values = expected([photos[row] for row in good])
    found = []
    for _ in range(2):
        warned = warnings_of(lambda: found.append(extract.compute(backbone, place, photos)))
        assert len(warned) == 2 and photos[0].path in warned[0]
        assert np.flatnonzero(found[-1].readable).tolist() == good
        assert (found[-1].take(np.array(good)) == values).all()
    with pytest.raises(IndexError, match='unreadable'):
        found[-1].take(np.array([0]))
    with pytest.raises(UserError, match='--bad_images=skip'):
        extract.compute(backbone, place, photos, 'stop')


def test_another_version_of_a_photo_is_noticed(backbone, place, photos, warnings_of):
    extract.compute(backbone, place, photos)
    Image.new('RGB', (7, 9), (1, 2, 3)).save(photos[3].path)
    found = []
    (warned,) = warnings_of(lambda: found.append(extract.compute(backbone, place, photos)))
    assert photos[3].path in warned and 'another version of the photo' in warned
    assert (found[0].take(np.arange(COUNT)) == expected(photos)).all()


def test_a_stopped_run_goes_on(backbone, place, photos, monkeypatch):
    monkeypatch.setattr(kept_photos, '_CHUNK_BYTES', 1)
    decode_all, runs = decoding.decode_all, []

    def stopping(paths, *more):
        runs.append(paths)
        for number, image in enumerate(decode_all(paths, *more)):
            if number == 4 and len(runs) == 1:
                raise KeyboardInterrupt
            yield image

    monkeypatch.setattr(decoding, 'decode_all', stopping)
    with pytest.raises(KeyboardInterrupt):
        extract.compute(backbone, place, photos)
    features = extract.compute(backbone, place, photos)
    assert runs[1] == [photo.path for photo in photos[4:]]
    assert (features.take(np.arange(COUNT)) == expected(photos)).all()


def path_of(place, extension):
    (name,) = [each for each in os.listdir(place.folder) if each.endswith(extension)]
    return os.path.join(place.folder, name)


def change_bytes(path):
    with open(path, 'r+b') as file:
        file.seek(-5, os.SEEK_END)
        file.write(b'!!!!!')


def cut(path):
    with open(path, 'r+b') as file:
        file.truncate(os.path.getsize(path) - 1)


@pytest.mark.parametrize(
    'extension, change, early, late',
    [
        ('.pixels', change_bytes, 0, 1),
        ('.pixels', cut, 0, 0),
        ('.pixels', os.unlink, 0, 0),
        ('.features', change_bytes, 1, 0),
        ('.features', cut, 0, 0),
        ('.features', os.unlink, 0, 0),
    ],
)
def test_corrupt_files_cost_their_photos_only(
    backbone, place, photos, warnings_of, extension, change, early, late
):
    extract.compute(backbone, place, photos)
    change(path_of(place, extension))
    found, taken = [], []
    assert len(warnings_of(lambda: found.append(extract.compute(backbone, place, photos)))) == early
    warned = warnings_of(lambda: taken.append(found[0].take(np.arange(COUNT))))
    assert len(warned) == late and (taken[0] == expected(photos)).all()
    for _ in range(2):  # The next run mends it.
        found.append(extract.compute(backbone, place, photos))
        assert warnings_of(lambda: taken.append(found[-1].take(np.arange(COUNT)))) == []
        assert (taken[-1] == taken[0]).all()
    assert bytes_kept(found[1]) == bytes_kept(found[2]) > 0


@pytest.mark.parametrize(
    'row', [[-1, 9, 9, 3], [2**62, 9, 9, 3], [0, 2**40, 2**40, 3], [0, 9, -9, 3], [0, 9, 9, 1]]
)
def test_an_index_that_makes_no_sense_is_passed_over(backbone, place, photos, row):
    extract.compute(backbone, place, photos)
    kept = kept_photos.KeptPhotos(place.folder, photos, SPEC)
    kept.load()
    kept._cache.add(np.array([2]), np.array([row + [7]]))
    features = extract.compute(backbone, place, photos)
    assert (features.take(np.arange(COUNT)) == expected(photos)).all()


def test_at_most_half_of_the_free_space_is_taken(backbone, place, photos, monkeypatch):
    needed = sum((30 + 5 * number) * (50 - 4 * number) * 3 for number in range(COUNT))
    monkeypatch.setattr(limits, 'free_bytes', lambda folder: 2 * needed - 1)
    features = extract.compute(backbone, place, photos)
    assert (features.take(np.arange(COUNT)) == expected(photos)).all()
    assert bytes_kept(features) == 0 and not os.path.exists(place.folder)
    monkeypatch.setattr(limits, 'free_bytes', lambda folder: 2 * needed)
    assert bytes_kept(extract.compute(backbone, place, photos)) == needed


def test_a_photo_that_goes_is_one_line(backbone, place, photos, monkeypatch):
    monkeypatch.setattr(limits, 'free_bytes', lambda folder: 0)
    features = extract.compute(backbone, place, photos)
    os.unlink(photos[3].path)
    with pytest.raises(UserError, match='unreadable: .*%s' % photos[3].path):
        features.take(np.arange(COUNT))


def test_a_disk_that_becomes_full_is_told_and_has_room_again(
    backbone, photos, tmp_path, warnings_of, monkeypatch
):
    folder = str(tmp_path / 'disk')
    os.mkdir(folder)
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=16k', 'faults', folder]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip('a small tmpfs cannot be mounted here: this needs root and CAP_SYS_ADMIN')
    monkeypatch.setattr(limits, 'free_bytes', lambda folder: 10**9)
    monkeypatch.setattr(kept_photos, '_CHUNK_BYTES', 1)
    try:
        found = []
        place = Place(folder, 'net')
        (warned,) = warnings_of(lambda: found.append(extract.compute(backbone, place, photos)))
        assert 'No space left' in warned and 'photos are decoded each time' in warned
        assert (found[0].take(np.arange(COUNT)) == expected(photos)).all()
        assert os.listdir(folder) == []
    finally:
        subprocess.run(['umount', '-l', folder], check=True)


def test_what_is_mostly_dead_begins_again(backbone, place, photos, monkeypatch):
    monkeypatch.setattr(kept_photos, '_MOST_DEAD', 100)
    extract.compute(backbone, place, photos)
    path = path_of(place, '.pixels')
    whole = os.path.getsize(path)
    for added, size in ((whole // 2, whole + whole // 2), (whole, whole)):
        with open(path, 'ab') as file:
            file.write(bytes(added))
        features = extract.compute(backbone, place, photos)
        assert os.path.getsize(path) == size
    assert (features.take(np.arange(COUNT)) == expected(photos)).all()
