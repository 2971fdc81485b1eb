"""Labels from folder names and files."""

import os
import subprocess
import sys

import pytest

from scripts.common.errors import UserError
from scripts.dataset import labels
from scripts.dataset.photos import Dataset, Photo
from scripts.dataset.split import Split
from scripts.evaluation import selection
from tests.conftest import NO_LOCALE, REPOSITORY, UTF8


@pytest.mark.parametrize(
    'folder, label',
    [
        ('daisy', 'daisy'),
        ('Sun_Flowers--2', 'sun flowers 2'),
        ('ox-eye daisy', 'ox eye daisy'),
        ('M\u00fcller', 'm ller'),
    ],
)
def test_a_folder_name_becomes_a_label(folder, label):
    assert labels.label_of(folder) == label


@pytest.mark.parametrize('folder', ['\u82b1', '---', '\u0440\u043e\u0437\u044b'])
def test_a_name_of_which_nothing_is_left_is_told(folder):
    with pytest.raises(UserError, match='its label would be empty'):
        labels.label_of(folder)


def test_labels_survive_the_disk(tmp_path):
    path = str(tmp_path / 'labels.txt')
    labels.write(['daisy', 'ox eye daisy'], path)
    assert (tmp_path / 'labels.txt').read_bytes() == b'daisy\nox eye daisy\n'
    assert labels.read(path) == ['daisy', 'ox eye daisy']


@pytest.mark.parametrize(
    'data', [b'daisy\r\nroses\r\n', b'\xef\xbb\xbfdaisy\nroses', b'daisy\nroses\n\n']
)
def test_labels_of_other_systems_are_read(tmp_path, data):
    (tmp_path / 'labels.txt').write_bytes(data)
    assert labels.read(str(tmp_path / 'labels.txt')) == ['daisy', 'roses']


@pytest.mark.parametrize('data, words', [(b'', 'holds no labels'), (b'\xff\xfe\x00', 'not a lab')])
def test_what_holds_no_labels_is_told(tmp_path, data, words):
    (tmp_path / 'labels.txt').write_bytes(data)
    with pytest.raises(UserError, match=words):
        labels.read(str(tmp_path / 'labels.txt'))


@pytest.mark.parametrize('data', [b'daisy\n\nroses\n', b'daisy\r\n \r\nroses', b'\nroses'])
def test_an_empty_line_between_labels_is_told(tmp_path, data):
    (tmp_path / 'labels.txt').write_bytes(data)
    with pytest.raises(UserError, match='line [12] of .* is empty'):
        labels.read(str(tmp_path / 'labels.txt'))


def test_a_label_that_is_there_twice_is_a_warning(tmp_path, warnings_of):
    (tmp_path / 'labels.txt').write_bytes(b'crane\nroses\ncrane\n')
    (warned,) = warnings_of(lambda: labels.read(str(tmp_path / 'labels.txt')))
    assert warned.startswith('lines 1 and 3 of ') and warned.endswith('the same label: crane')


@pytest.mark.parametrize('locale', [UTF8, NO_LOCALE])
def test_labels_are_the_same_without_a_locale(tmp_path, locale):
    # Their lower case is i and a dot above it, and k.
    for name in ('\u0130stanbul', '20\u212a', '\u00c4pfel \u00d6l', '\u1e9eA'):
        (tmp_path / os.fsdecode(name.encode())).mkdir()
    program = (
        'import os, sys\n'
        'from scripts.dataset import labels\n'
        'print(sorted(labels.label_of(name) for name in os.listdir(sys.argv[1])))\n'
    )
    printed = subprocess.check_output(
        [sys.executable, '-c', program, str(tmp_path)],
        cwd=REPOSITORY,
        env=dict(os.environ, **locale),
    )
    assert printed.decode() == "[' a', ' pfel l', '20k', 'i stanbul']\n"


def test_a_hundred_thousand_labels_are_read_and_found(tmp_path):
    lines = ['label %d' % number for number in range(100000)]
    (tmp_path / 'labels.txt').write_text('\n'.join(lines))
    assert labels.read(str(tmp_path / 'labels.txt')) == lines
    photos = tuple(
        Photo('p/%d/1.jpg' % index, str(index), '1.jpg', index, 'testing') for index in range(20000)
    )
    dataset = Dataset(tuple(reversed(lines[:20000])), photos, 'p', Split(), ())
    found = selection.photos_of(dataset, selection.ALL, lines)
    assert [photo.label_index for photo in found] == list(range(19999, -1, -1))


def test_a_label_in_every_line_is_a_warning_of_a_readable_length(tmp_path, warnings_of):
    (tmp_path / 'labels.txt').write_bytes(b'crane\n' * 100000)
    (warned,) = warnings_of(lambda: labels.read(str(tmp_path / 'labels.txt')))
    assert warned.startswith('lines 1 and 2 and 3 and 4 and 5 and ... of ')
