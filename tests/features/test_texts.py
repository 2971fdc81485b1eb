"""The text files of bottlenecks, which the classic script reads and writes, too."""

import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from scripts.common import files
from scripts.common.errors import UserError
from scripts.dataset.photos import Photo
from scripts.features import texts

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
PHOTO = Photo('photos/a/0.jpg', 'a', '0.jpg', 0, 'training')


def classic_text(values):
    """What the classic script writes."""
    return ','.join(str(value) for value in values)


def classic_values(text):
    """How the classic script reads."""
    return [float(value) for value in text.split(',')]


@pytest.mark.parametrize('package', [texts.orjson, None])
@given(values=st_numpy.arrays(np.float32, st.integers(1, 40), elements=FINITE))
def test_text_reads_back_as_the_same_values_here_and_in_the_classic_script(package, values):
    with mock.patch.object(texts, 'orjson', package):
        text = texts.to_text(values).decode('ascii')
    assert set(text) <= set('0123456789.,-+e')
    assert (texts.from_text(text, len(values)) == values).all()
    assert (np.array(classic_values(text), np.float32) == values).all()


@given(st_numpy.arrays(np.float32, st.integers(1, 40), elements=FINITE))
def test_classic_text_reads_as_the_same_values(values):
    assert (texts.from_text(classic_text(values), len(values)) == values).all()


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
        '1,2,3,4,5,6' + ' ' * 400,
    ],
)
def test_corrupt_text_is_noticed(text):
    assert texts.from_text(text, 6) is None


def test_paths_are_the_classic_ones():
    expected = os.path.join('cache', 'a', '0.jpg_mobilenet_0.25_128.txt')
    assert texts.path('cache', PHOTO, 'mobilenet_0.25_128') == expected


def test_no_more_of_a_large_file_is_read_than_the_numbers_need(tmp_path):
    path = str(tmp_path / 'text')
    with open(path, 'wb') as file:
        file.truncate(1 << 40)
    about, values = texts.read(path, 6)
    assert about.st_size == 1 << 40 and values is None


def test_what_is_told_of_a_text_holds_when_it_has_its_place(tmp_path):
    path = str(tmp_path / 'a' / 'text')
    with texts.replacing([path], np.ones((1, 3), np.float32)) as (about,):
        assert not os.path.exists(path)
    found = os.stat(path)
    assert (found.st_size, found.st_mtime_ns) == (about.st_size, about.st_mtime_ns) != (0, 0)
    assert texts.from_text(files.read(path, 'text'), 3).tolist() == [1, 1, 1]


def test_texts_that_cannot_be_written_are_told(tmp_path):
    (tmp_path / 'a').write_bytes(b'')
    texts_there = texts.replacing([str(tmp_path / 'a' / 'text')], np.ones((1, 3), np.float32))
    with pytest.raises(UserError, match='cannot write'), texts_there:
        pass
