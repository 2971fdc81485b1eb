"""Features in Parquet files become the photos and features that one machine has."""

import os

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import CATEGORIES, Split
from scripts.features import parquet, table
from tests.features.backbones import Backbone
from tests.features.test_table import FLAGS

pyarrow = pytest.importorskip('pyarrow', reason='pyarrow is not installed: requirements-spark.txt')

BACKBONE = Backbone(shape=(3, 2))


def values_of(path):
    """Returns features that tell a photo."""
    return np.frombuffer(path.encode()[-7:-1] * 4, np.uint8)[:6].astype(np.float32) / 7


def write(folder, dataset, random, flags=None, repeat=(), parts=3):
    """Writes the features of a `Dataset` as a cluster does, in a random order."""
    from pyarrow import parquet as files

    kept = os.path.join(folder, 'table=features')
    os.makedirs(kept)
    flags = dict(FLAGS, image_dir=dataset.image_dir, test_dir=dataset.test_dir, **flags or {})
    about = table.About(BACKBONE.fingerprint, BACKBONE.shape, flags)
    complete = table.Complete(list(dataset.labels), len(dataset.photos), 1)
    for name, value in ((table.ABOUT, about), (table.COMPLETE, complete)):
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(table.to_json(value))
    photos = [dataset.photos[place] for place in random.permutation(len(dataset.photos))]
    photos += [dataset.photos[place] for place in repeat]
    kind = pyarrow.list_(pyarrow.float32())
    for part in range(parts):
        rows = photos[part::parts]
        columns = {
            'path': [photo.path for photo in rows],
            'label': [dataset.labels[photo.label_index] for photo in rows],
            'category': [photo.category for photo in rows],
            'features': pyarrow.array([values_of(photo.path) for photo in rows], kind),
        }
        files.write_table(pyarrow.table(columns), os.path.join(kept, 'part-%d.parquet' % part))


@pytest.fixture
def listed(tmp_path):
    """A `Dataset` of empty photos, whose names are in no easy order."""
    names = ['%d.jpg' % number for number in range(60)] + ['9.JPG', 'B.jpeg', 'a.jpg', 'ü.jpg']
    for folder in ('train/A b', 'train/c', 'test/c'):
        os.makedirs(str(tmp_path / folder))
        for name in names:
            (tmp_path / folder / (folder[:2] + name)).write_bytes(b'')
    image_dir, test_dir = str(tmp_path / 'train'), str(tmp_path / 'test')
    return photos_lib.load(image_dir, Split(0, 10), test_dir=test_dir)


@pytest.fixture
def features(tmp_path, listed):
    """A folder of the features of `listed`."""
    folder = str(tmp_path / 'features')
    write(folder, listed, np.random.RandomState(1), {'testing_percentage': 0}, repeat=[3, 70])
    return folder


@pytest.mark.parametrize('in_memory', [True, False])
def test_photos_and_features_are_those_of_one_machine(
    tmp_path, listed, features, in_memory, monkeypatch
):
    if not in_memory:
        monkeypatch.setattr(parquet, '_MOST_IN_MEMORY', 0)
    monkeypatch.setattr(parquet, '_ROWS', 7)
    folder = parquet.Folder(features)
    photos = folder.dataset.photos
    assert list(photos) == list(listed.photos)
    assert folder.dataset._replace(photos=()) == listed._replace(photos=())
    found = folder.features(BACKBONE, str(tmp_path / 'kept'))
    assert found.readable.all() and len(found) == len(listed.photos)
    expected = np.array([values_of(photo.path) for photo in listed.photos])
    assert (found.take(np.arange(len(photos))) == expected.reshape(-1, 3, 2)).all()
    for category in CATEGORIES:
        part = photos[photos.of_category(category)]
        assert list(part) == [each for each in listed.photos if each.category == category]
        counts = [[each.label_index for each in part].count(index) for index in range(2)]
        assert photos.counts(2)[category] == counts
    assert photos[-1] == listed.photos[-1]
    with pytest.raises(IndexError):
        photos[len(photos)]
    if not in_memory:
        assert isinstance(found._values, np.memmap) and os.listdir(str(tmp_path / 'kept')) == []


def cut(path):
    """Cuts the end off a file."""
    with open(path, 'rb+') as file:
        file.truncate(os.path.getsize(path) - 40)


@pytest.mark.parametrize(
    'name, break_it, words',
    [
        (table.ABOUT, os.remove, 'it is no --output of extract_on_spark'),
        (table.COMPLETE, os.remove, 'photos are missing: repeat the extract_on_spark'),
        ('table=features/part-1.parquet', os.remove, r'of \d+ photos, and _complete.json says 192'),
        ('table=features/part-1.parquet', cut, 'part-1.parquet is corrupt'),
    ],
)
def test_what_is_missing_or_corrupt_is_told(features, name, break_it, words):
    break_it(os.path.join(features, name))
    with pytest.raises(UserError, match=words):
        parquet.Folder(features)


def test_features_of_another_network_or_length_are_told(features, tmp_path):
    folder = parquet.Folder(features)
    with pytest.raises(UserError, match='are of another network than'):
        named = Backbone(fingerprint='00', network=type('Network', (), {'name': 'x'}))
        folder.features(named, str(tmp_path))
    folder.about = folder.about._replace(shape=(2, 2))
    with pytest.raises(UserError, match='features that are not 4 numbers'):
        folder.features(Backbone(shape=(2, 2)), str(tmp_path))
