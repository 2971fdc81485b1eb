"""The binary file of bottlenecks."""

import os

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.features import values

LENGTH = 5
VECTORS = np.random.RandomState(0).randn(7, LENGTH).astype(np.float32)
DIGESTS = values.digests([b'text %d' % number for number in range(7)])


def test_what_is_written_is_read(tmp_path):
    path = str(tmp_path / 'values')
    values.write(path, DIGESTS, VECTORS)
    digests, vectors = values.read(path, LENGTH)
    assert digests.tolist() == DIGESTS.tolist()
    assert (vectors == VECTORS).all()


def test_there_need_be_no_file(tmp_path, warnings_of):
    found = []
    assert not warnings_of(lambda: found.extend(values.read(str(tmp_path / 'values'), LENGTH)))
    assert [array.shape for array in found] == [(0,), (0, LENGTH)]


@pytest.mark.parametrize('length', [LENGTH - 1, LENGTH + 1])
def test_vectors_of_another_length_are_refused(tmp_path, warnings_of, length):
    path = str(tmp_path / 'values')
    values.write(path, DIGESTS, VECTORS)
    found = []
    assert len(warnings_of(lambda: found.extend(values.read(path, length)))) == 1
    assert [array.shape for array in found] == [(0,), (0, length)]


def test_a_digest_may_end_in_zero_bytes(tmp_path):
    ending_in_zero = next(
        text for text in map(str, range(10**4)) if values.digest(text.encode())[-1] == 0
    ).encode()
    assert values.digests([ending_in_zero]).tolist() == [values.digest(ending_in_zero)]


def test_a_large_array_is_mapped_from_a_file_that_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(values, '_MAPPED_FROM_BYTES', 7 * LENGTH * 4)
    assert not isinstance(values.zeros(str(tmp_path), (6, LENGTH)), np.memmap)
    array = values.zeros(str(tmp_path / 'cache'), (7, LENGTH))
    assert isinstance(array, np.memmap) and array.dtype == np.float32 and (array == 0).all()
    array[:] = VECTORS
    assert (array == VECTORS).all()
    assert os.listdir(str(tmp_path / 'cache')) == []


def test_no_room_for_a_large_array_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(values, '_MAPPED_FROM_BYTES', 0)
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='cannot make room for 0 MB'):
        values.zeros(str(tmp_path / 'file'), (7, LENGTH))
