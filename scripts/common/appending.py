"""Files that grow and survive an interruption, such as downloads: one process writes at a time."""

import contextlib
import os

from scripts.common import locking
from scripts.common.errors import UserError

# A file that the run which has a folder locks; one that was killed leaves it, unlocked.
IN_USE = '.in-use'
_PATIENCE_SECONDS = 3  # A run that has just been stopped may need a moment to end.


@contextlib.contextmanager
def growing(path):
    """Opens the binary file at `path` to append to; what was written before is kept.

    Another process that wants the same file waits. The folder is created if it is missing. An
    empty file is not kept. `move` and `discard` finish the file in another way.

    Raises:
      UserError: the file cannot be written.
    """
    file = None
    try:
        file = open_locked(path)
        yield file
    except OSError as error:
        raise UserError('cannot write %s: %s' % (path, error.strerror or error))
    finally:
        if file is not None:
            if not file.closed and _is_at(file, path) and not os.fstat(file.fileno()).st_size:
                discard(file)
            file.close()


def open_locked(path, seconds=None):
    """Opens the binary file at `path` to append to once no other process holds its lock.

    The folder is created if it is missing.

    Args:
      path: the file.
      seconds: how long to wait for the other process; None: forever.

    Raises:
      BlockingIOError: another process still holds the lock.
      OSError: the file cannot be written.
    """
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    while True:
        file = open(path, 'ab', buffering=0)  # noqa: SIM115 - the caller closes it.
        try:
            locking.wait_exclusive(file, seconds)
            if _is_at(file, path):  # The previous holder may have moved or removed it.
                return file
        except BaseException:
            file.close()
            raise
        file.close()


@contextlib.contextmanager
def holding(folder, in_use):
    """Keeps other runs out of a folder, which is made where it is missing, while the block runs.

    Args:
      folder: its path.
      in_use: what the error says where another run has it.

    Raises:
      UserError: another run has it, or it cannot be written.
    """
    is_new = not os.path.exists(folder)
    path = os.path.join(folder, IN_USE)
    try:
        lock = open_locked(path, _PATIENCE_SECONDS)
    except BlockingIOError:
        raise UserError(in_use)
    except OSError as error:
        raise UserError('cannot write %s: %s' % (path, error.strerror))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # The user may have removed it.
            discard(lock)
        lock.close()
        if is_new:
            with contextlib.suppress(OSError):  # There is something in it.
                os.rmdir(folder)


def write(file, data):
    """Writes all of some bytes to a file of `open_locked`, or nothing.

    Raises:
      OSError: it cannot be written; what was written of it is taken back: a full disk has room
        again.
    """
    end, left = os.fstat(file.fileno()).st_size, memoryview(data)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        file.truncate(end)
        raise


def move(file, path):
    """Moves a finished file of `growing` to its final path."""
    _close_where_open_files_stay(file)
    os.replace(file.name, path)


def discard(file):
    """Removes a file of `growing`."""
    _close_where_open_files_stay(file)
    os.unlink(file.name)


def _close_where_open_files_stay(file):
    # Elsewhere it stays open, and so locked, until it has gone from its path: a process that waits
    # for it must not append to it. Windows moves no open files, and there no process waits.
    if not locking.AVAILABLE:
        file.close()


def _is_at(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
