"""Rows that a worker makes: those values that one machine computes."""

import os

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.dataset import extensions
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import extract, table
from scripts.features.place import Place
from scripts.spark import worker
from scripts.spark.naming import Rules
from tests.test_bad_images import folder_with_unreadable, named

pytestmark = pytest.mark.each_tensorflow


@pytest.fixture
def fresh(monkeypatch):
    """A process that has no network yet."""
    monkeypatch.setattr(worker, '_kept', {})


def rows_of(dataset, sent, order=None):
    """Returns the rows of the photos of a `Dataset`, dicts, in an order."""
    rules = Rules(dataset.image_dir, None, dataset.split, extensions.CLASSIC)
    photos = []
    for photo in [dataset.photos[place] for place in order or range(len(dataset.photos))]:
        with open(photo.path, 'rb') as file:
            data = file.read()
        relative = '%s/%s' % (photo.folder, photo.file_name)
        photos.append(worker.Photo(photo.path, relative, False, len(data), 5, bytearray(data)))
    names = [name for name, _ in table.COLUMNS]
    return [dict(zip(names, row)) for row in worker.rows(photos, rules, lambda: sent)]


def test_features_and_reasons_are_those_of_one_machine(
    tmp_path, pretrained, fresh, capsys, warnings_of
):
    folder = str(tmp_path / 'photos')
    folder_with_unreadable(folder, 150, 45)
    dataset = photos_lib.load(folder, Split(key='name'))
    place = Place(str(tmp_path / 'kept'), 'x')
    found = []
    warnings = warnings_of(lambda: found.append(extract.compute(pretrained, place, dataset.photos)))
    order = np.random.RandomState(0).permutation(len(dataset.photos)).tolist()
    rows = rows_of(dataset, worker.freeze(pretrained, 1), order)
    assert len(rows) == 150
    said = []
    for row, index in zip(rows, order):
        photo = dataset.photos[index]
        assert (row['path'], row['category']) == (photo.path, photo.category)
        assert row['label'] == dataset.labels[photo.label_index]
        assert row['bytes'] == os.path.getsize(photo.path) and row['modified'] == 5
        assert row['fingerprint'] == pretrained.fingerprint
        if row['why'] is None:
            values = np.array(row['features'], np.float32)
            assert (values == found[0].take(np.array([index]))[0]).all()
        else:
            assert row['features'] is None and not found[0].readable[index]
            said.append('photo %s is unreadable and is left out: it %s' % (photo.path, row['why']))
    assert sorted(said) == sorted(warnings)
    assert len(named('\n'.join(said))) == 45


def test_the_network_is_loaded_once(pretrained, photo_dir, fresh, monkeypatch):
    loads = []
    load = worker._load
    monkeypatch.setattr(worker, '_load', lambda frozen: loads.append(1) or load(frozen))
    dataset = photos_lib.load(photo_dir, Split(key='name'))
    sent = worker.freeze(pretrained, 1)
    for _ in range(2):
        assert len(rows_of(dataset, sent, order=[0, 1])) == 2
    assert loads == [1]


def test_values_that_are_not_numbers_end_the_job(pretrained, photo_dir, fresh):
    class Corrupt:
        def run(self, names, contents):
            return np.full([len(names), 1001], np.nan), [None] * len(names)

    worker._kept['only'] = worker.Frozen(pretrained.fingerprint, None, (), 1), Corrupt()
    dataset = photos_lib.load(photo_dir, Split(key='name'))
    with pytest.raises(UserError, match='values that are not finite for .*: it is corrupt'):
        rows_of(dataset, b'', order=[0])


def test_a_photo_that_no_worker_could_read_is_tried_again():
    rules = Rules('photos', None, Split(), extensions.CLASSIC)
    photo = worker.Photo('photos/a/1.jpg', 'a/1.jpg', False, 70, 5)
    (row,) = worker.unread([photo], rules, '5a', 'is gone')
    assert row[:2] == ('photos/a/1.jpg', 'a') and row[3:] == (70, -1, '5a', None, 'is gone')
