"""What the suites of faults share: commands in processes of their own, folders, and the table.

A process is forked from one that has TensorFlow loaded and no session yet, which is safe: so
hundreds of runs take minutes.
"""

import contextlib
import hashlib
import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import typing

from scripts.common import command
from scripts.features import store
from tests import pictures

SEED = 20261121
NETWORK = 'mobilenet_0.25_128'
_PATIENCE_SECONDS = 300  # Of waiting itself: where all is paused together, none of it passes.
_TICK = 0.002
_STORE_HEADER = 128  # Bytes, of a store of features.
_KILLED = (-signal.SIGKILL, 255)  # As Python 3.6's fork server speaks of any signal.

_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(
    [
        'scripts.training.retraining',
        'scripts.inference.labelling',
        'scripts.evaluation.report',
        'scripts.evaluation.tensorboard',
        'scripts.quantization.modes',
        'scripts.quantization.comparison',
        'tests.stand_ins',
    ]
)


class Row(typing.NamedTuple):
    """A line of the table: what was done to what, how often, and how it ended."""

    fault: str
    count: int
    ending: str


class Run:
    """A command that runs in a process of its own.

    Args:
      module: the command's module, such as 'scripts.retrain'.
      flags: list of str.
      output: the file that takes what it prints.
      prepare: called in the process before the command, or None; a function of a module, or a
        functools.partial of one.
    """

    def __init__(self, module, flags, output, prepare=None):
        self._output = output
        with open(output, 'wb'):  # So that it can be read from the start.
            pass
        self._process = _FORKS.Process(target=_run, args=(module, flags, output, prepare))
        self._process.start()

    def text(self):
        """Returns what it has printed so far."""
        with open(self._output, encoding='utf-8', errors='replace') as file:
            return file.read()

    def reached(self, marker):
        """Waits until it has printed `marker` or ended; returns the seconds that took."""
        start = time.monotonic()
        while marker not in self.text() and self._process.is_alive():
            time.sleep(_TICK)
        return time.monotonic() - start

    def kill(self):
        """Sends SIGKILL."""
        if self._process.is_alive():
            os.kill(self._process.pid, signal.SIGKILL)

    def status(self):
        """Waits for its end and returns the exit status, the negative number of a signal."""
        for _ in range(_PATIENCE_SECONDS):
            self._process.join(1)
            if self._process.exitcode is not None:
                return self._process.exitcode
        self.kill()
        raise AssertionError('it did not end:\n' + self.text())

    def killed(self):
        """Waits for its end and returns whether that was SIGKILL."""
        return self.status() in _KILLED

    def warnings(self):
        """Returns the lines that it printed as warnings."""
        return [line for line in self.text().splitlines() if line.startswith('WARNING: ')]

    def error(self):
        """Waits for its end and returns the one line of error in which it must end."""
        status, text = self.status(), self.text()
        errors = [line for line in text.splitlines() if ': error: ' in line]
        assert status == command.FAILURE and len(errors) == 1, '%d\n%s' % (status, text)
        assert text.splitlines()[-1] == errors[0] and 'Traceback' not in text, text
        return errors[0]

    def good(self):
        """Waits for its end, which must be a good one, and returns the run."""
        status = self.status()
        assert status == command.SUCCESS, '%d\n%s' % (status, self.text())
        return self


def _run(module, flags, output, prepare):
    handle = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(handle, sys.stdout.fileno())
    os.dup2(handle, sys.stderr.fileno())
    if prepare is not None:
        prepare()
    loaded = importlib.import_module(module)
    sys.argv = [loaded.__file__] + flags
    command.run(loaded.main, loaded.FLAGS)


def folder_in_memory():
    """Makes a temporary folder, a context manager, in memory where the system has such a place.

    On ext4, a small file that is written over takes a millisecond and a half, most of a fuzzed
    input's time.
    """
    memory = '/dev/shm'
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


@contextlib.contextmanager
def watched(function, *arguments):
    """Gives the receiving end of a pipe, and the process that runs `function(pipe, *arguments)`."""
    receiver, sender = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=function, args=(sender,) + arguments)
    process.start()
    sender.close()  # The process has its own; when that is closed, reading ends.
    try:
        yield receiver, process
    finally:
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        receiver.close()


def prepare_photos(folder, count=12):
    """Draws small photos of 3 classes, and a small network beside them; returns their folder."""
    from tests import stand_ins

    stand_ins.install(NETWORK, os.path.join(folder, 'models'))
    return pictures.draw_classes(os.path.join(folder, 'photos'), count)


def state(folder, without=()):
    """Returns a dict from the path of each file below `folder` to what is in it, as a checksum.

    Stores of features are compared by what they say: their rows come in any order, more than once
    where a run was stopped, and with times that differ.

    Args:
      folder: the folder.
      without: names of files and folders to leave out.
    """
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in without]
        for name in set(names) - set(without):
            path = os.path.join(place, name)
            with open(path, 'rb') as file:
                data = file.read()
            if name.endswith('.features'):
                data = _values_by_photo(path, data)
            found[os.path.relpath(path, folder)] = hashlib.sha256(data).hexdigest()
    return found


def _values_by_photo(path, data):
    """Returns, as bytes, of which photo and network there are which values in a store."""
    if len(data) < _STORE_HEADER:
        return data
    _, _, dtype, shape = data[:_STORE_HEADER].decode('ascii').split()
    rows = store.Store(path, dtype, tuple(map(int, shape.split('x')))).read()
    live = rows.live()
    assert not rows.corrupt and rows.intact(live).all(), path
    entries = rows.entries(live)
    lines = entries[['photo', 'fingerprint', 'digest', 'photo_bytes', 'values_crc32']].tolist()
    return '\n'.join(sorted(map(str, lines))).encode('ascii')


def differences(found, expected):
    """Returns what tells two states apart, for a message."""
    return sorted(
        '%s %s'
        % (
            path,
            'differs'
            if path in found and path in expected
            else 'is left over'
            if path in found
            else 'is missing',
        )
        for path in set(found) | set(expected)
        if found.get(path) != expected.get(path)
    )


def retrain_flags(photos, folder, **changes):
    """Returns flags of retrain that keep all it writes below `folder`."""
    values = dict(
        image_dir=photos,
        architecture=NETWORK,
        model_dir=os.path.join(os.path.dirname(photos), 'models'),
        output_graph=os.path.join(folder, 'out', 'graph.pb'),
        output_labels=os.path.join(folder, 'out', 'labels.txt'),
        bottleneck_dir=os.path.join(folder, 'bottlenecks'),
        summaries_dir=os.path.join(folder, 'summaries'),
        how_many_training_steps=20,
        testing_percentage=20,
        validation_percentage=20,
        split_key='name',  # Whatever the folder, each class has photos to train on.
        random_seed=1,
    )
    values.update(changes)
    return ['--%s=%s' % item for item in sorted(values.items())]
