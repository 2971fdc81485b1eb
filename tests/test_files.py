"""Files are whole or not there."""

import os
import shutil
import signal
import stat
import threading
import time
from unittest import mock

import pytest

from scripts import files
from scripts.errors import UserError


def test_write_makes_folders_and_replaces(tmp_path):
    path = str(tmp_path / 'a' / 'b' / 'file')
    files.write(path, b'one')
    files.write(path, b'two')
    assert files.read(path, 'thing') == b'two'
    assert os.listdir(os.path.dirname(path)) == ['file']


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = str(tmp_path / 'file')
    files.write(path, b'old')
    with pytest.raises(ZeroDivisionError), files.replacing(path) as file:
        file.write(b'half of the n')
        raise ZeroDivisionError
    assert files.read(path, 'thing') == b'old'
    assert os.listdir(str(tmp_path)) == ['file']


def leave_behind(folder):
    """Writes as a process that is killed in the middle does; returns where its half file is."""
    process = os.fork()
    if not process:
        with files.replacing(str(folder / 'file')) as file:
            file.write(b'half of the n')
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    (name,) = set(os.listdir(str(folder))) - {'file'}
    return folder / name


def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path):
    half = leave_behind(tmp_path)
    files.write(str(tmp_path / 'another'), b'')
    assert not half.exists()
    assert os.listdir(str(tmp_path)) == ['another']


def test_what_others_are_writing_stays(tmp_path):
    path = str(tmp_path / 'file')
    half = leave_behind(tmp_path)
    with files.replacing(str(tmp_path / 'slow')) as slow:
        assert not half.exists()
        process = os.fork()
        if not process:
            files._cleaned.clear()  # As in a process that has just begun.
            files.write(path, b'fast')
            os._exit(0)
        assert os.waitpid(process, 0)[1] == 0
        slow.write(b'in the end')
    assert files.read(str(tmp_path / 'slow'), 'thing') == b'in the end'
    assert files.read(path, 'thing') == b'fast'


def test_a_folder_that_goes_away_is_told(tmp_path):
    folder = tmp_path / 'folder'
    with pytest.raises(UserError, match='cannot write'), files.replacing(str(folder / 'file')):
        shutil.rmtree(str(folder))


def test_others_may_read_what_is_written(tmp_path):
    path = str(tmp_path / 'file')
    old = os.umask(0o022)
    try:
        files.write(path, b'')
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='cannot write'):
        files.write(str(tmp_path / 'file' / 'below'), b'')


@pytest.mark.parametrize(
    'make, words',
    [
        (lambda path: None, 'no thing at'),
        (lambda path: path.mkdir(), 'cannot read the thing'),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, make, words):
    make(tmp_path / 'file')
    with pytest.raises(UserError, match=words):
        files.read(str(tmp_path / 'file'), 'thing')


def test_checks_write_nothing(tmp_path):
    files.check_writable(str(tmp_path / 'new' / 'file'))
    files.check_folder_writable(str(tmp_path / 'new'))
    assert files.free_bytes(str(tmp_path / 'new')) > 0
    assert os.listdir(str(tmp_path)) == []


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    files.check_not_full(str(tmp_path))
    monkeypatch.setattr(files.shutil, 'disk_usage', lambda _: mock.Mock(free=0))
    with pytest.raises(UserError, match='the disk is full'):
        files.check_not_full(str(tmp_path / 'new'))


def test_checks_tell_folders_from_files(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='is a folder'):
        files.check_writable(str(tmp_path))
    with pytest.raises(UserError, match='is a file'):
        files.check_folder_writable(str(tmp_path / 'file'))


def test_a_growing_file_is_kept_and_written_by_one_at_a_time(tmp_path):
    path = str(tmp_path / 'new' / 'file')
    order = []

    def write(text):
        with files.growing(path) as file:
            order.append(text)
            file.write(text)

    with files.growing(path) as file:
        file.write(b'one ')
        other = threading.Thread(target=write, args=(b'two',))
        other.start()
        time.sleep(0.1)
        assert order == []
        os.rename(path, path + '.done')  # The other one must not write on here.
    other.join()
    assert files.read(path, 'file') == b'two' and files.read(path + '.done', 'file') == b'one '
    with pytest.raises(UserError, match='cannot write'), files.growing(str(tmp_path)):
        pass


def test_a_path_for_tensorflow_is_utf8_without_a_locale_too():
    assert files.for_tensorflow(os.fsdecode('caf\u00e9'.encode())) == 'caf\u00e9'
    with pytest.raises(UserError, match='paths in UTF-8'):
        files.for_tensorflow(os.fsdecode(b'caf\xe9'))


def test_several_files_are_written_in_one_go(tmp_path):
    contents = [
        (str(tmp_path / folder / name), (folder + name).encode())
        for folder in ('a', 'b')
        for name in ('1', '2')
    ]
    files.write_all(contents)
    for path, data in contents:
        assert files.read(path, 'text') == data
    assert sorted(os.listdir(str(tmp_path / 'a'))) == ['1', '2']


def test_the_one_of_several_files_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'a' / 'folder').mkdir(parents=True)
    paths = [str(tmp_path / 'a' / name) for name in ('1', 'folder', '2')]
    with pytest.raises(UserError, match='cannot write %s: ' % paths[1]):
        files.write_all([(path, b'data') for path in paths])
    assert sorted(os.listdir(str(tmp_path / 'a'))) == ['1', 'folder']
