"""Files are complete or not there."""

import os
import shutil
import signal
import stat
import sys
import threading

import pytest

from scripts.common import files, output_checks
from scripts.common.errors import UserError


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


def write_as_several(path, data):
    with files.replacing_all([(path, data)]):
        pass


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


def test_several_files_take_their_places_together(tmp_path):
    contents = [
        (str(tmp_path / folder / name), (folder + name).encode())
        for folder in ('a', 'b')
        for name in ('1', '22')
    ]
    with files.replacing_all(contents) as about:
        assert not any(os.path.exists(path) for path, _ in contents)
    for (path, data), told in zip(contents, about):
        found = os.stat(path)
        assert files.read(path, 'text') == data
        assert (told.st_size, told.st_mtime_ns) == (found.st_size, found.st_mtime_ns)
    assert sorted(os.listdir(str(tmp_path / 'a'))) == ['1', '22']


@pytest.mark.parametrize('stop', [ZeroDivisionError, KeyboardInterrupt])
def test_a_failure_leaves_several_old_files_and_nothing_else(tmp_path, stop):
    (tmp_path / '1').write_bytes(b'old')
    contents = [(str(tmp_path / name), b'new') for name in '12']
    with pytest.raises(stop), files.replacing_all(contents):
        raise stop
    assert os.listdir(str(tmp_path)) == ['1'] and (tmp_path / '1').read_bytes() == b'old'


@pytest.mark.parametrize('kind', ['folder', 'file/below', 'fifo'])
def test_the_one_of_several_files_that_cannot_be_written_is_named(tmp_path, kind):
    (tmp_path / 'a' / 'folder').mkdir(parents=True)
    (tmp_path / 'a' / 'file').write_bytes(b'')
    os.mkfifo(str(tmp_path / 'a' / 'fifo'))
    paths = [str(tmp_path / 'a' / name) for name in ('1', kind, '2')]
    writing = files.replacing_all([(path, b'data') for path in paths])
    with pytest.raises(UserError, match='cannot write %s: ' % paths[1]), writing:
        pass
    assert set(os.listdir(str(tmp_path / 'a'))) - {'1'} == {'file', 'fifo', 'folder'}


@pytest.fixture
def fifo(tmp_path):
    path = str(tmp_path / 'fifo')
    os.mkfifo(path)
    return path


def read_in_thread(path):
    """Reads a pipe to its end in another thread; returns the thread and the list it appends to."""
    received = []

    def read():
        with open(path, 'rb') as file:
            received.append(file.read())

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread, received


@pytest.fixture
def device(tmp_path):
    """Makes a device like one of /dev, where a bug would replace those of the whole machine."""

    def make(name):
        path = str(tmp_path / name)
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.stat('/dev/' + name).st_rdev)
            open(path, 'rb').close()
        except OSError as error:
            pytest.skip('no device can be made here, which needs root: %s' % error)
        return path

    return make


def test_a_device_is_written_to_and_stays(device):
    null, full = device('null'), device('full')
    output_checks.check_writable(null)
    files.write(null, b'data')
    assert stat.S_ISCHR(os.lstat(null).st_mode)
    with pytest.raises(UserError, match='cannot write %s: No space' % full):
        files.write(full, b'data')
    assert stat.S_ISCHR(os.lstat(full).st_mode)


def test_a_pipe_is_written_to_and_stays(fifo):
    reader, received = read_in_thread(fifo)
    files.write(fifo, b'data')
    reader.join(10)
    assert received == [b'data']
    assert stat.S_ISFIFO(os.lstat(fifo).st_mode)


def test_a_failure_sends_nothing_into_a_pipe(fifo):
    reader, received = read_in_thread(fifo)
    with pytest.raises(ZeroDivisionError), files.replacing(fifo) as file:
        file.write(b'half of the d')
        raise ZeroDivisionError
    files.write(fifo, b'data')
    reader.join(10)
    assert received == [b'data']


def in_child(tmp_path, function):
    """Runs a function in a process whose standard output and error are one file, and returns what
    is in it."""
    path = str(tmp_path / 'standard')
    process = os.fork()
    if not process:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(number, 1)
        os.dup2(number, 2)
        sys.stdout, sys.stderr = (os.fdopen(each, 'w', closefd=False) for each in (1, 2))
        function()
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    with open(path, 'rb') as file:
        return file.read()


@pytest.mark.parametrize('target', ['/dev/fd/1', '/proc/self/fd/1', '/proc/self/fd/2'])
def test_a_standard_stream_is_written_to_where_it_stands(tmp_path, target):
    path = str(tmp_path / 'link')  # As /dev/stdout is one, which a bug would replace for all.
    os.symlink(target, path)

    def write():
        print('before')
        output_checks.check_writable(path)
        files.write(path, b'data\n')
        print('after')

    assert in_child(tmp_path, write) == (
        b'before\ndata\nafter\n' if target.endswith('1') else b'data\nbefore\nafter\n'
    )
    assert os.readlink(path) == target
    assert sorted(os.listdir(str(tmp_path))) == ['link', 'standard']


def test_another_open_file_is_written_to_where_it_stands(tmp_path):
    with open(str(tmp_path / 'log'), 'wb', buffering=0) as file:
        file.write(b'before ')
        files.write('/dev/fd/%d' % file.fileno(), b'data')
        file.write(b' after')
    assert (tmp_path / 'log').read_bytes() == b'before data after'


def test_a_closed_stream_is_told():
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    with pytest.raises(UserError, match='cannot write /dev/fd/%d' % writing):
        output_checks.check_writable('/dev/fd/%d' % writing)
    with pytest.raises(UserError, match='cannot write /dev/fd/%d' % writing):
        files.write('/dev/fd/%d' % writing, b'')


@pytest.mark.parametrize('write', [files.write, write_as_several])
@pytest.mark.parametrize('there', [True, False], ids=['a file', 'nothing'])
def test_a_link_is_followed(tmp_path, write, there):
    (tmp_path / 'links').mkdir()
    target = tmp_path / 'files' / 'file'
    if there:
        target.parent.mkdir()
        target.write_bytes(b'old')
    os.symlink('../files/file', str(tmp_path / 'links' / 'b'))
    os.symlink(str(tmp_path / 'links' / 'b'), str(tmp_path / 'links' / 'a'))
    path = str(tmp_path / 'links' / 'a')
    output_checks.check_writable(path)
    write(path, b'new')
    assert os.path.islink(path) and os.path.islink(str(tmp_path / 'links' / 'b'))
    assert target.read_bytes() == b'new' and not target.is_symlink()
    assert os.listdir(str(target.parent)) == ['file']
    assert sorted(os.listdir(str(tmp_path / 'links'))) == ['a', 'b']


def test_the_target_of_a_link_is_replaced_as_a_whole(tmp_path):
    target, path = tmp_path / 'file', str(tmp_path / 'link')
    target.write_bytes(b'old')
    os.symlink(str(target), path)
    with pytest.raises(ZeroDivisionError), files.replacing(path) as file:
        file.write(b'half of the n')
        file.flush()
        assert target.read_bytes() == b'old'
        raise ZeroDivisionError
    assert target.read_bytes() == b'old'
    assert sorted(os.listdir(str(tmp_path))) == ['file', 'link']


def test_links_that_lead_nowhere_are_told(tmp_path):
    os.symlink('b', str(tmp_path / 'a'))
    os.symlink('a', str(tmp_path / 'b'))
    os.symlink(str(tmp_path), str(tmp_path / 'folder'))
    (tmp_path / 'file').write_bytes(b'')
    os.symlink('file/below', str(tmp_path / 'below'))
    for name, words in (('a', 'symbolic links'), ('folder', 'is a folder'), ('below', 'is a file')):
        with pytest.raises(UserError, match=words):
            output_checks.check_writable(str(tmp_path / name))
        with pytest.raises(UserError, match='cannot write'):
            files.write(str(tmp_path / name), b'')
    assert sorted(os.listdir(str(tmp_path))) == ['a', 'b', 'below', 'file', 'folder']


def test_a_device_that_never_ends_is_not_read(tmp_path):
    (tmp_path / 'graph.pb').symlink_to('/dev/zero')
    with pytest.raises(UserError, match='the graph .*/graph.pb is a device: expected a file'):
        files.read(str(tmp_path / 'graph.pb'), 'graph')
