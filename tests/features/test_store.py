"""The binary store of features."""

import multiprocessing
import os
from unittest import mock

import numpy as np
import pytest

from scripts.common import files
from scripts.common.errors import UserError
from scripts.features import store as store_lib
from tests.full_disk import FullDisk

SHAPE = (3, 5)
VALUES = np.random.RandomState(0).randn(7, *SHAPE).astype(np.float32)
HEADER = 128
ROW = 120 + 4 * 15


def entries(numbers):
    """Returns entries of photos whose name's digest is a number."""
    made = np.zeros(len(numbers), store_lib.ENTRY)
    made['photo'][:, 0] = numbers
    made['photo_bytes'] = np.arange(len(numbers))
    return made


@pytest.fixture
def store(tmp_path):
    return store_lib.Store(str(tmp_path / 'cache' / 'net.features'), 'float32', SHAPE)


def found(store, numbers):
    """Returns the rows of photos, and the values of those that have one and are intact."""
    rows = store.read()
    where = rows.find(entries(numbers)['photo'])
    intact = rows.intact(where)
    return where.tolist(), rows.values[where[intact]]


def change(path, function):
    files.write(path, function(files.read(path, 'store')))


@pytest.mark.parametrize('dtype', ['float32', 'float16', 'uint8'])
@pytest.mark.parametrize('shape', [(1,), (1001,), (7, 7, 8), (3, 5, 1)])
def test_what_is_appended_is_read(tmp_path, dtype, shape):
    store = store_lib.Store(str(tmp_path / 'store'), dtype, shape)
    values = np.random.RandomState(0).uniform(0, 255, (4,) + shape).astype(dtype)
    store.append(entries([1, 2]), values[:2])
    store.append(entries([3, 4]), values[2:])
    where, read = found(store, [4, 9, 1, 3])
    assert where == [3, -1, 0, 2]
    assert read.dtype == values.dtype and (read == values[[3, 0, 2]]).all()
    header = files.read(store.path, 'store')[:HEADER]
    size = 'x'.join(map(str, shape))
    assert header.decode('ascii').split() == ['features', '1', dtype, size]
    row_bytes = 120 + values[0].nbytes
    assert os.path.getsize(store.path) == HEADER + 4 * row_bytes


def test_the_entry_is_read_as_it_was_with_its_checksums(store):
    appended = store.append(entries([1, 2]), VALUES[:2])
    rows = store.read()
    read = rows.entries(np.array([1, -1, 0]))
    assert read[[0, 2]].tobytes() == appended[[1, 0]].tobytes() and not any(read[1].tobytes())
    assert appended[1]['values_crc32'] == store_lib.crc32_of_values(VALUES[1]) != 0


def test_the_values_are_mapped_and_not_copied(store):
    store.append(entries(range(7)), VALUES)
    values = store.read().values
    assert isinstance(values.base.base, np.memmap) or isinstance(values.base, np.memmap)
    assert not values.flags.owndata and not values.flags.writeable


def test_there_need_be_no_file(store):
    rows = store.read()
    assert rows.find(entries([1])['photo']).tolist() == [-1]
    assert rows.values.shape == (0,) + SHAPE and not rows.other_header and not rows.corrupt
    assert not os.path.exists(os.path.dirname(store.path))


def test_the_last_row_of_a_photo_counts(store):
    store.append(entries([1, 2]), VALUES[:2])
    store.append(entries([1]), VALUES[2:3])
    where, values = found(store, [1, 2])
    assert where == [2, 1] and (values == VALUES[[2, 1]]).all()


@pytest.mark.parametrize('cut', [0, 1, 127, 128, 129, 247, 307, 308, 309, 400, 488, 667, 668])
def test_a_row_that_was_cut_is_passed_over_and_the_next_ones_are_read(store, cut):
    store.append(entries([1, 2, 3]), VALUES[:3])
    change(store.path, lambda data: data[:cut])
    whole = max(0, (cut - HEADER) // ROW)
    rows = store.read()
    assert not rows.corrupt and not rows.other_header
    assert found(store, [1, 2, 3])[0] == [0, 1, 2][:whole] + [-1] * (3 - whole)
    store.append(entries([4, 5]), VALUES[3:5])
    where, values = found(store, [4, 5])
    assert where == [whole, whole + 1] and (values == VALUES[3:5]).all()
    assert store.read().corrupt == 0
    assert os.path.getsize(store.path) == HEADER + (whole + 2) * ROW


def test_any_byte_that_is_changed_costs_that_row_alone(store):
    store.append(entries([1, 2, 3]), VALUES[:3])
    whole = files.read(store.path, 'store')
    for at in range(HEADER, len(whole)):
        with open(store.path, 'wb') as file:
            file.write(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        corrupt = (at - HEADER) // ROW
        where, values = found(store, [1, 2, 3])
        in_entry = (at - HEADER) % ROW < 120
        assert where == [-1 if row == corrupt and in_entry else row for row in range(3)]
        assert (values == np.delete(VALUES[:3], corrupt, axis=0)).all()
        assert store.read().corrupt == in_entry


def test_values_that_are_no_numbers_are_not_intact(store):
    values = VALUES[:2].copy()
    values[0, 1, 1] = np.nan
    store.append(entries([1, 2]), values)
    assert store.read().intact(np.array([0, 1, -1])).tolist() == [False, True, False]


@pytest.mark.parametrize(
    'other',
    [
        store_lib.Store('', 'float32', (5, 3)),
        store_lib.Store('', 'float32', (15,)),
        store_lib.Store('', 'float16', SHAPE),
        None,
    ],
)
def test_a_file_with_another_header_has_no_rows_and_is_replaced(store, other):
    if other is None:
        files.write(store.path, b'<html>' * 500)
    else:
        other = other._replace(path=store.path)
        other.append(entries([1]), VALUES[:1].reshape((1,) + other.shape))
    rows = store.read()
    assert rows.other_header and rows.values.shape == (0,) + SHAPE
    store.compact()
    store.append(entries([1]), VALUES[:1])
    assert found(store, [1])[0] == [0] and not store.read().other_header


@pytest.mark.parametrize('size', [1 << 36, 1 << 33])
def test_a_file_that_claims_to_be_large_takes_no_memory(store, size):
    store.append(entries([1]), VALUES[:1])
    wide = store_lib.Store(store.path, 'float32', (1 << 28,))
    files.write(store.path, wide._header)
    os.truncate(store.path, size)
    rows = wide.read()
    assert rows.corrupt == (size - HEADER) // ((1 << 30) + 120)
    assert rows.find(entries([0])['photo']).tolist() == [-1]


def test_compacting_leaves_the_rows_that_count_in_order(store):
    store.append(entries([1, 2, 3]), VALUES[:3])
    assert not store.read().wasteful
    for _ in range(2):
        store.append(entries([3, 1]), VALUES[3:5])
    assert store.read().wasteful
    before = store.read()
    store.compact()
    assert os.path.getsize(store.path) == HEADER + 3 * ROW
    where, values = found(store, [1, 2, 3])
    assert where == [2, 0, 1] and (values == VALUES[[4, 1, 3]]).all()
    assert not store.read().wasteful
    assert (before.values[before.find(entries([2])['photo'])] == VALUES[1]).all()
    assert os.listdir(os.path.dirname(store.path)) == ['net.features']


def test_compacting_drops_corrupt_rows(store):
    store.append(entries([1, 2, 3]), VALUES[:3])
    at = HEADER + ROW + 20
    change(store.path, lambda data: data[:at] + b'\xff' + data[at + 1 :])
    assert store.read().corrupt == 1
    store.compact()
    where, values = found(store, [1, 2, 3])
    assert where == [0, -1, 1] and (values == VALUES[[0, 2]]).all() and not store.read().corrupt


def test_compacting_goes_chunk_by_chunk(store):
    store.append(entries(range(7)), VALUES)
    with mock.patch.object(store_lib, '_CHUNK_BYTES', 2 * ROW):
        store.compact()
        where, values = found(store, list(range(7)))
    assert where == list(range(7)) and (values == VALUES).all()


def test_a_disk_that_gets_full_leaves_no_part_of_a_row(store):
    store.append(entries([1]), VALUES[:1])
    before = files.read(store.path, 'store')
    opened = store_lib.appending.open_locked
    full = mock.patch.object(
        store_lib.appending, 'open_locked', lambda path: FullDisk(opened(path), 100)
    )
    with full, pytest.raises(UserError, match='cannot write .*net.features: No space left'):
        store.append(entries([2]), VALUES[1:2])
    assert files.read(store.path, 'store') == before


def test_a_store_that_cannot_be_read_is_told(store):
    os.makedirs(store.path)
    with pytest.raises(UserError, match='cannot read .*net.features'):
        store.read()
    with pytest.raises(UserError, match='cannot write .*net.features'):
        store.append(entries([1]), VALUES[:1])


def _append_often(path, number):
    store = store_lib.Store(path, 'float32', SHAPE)
    for count in range(30):
        store.append(entries([number, 100 + number * 30 + count]), VALUES[[number, number]])
        if count % 7 == number:
            store.compact()


def test_several_processes_append_and_compact_at_once(store):
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=_append_often, args=(store.path, number)) for number in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    rows = store.read()
    numbers = list(range(4)) + list(range(100, 220))
    where = rows.find(entries(numbers)['photo'])
    assert rows.corrupt == 0 and (where >= 0).all() and rows.intact(where).all()
    owners = list(range(4)) + [number // 30 for number in range(120)]
    assert (rows.values[where] == VALUES[owners]).all()


def test_a_killed_writer_costs_at_most_its_batch(store):
    store.append(entries([1]), VALUES[:1])
    context = multiprocessing.get_context('fork')
    process = context.Process(target=_killed_in_a_batch, args=(store,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    where, values = found(store, [1, 2, 3, 4])
    assert where == [0, 1, -1, -1] and (values == VALUES[:2]).all()
    store.append(entries([3]), VALUES[2:3])
    assert found(store, [1, 2, 3])[0] == [0, 1, 2]


def _killed_in_a_batch(store):
    def write_some(file, data):
        file.write(data[: ROW + ROW // 2])
        os._exit(9)

    with mock.patch.object(store_lib.appending, 'write', write_some):
        store.append(entries([2, 3, 4]), VALUES[1:4])
