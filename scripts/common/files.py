"""Reading and writing whole files so that no reader ever sees half of one."""

import contextlib
import io
import os
import stat
import sys
import uuid

from scripts.common import locking, paths
from scripts.common.errors import UserError

_PREFIX, _SUFFIX = '.writing-', '.tmp'

_cleaned = set()  # The folders in which this process has removed what killed writers left.


def read(path, what):
    """Returns the bytes of the file at `path`, which a message calls `what` ('graph', 'image').

    Raises:
      UserError: there is no such file, or it is unreadable.
    """
    try:
        with open(path, 'rb') as file:
            # Some devices never end; a terminal does, by Ctrl-D.
            if stat.S_ISCHR(os.fstat(file.fileno()).st_mode) and not file.isatty():
                raise UserError('the %s %s is a device: expected a file' % (what, path))
            return file.read()
    except FileNotFoundError:
        raise UserError('no %s at %s: check the path' % (what, path))
    except OSError as error:
        raise UserError('cannot read the %s %s: %s' % (what, path, error.strerror or error))


def write(path, data):
    """Writes bytes to `path` through `replacing`."""
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path):
    """Gives a binary file to write; when the block ends well it replaces `path`.

    The file has a temporary name in the same folder until then, so that an interruption at any
    moment leaves the old `path` or the new one. The folder is created if it is missing; what a
    killed writer has left in it is removed. A symbolic link stays, and its target is replaced.
    What is not a regular file, such as a device or a pipe, is written to when the block ends well.

    Raises:
      UserError: the folder or file cannot be written.
    """
    try:
        target = paths.follow(path)
        with _sending_to(target) if paths.is_stream(target) else _replacing_file(target) as file:
            yield file
    except OSError as error:
        raise UserError('cannot write %s: %s' % (path, error.strerror or error))


@contextlib.contextmanager
def replacing_all(contents):
    """Writes regular files as `replacing` does, with less work for each.

    Args:
      contents: list of pairs of a path and bytes.

    Gives what `os.fstat` tells of each file, which has its place when the block ends well.

    Raises:
      UserError: a folder or file cannot be written.
    """
    about, staged, folders = [], [], set()
    with contextlib.ExitStack() as locks:
        try:
            for path, data in contents:
                target = paths.follow(path)
                if paths.is_stream(target):
                    raise UserError('cannot write %s: it is no regular file' % path)
                folder = os.path.dirname(target) or '.'
                if folder not in folders:
                    os.makedirs(folder, exist_ok=True)
                    locks.enter_context(_writing_in(folder))
                    folders.add(folder)
                staged.append((_temporary(target), target))
                with open(staged[-1][0], 'xb') as file:
                    file.write(data)
                    file.flush()
                    about.append(os.fstat(file.fileno()))
            yield about
            for temporary, path in staged:
                os.replace(temporary, path)
        except BaseException as error:
            for temporary, _ in staged:
                _remove(temporary)
            if isinstance(error, OSError):
                raise UserError('cannot write %s: %s' % (path, error.strerror or error))
            raise


@contextlib.contextmanager
def _replacing_file(path):
    folder = os.path.dirname(path) or '.'
    os.makedirs(folder, exist_ok=True)
    with _writing_in(folder), _taking_the_place_of(path) as file:
        yield file


@contextlib.contextmanager
def _sending_to(path):
    """Gives a file in memory, whose content goes to a device, a pipe or an open file at the end."""
    data = io.BytesIO()
    yield data
    number = paths.descriptor_of(path)
    standard = {1: sys.stdout, 2: sys.stderr}.get(number)
    if standard is not None:  # What was printed before comes first.
        standard.flush()
        standard.buffer.write(data.getvalue())
        standard.flush()
        return
    with open(path, 'wb') if number is None else os.fdopen(os.dup(number), 'wb') as file:
        file.write(data.getvalue())


@contextlib.contextmanager
def _taking_the_place_of(path):
    temporary = _temporary(path)
    try:
        with open(temporary, 'xb') as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def _temporary(path):
    return os.path.join(os.path.dirname(path), _PREFIX + uuid.uuid4().hex + _SUFFIX)


@contextlib.contextmanager
def _writing_in(folder):
    """Holds a lock on a folder that all its writers share.

    A process that gets the exclusive lock knows that nobody is writing, and that the temporary
    files there are those of writers that were killed.
    """
    if not locking.AVAILABLE:  # Windows cannot open a folder either.
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if folder not in _cleaned and locking.try_exclusive(handle):
            for name in os.listdir(folder):
                if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                    _remove(os.path.join(folder, name))
            _cleaned.add(folder)
        locking.share(handle)
        yield
    finally:
        os.close(handle)


def _remove(path):
    # It may have its final name by now; and what cannot be removed does no harm.
    with contextlib.suppress(OSError):
        os.unlink(path)
