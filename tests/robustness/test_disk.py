"""Disks that are full or read-only, files that may not be read or vanish, clocks that go back."""

import contextlib
import ctypes
import functools
import os
import shutil
import stat
import subprocess
import tempfile
import time

import pytest

from tests.robustness import bench
from tests.robustness.bench import Row

POINTS = 20

_ROOM = 64 << 20
_PAGE = 4096
_FULL_DISK = ('No space left', 'are free', 'the disk is full')
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2  # What lets root pass by permissions; <linux/capability.h>.
_CAPABILITY_VERSION = 0x20080522


def tried(points):
    """Fills the disk at so many points of each command, and tries the rest; returns rows."""
    with tempfile.TemporaryDirectory() as folder, _disk(os.path.join(folder, 'disk')) as disk:
        photos = bench.prepare_photos(folder)
        commands = _commands(folder, photos)
        rows = [_full(disk, name, commands[name], points) for name in commands]
        rows.append(_read_only(disk, commands))
        rows.append(_no_permission(folder, photos, commands))
        rows.append(_vanished(folder))
        rows.append(_clock(folder, photos))
    return rows


def _commands(folder, photos):
    """Returns a dict from a name to (module, what takes a folder and returns flags)."""
    ready = os.path.join(folder, 'ready')
    _run('scripts.retrain', bench.retrain_flags(photos, ready), folder).good()
    graph, labels = (os.path.join(ready, 'out', name) for name in ('graph.pb', 'labels.txt'))

    def retrain(place):
        return bench.retrain_flags(
            photos,
            place,
            saved_model_dir=os.path.join(place, 'saved_model'),
            checkpoint_path=os.path.join(place, 'checkpoint'),
            resume=True,
        )

    def quantize(place):
        output = os.path.join(place, 'quantized.pb')
        return ['--input=' + graph, '--output=' + output, '--output_node_names=final_result']

    def label(place):
        output = os.path.join(place, 'labelled.json')
        flags = ['--graph=' + graph, '--labels=' + labels, '--output=' + output, photos]
        return flags + ['--output_format=json']

    return {
        'retrain': ('scripts.retrain', retrain),
        'quantize_graph': ('scripts.quantize_graph', quantize),
        'label_image --output': ('scripts.label_image', label),
    }


def _run(module, flags, folder, prepare=None):
    return bench.Run(module, flags, os.path.join(folder, 'printed'), prepare)


class _Tmpfs:
    """A small disk in memory."""

    how = 'a disk of so many bytes'

    def __init__(self, path):
        self.path = path

    def begin(self, size):
        """Makes a new one with room for `size` bytes; returns what is to be done in the process."""
        self.end()
        subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', 'size=%d' % size, 'faults', self.path],
            check=True,
        )

    def give_room(self):
        """Lets everything be written."""
        self._remount('rw,size=%d' % _ROOM)

    def forbid(self):
        """Lets nothing be written."""
        self._remount('ro')

    def end(self):
        """Takes it away."""
        while os.path.ismount(self.path):
            subprocess.run(['umount', self.path], check=True)

    def _remount(self, options):
        subprocess.run(['mount', '-o', 'remount,' + options, self.path], check=True)


@contextlib.contextmanager
def _disk(path):
    os.mkdir(path)
    disk = _Tmpfs(path)
    try:
        disk.begin(_ROOM)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('a small tmpfs cannot be mounted here: this needs root and CAP_SYS_ADMIN')
    try:
        yield disk
    finally:
        disk.end()


def _full(disk, name, command, points):
    """Runs a command on disks from nearly nothing to nearly enough; returns a row."""
    module, flags_of = command
    outside = os.path.dirname(disk.path)
    place = os.path.join(disk.path, 'work')
    disk.begin(_ROOM)
    _run(module, flags_of(place), outside).good()
    whole = bench.state(place, ('summaries',))
    pages = _bytes_on(disk.path) // _PAGE
    assert pages > 1
    for point in range(points):
        disk.begin(_PAGE * max(1, (pages - 1) * point // (points - 1)))
        message = _run(module, flags_of(place), outside).error()
        assert any(each in message for each in _FULL_DISK), message
        _check_nothing_half_written(place, whole)
        disk.give_room()
        _run(module, flags_of(place), outside).good()
        found = bench.state(place, ('summaries',))
        assert found == whole, bench.differences(found, whole)
    return Row('disk full: ' + name, points, 'one line, nothing half-written; next run: whole')


def _bytes_on(path):
    about = os.statvfs(path)
    return (about.f_blocks - about.f_bfree) * about.f_frsize


def _check_nothing_half_written(place, whole):
    for path, checksum in bench.state(place, ('summaries', 'checkpoint')).items():
        # A store is added to, and a row that is torn is passed over.
        if not path.endswith('.features'):
            assert whole.get(path) == checksum, '%s is not whole' % path


def _read_only(disk, commands):
    outside = os.path.dirname(disk.path)
    for module, flags_of in commands.values():
        disk.begin(_ROOM)
        disk.forbid()
        message = _run(module, flags_of(os.path.join(disk.path, 'work')), outside).error()
        assert 'no permission to write' in message or 'Read-only' in message, message
        assert os.listdir(disk.path) == []
    return Row('read-only disk', len(commands), 'one line, nothing written')


def _no_permission(folder, photos, commands):
    closed = os.path.join(folder, 'closed')
    for module, flags_of in commands.values():
        os.makedirs(closed)
        os.chmod(closed, stat.S_IRUSR | stat.S_IXUSR)
        flags = flags_of(os.path.join(closed, 'x'))
        message = _run(module, flags, folder, _be_nobody_special).error()
        assert 'permission' in message.lower(), message
        assert os.listdir(closed) == []
        os.rmdir(closed)
    place = os.path.join(folder, 'half')
    flags = commands['retrain'][1](place)
    _run('scripts.retrain', flags, folder).good()
    red = os.path.join('bottlenecks', 'Red')
    names = ['checkpoint', 'out', 'bottlenecks', 'summaries', 'saved_model', red]
    names.append(os.path.join('bottlenecks', '%s.features' % bench.NETWORK))
    for name in names:
        path = os.path.join(place, name)
        os.chmod(path, 0)
        message = _run('scripts.retrain', flags, folder, _be_nobody_special).error()
        assert path in message and 'ermission' in message, message
        os.chmod(path, 0o755)
    _run('scripts.retrain', flags, folder, _be_nobody_special).good()
    return Row('no permission', len(commands) + len(names), 'one line, nothing written')


def _be_nobody_special():
    """Lets permissions hold for root, too."""
    if os.geteuid():
        return
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, sets) == 0
    for number in range(3):
        sets[number] &= ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)
    assert libc.capset(header, sets) == 0


def _vanished(folder):
    """A photo goes after the list of photos was made."""
    place = os.path.join(folder, 'vanishing')
    photos = bench.prepare_photos(place)
    flags = bench.retrain_flags(photos, os.path.join(place, 'run'))
    gone = [os.path.join(photos, 'Red', '%03d.jpg' % number) for number in range(2)]
    for path in gone:  # The first time without a cache, then with one.
        run = _run('scripts.retrain', flags, place, functools.partial(_remove_late, path))
        if run.status() == 0:
            assert any(path in line for line in run.warnings()), run.text()
        else:
            assert path in run.error()
        assert not os.path.exists(path)
        _run('scripts.retrain', flags, place).good()
    return Row('a photo vanishes', len(gone), 'is named in one line; next run: whole')


def _remove_late(path):
    from scripts.training import retraining

    run = retraining.run

    def remove_and_run(*arguments):
        os.unlink(path)
        return run(*arguments)

    retraining.run = remove_and_run


def _clock(folder, photos):
    """Photos from the past and the future, and a clock that runs backwards."""
    place = os.path.join(folder, 'clock')
    flags = bench.retrain_flags(
        photos, place, checkpoint_path=os.path.join(place, 'checkpoint'), resume=True
    )
    usual = _run('scripts.retrain', flags, folder).good().warnings()
    whole = _state(place)
    photo = os.path.join(photos, 'Red', '001.jpg')
    then = os.stat(photo)
    moments = [0, 1, 2**31, 2**32]
    for moment in moments:
        os.utime(photo, (moment, moment))
        run = _run('scripts.retrain', flags, folder).good()
        assert run.warnings() == usual, run.text()
        assert _state(place) == whole
    os.utime(photo, ns=(then.st_atime_ns, then.st_mtime_ns))
    for name in ('checkpoint', 'bottlenecks'):
        path = os.path.join(place, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    _run('scripts.retrain', flags, folder, _run_time_backwards).good()
    found = _state(place)
    assert found == whole, bench.differences(found, whole)
    return Row('a clock set back', len(moments) + 1, 'changes nothing')


def _state(place):
    return bench.state(place, ('summaries',))


def _run_time_backwards():
    now = time.time

    time.time = lambda: 4e9 - now()


@pytest.mark.slow
@pytest.mark.once
def test_disks_permissions_and_clocks(show_rows):
    show_rows(tried(POINTS // 10))
