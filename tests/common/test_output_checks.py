"""Outputs are checked before anything is written."""

import os
from unittest import mock

import pytest

from scripts.common import limits, output_checks
from scripts.common.errors import UserError


def test_checks_write_nothing(tmp_path):
    output_checks.check_writable(str(tmp_path / 'new' / 'file'))
    output_checks.check_folder_writable(str(tmp_path / 'new'))
    assert limits.free_bytes(str(tmp_path / 'new')) > 0
    assert os.listdir(str(tmp_path)) == []


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    output_checks.check_not_full(str(tmp_path))
    monkeypatch.setattr(limits.shutil, 'disk_usage', lambda _: mock.Mock(free=0))
    with pytest.raises(UserError, match='the disk is full'):
        output_checks.check_not_full(str(tmp_path / 'new'))


def test_checks_tell_folders_from_files(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='is a folder'):
        output_checks.check_writable(str(tmp_path))
    with pytest.raises(UserError, match='is a file'):
        output_checks.check_folder_writable(str(tmp_path / 'file'))


@pytest.fixture
def one_file(tmp_path):
    """A file, and paths of it: as it is, relative and absolute, by links."""
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').write_bytes(b'')
    os.symlink('file', str(tmp_path / 'link'))
    os.symlink(str(tmp_path / 'folder'), str(tmp_path / 'folders link'))
    names = ['file', 'folder/../file', 'folders link/../file', 'link']
    return [str(tmp_path / name) for name in names] + [os.path.relpath(str(tmp_path / 'file'))]


def test_two_outputs_are_not_one_file(tmp_path, one_file):
    new = [str(tmp_path / name) for name in ('new', 'folder/../new', 'folders link/../new')]
    os.symlink('new', str(tmp_path / 'dangling'))
    for paths in (one_file, new + [str(tmp_path / 'dangling')]):
        for path in paths:
            with pytest.raises(UserError) as raised:
                output_checks.check_distinct([('--report', paths[0]), ('--output', path)])
            assert str(raised.value).startswith('--report and --output are both ')
    output_checks.check_distinct([('--report', new[0]), ('--output', one_file[0]), ('--x', '')])


def test_an_output_is_no_input(tmp_path, one_file):
    for path in one_file:
        with pytest.raises(UserError, match='--output is the same file as --input, .*: give '):
            output_checks.check_distinct([('--output', path)], [('--input', one_file[0])])
    output_checks.check_distinct(
        [('--output', str(tmp_path / 'new'))], [('--input', one_file[0])] * 2
    )
    output_checks.check_distinct(
        [('--output', one_file[0])], [('--input', str(tmp_path / 'missing'))]
    )


def test_a_device_may_be_given_more_than_once(tmp_path):
    fifo = str(tmp_path / 'fifo')
    os.mkfifo(fifo)
    for path in ('/dev/null', '/dev/stdout', '/dev/fd/1', fifo):  # These calls write nothing.
        output_checks.check_distinct([('--report', path), ('--output', path)], [('--input', path)])
