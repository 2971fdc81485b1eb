"""Inputs made up by libFuzzer, which sees what code they reach, for readers without TensorFlow.

  python -m tests.robustness.guided READER FOLDER [flags of libFuzzer]

FOLDER, which is empty, takes the inputs. Ends with status 0 where nothing went wrong.
"""

import gzip
import logging
import os
import shutil
import sys
import tempfile

import atheris
import numpy as np

with atheris.instrument_imports(include=['scripts', 'tarfile', 'gzip']):
    from scripts.common.errors import UserError
    from scripts.dataset import labels as labels_lib
    from scripts.features import store as store_lib
    from scripts.images import bad_images, formats
    from scripts.networks import archive
    from tests.robustness import samples


def main(name, folder, flags):
    """Reads made-up inputs until as many are read as the flags say; does not return."""
    logging.disable(logging.CRITICAL)
    work, corpus = os.path.join(folder, 'work'), os.path.join(folder, 'corpus')
    os.makedirs(work)
    os.makedirs(corpus)
    read, sources = READERS[name]
    for number, sample in enumerate(sources()):
        _write(os.path.join(corpus, str(number)), sample)
    atheris.Setup(
        ['guided', corpus, '-artifact_prefix=' + os.path.join(folder, 'fault-')] + flags,
        lambda data: read(data, work),
    )
    atheris.Fuzz()


def _photo(data, folder):
    path = os.path.join(folder, 'photo.jpg')
    _write(path, data)
    why = bad_images.why_unreadable(path)
    assert why and '\n' not in why
    bad_images.hole_in(path)
    try:
        assert len(formats.first_frame(data)) <= len(data) + 1
    except ValueError:
        return


_STORED = (store_lib.Store('store', 'float32', (3,)), np.zeros(2, store_lib.ENTRY))


def _store(data, folder):
    store, entries = _STORED
    store = store._replace(path=os.path.join(folder, 'store'))
    _write(store.path, data)
    rows = store.read()
    where = rows.find(entries['photo'])
    assert np.isfinite(rows.values[where[rows.intact(where)]]).all()
    store.append(entries, np.ones((2, 3)))
    if rows.other_header:
        store.compact()
        store.append(entries, np.ones((2, 3)))
    rows = store.read()
    assert rows.intact(rows.find(entries['photo'])).all()


def _stores():
    """Returns the bytes of a store of two rows."""
    store, entries = _STORED
    with tempfile.TemporaryDirectory() as folder:
        store = store._replace(path=os.path.join(folder, 'store'))
        store.append(entries, np.ones((2, 3)))
        with open(store.path, 'rb') as file:
            return [file.read()]


def _labels(data, folder):
    path = os.path.join(folder, 'labels.txt')
    _write(path, data)
    try:
        assert all(label and '\n' not in label for label in labels_lib.read(path))
    except UserError as error:
        assert path in str(error)


def _archive(data, folder):
    path, place = os.path.join(folder, 'archive.tgz'), os.path.join(folder, 'models')
    _write(path, gzip.compress(data, 1))
    try:
        archive.check(path, None)
        for name in ('a/graph.pb', 'labels.txt', 'x'):
            archive.take_out(path, name, place)
    except (archive.DownloadError, UserError):
        return
    finally:
        assert set(os.listdir(folder)) <= {'archive.tgz', 'models'}
        shutil.rmtree(place, ignore_errors=True)


def _write(path, data):
    with open(path, 'wb') as file:
        file.write(data)


# How one input is read, and what gives the list of inputs to begin with.
READERS = {
    'photo': (_photo, samples.photos),
    'store': (_store, _stores),
    'labels': (_labels, lambda: samples.LABELS),
    'archive': (_archive, samples.tars),
}


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
