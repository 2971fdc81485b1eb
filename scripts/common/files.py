"""Writing files so that no reader ever sees half of one."""

import contextlib
import io
import itertools
import json
import os
import shutil
import stat
import sys
import time
import uuid

from scripts.common.errors import UserError

try:
    import fcntl
    import resource
except ImportError:  # Windows, where a folder cannot be locked, nor opened: nobody cleans up.
    fcntl = resource = None

_MOST_DIGITS = 20  # Of a whole number in JSON: a time in nanoseconds has 19.
_SECONDS_BETWEEN_TRIES = 0.05
_PREFIX, _SUFFIX = '.writing-', '.tmp'

_cleaned = set()  # The folders in which this process has looked for what others left.


@contextlib.contextmanager
def replacing(path):
    """Gives a binary file to write; when the block ends well it takes the place of `path`.

    The file stands under a temporary name in the same folder until then, so that a stop at any
    moment leaves the old `path` or the new one. The folder is made where it is missing; what a
    killed writer has left in it is removed. A symbolic link stays, and what it names is replaced.
    What is no regular file, such as a device or a pipe, is written to when the block ends well.

    Raises:
      UserError: the folder or file cannot be written.
    """
    try:
        target = _followed(path)
        with _sending_to(target) if _is_stream(target) else _replacing_file(target) as file:
            yield file
    except OSError as error:
        raise UserError('cannot write %s: %s' % (path, error.strerror or error))


@contextlib.contextmanager
def _replacing_file(path):
    folder = os.path.dirname(path) or '.'
    os.makedirs(folder, exist_ok=True)
    with _writing_in(folder), _taking_the_place_of(path) as file:
        yield file


@contextlib.contextmanager
def _sending_to(path):
    """Gives a file in memory, which goes to a device, a pipe or an open file in the end."""
    data = io.BytesIO()
    yield data
    number = _descriptor_of(path)
    standard = {1: sys.stdout, 2: sys.stderr}.get(number)
    if standard is not None:  # What was printed before comes first.
        standard.flush()
        standard.buffer.write(data.getvalue())
        standard.flush()
        return
    with open(path, 'wb') if number is None else os.fdopen(os.dup(number), 'wb') as file:
        file.write(data.getvalue())


def _followed(path):
    """Returns what the symbolic links at `path`, if it is one, lead to; it need not exist.

    Raises:
      OSError: they lead in a circle, or may not be followed.
    """
    if not os.path.islink(path):
        return path
    # The system's own look at it comes first: it does not follow links that others have put into
    # a folder that all may write to, such as /tmp.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.stat(path)
    while os.path.islink(path) and _descriptor_of(path) is None:
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return path


def _descriptor_of(path):
    """Returns the number of the open file that a path such as /dev/fd/1 names, or None."""
    folder, name = os.path.split(path)
    if not name.isdigit():
        return None
    is_open = os.path.realpath(folder) in ('/dev/fd', '/proc/%d/fd' % os.getpid())
    return int(name) if is_open else None


def _is_stream(path):
    """Returns whether what is at `path`, no link, is to be written to and not to be replaced."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return _descriptor_of(path) is not None
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _descriptor_of(path) is not None


@contextlib.contextmanager
def _taking_the_place_of(path):
    temporary = os.path.join(os.path.dirname(path), _PREFIX + uuid.uuid4().hex + _SUFFIX)
    try:
        with open(temporary, 'xb') as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


@contextlib.contextmanager
def _writing_in(folder):
    """Holds a lock on a folder that all its writers share.

    Who has that lock alone knows that nobody is writing, and that the temporary files there are
    those of writers that were killed.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if folder not in _cleaned and _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
            for name in os.listdir(folder):
                if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                    _remove(os.path.join(folder, name))
            _cleaned.add(folder)
        _lock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def _lock(handle, kind):
    """Returns whether the lock was had. Where a file system has none, nobody cleans up."""
    try:
        fcntl.flock(handle, kind)
    except OSError:
        return False
    return True


def _remove(path):
    # It may have its final name by now; and what cannot be removed does no harm.
    with contextlib.suppress(OSError):
        os.unlink(path)


@contextlib.contextmanager
def growing(path):
    """Gives the binary file at `path`, which is kept, to write on at its end.

    Another process that wants the same one waits. The folder is made where it is missing. A file
    with nothing in it is not kept; `move` and `discard` end it otherwise.

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
    """Opens the binary file at `path`, to write on at its end, when no other process has it.

    The folder is made where it is missing.

    Args:
      path: the file.
      seconds: how long to wait for the other process; None: for its end.

    Raises:
      BlockingIOError: another process has it still.
      OSError: it cannot be written.
    """
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    while True:
        file = open(path, 'ab', buffering=0)  # noqa: SIM115 - the caller closes it.
        try:
            _wait_for_lock(file, seconds)
            if _is_at(file, path):  # Who had it may have moved or removed it.
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _wait_for_lock(file, seconds):
    if fcntl is None:
        return
    if seconds is None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise
        time.sleep(_SECONDS_BETWEEN_TRIES)


def move(file, path):
    """Gives a file of `growing`, which ends with that, its final path."""
    _close_where_open_files_stay(file)
    os.replace(file.name, path)


def discard(file):
    """Removes a file of `growing`, which ends with that."""
    _close_where_open_files_stay(file)
    os.unlink(file.name)


def _close_where_open_files_stay(file):
    # Elsewhere it stays open, and so locked, until it has gone from its path: who waits for it must
    # not take it for one to write on. Windows moves no open files, and there nobody waits.
    if fcntl is None:
        file.close()


def _is_at(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def write(path, data):
    """Writes bytes to `path` through `replacing`."""
    write_all([(path, data)])


def write_all(contents):
    """Writes files as `write` does, with less to do for each: a list of pairs of path and bytes."""
    for folder, group in itertools.groupby(contents, lambda pair: os.path.dirname(pair[0])):
        path = folder
        try:
            os.makedirs(folder or '.', exist_ok=True)
            with _writing_in(folder or '.'):
                for path, data in group:
                    is_file = not os.path.islink(path) and not _is_stream(path)
                    with _taking_the_place_of(path) if is_file else replacing(path) as file:
                        file.write(data)
        except OSError as error:
            raise UserError('cannot write %s: %s' % (path, error.strerror or error))


def read(path, what):
    """Returns the bytes of the file at `path`, which a message calls `what` ('graph', 'image').

    Raises:
      UserError: there is no such file, or it cannot be read.
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


def from_json(text):
    """Returns the value of a JSON text that may come from anyone.

    Raises:
      ValueError: it is none, holds an integer longer than any that is written here, or NaN.
      RecursionError: it is nested too deep.
    """
    return json.loads(text, parse_int=_short_int, parse_constant=_refuse_constant)


def _short_int(digits):
    if len(digits) > _MOST_DIGITS:  # To read an integer takes the square of its digits.
        raise ValueError('an integer of %d digits' % len(digits))
    return int(digits)


def _refuse_constant(name):
    raise ValueError(name)


def as_utf8(text):
    """Returns a text with names of files in it as it is on a machine whose names are UTF-8.

    Elsewhere, such as in a container without a locale under Python 3.6, names that are not ASCII
    come as surrogates, one for each byte; so do bytes that are no UTF-8, everywhere.
    """
    if sys.getfilesystemencoding() == 'utf-8':
        return text
    return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'surrogateescape')


def for_tensorflow(path):
    """Returns a path as TensorFlow's own writers and readers take it: the same without a locale.

    Raises:
      UserError: the path is no UTF-8.
    """
    text = as_utf8(path)
    try:
        text.encode('utf-8')
    except UnicodeEncodeError:
        raise UserError('TensorBoard needs paths in UTF-8, and %s is not: rename it' % path)
    return text


def check_writable(path):
    """Raises UserError unless a file could be written at `path`, without writing or making any."""
    if os.path.isdir(path):
        raise UserError('%s is a folder, expected the name of a file to write' % path)
    try:
        target = _followed(path)
    except OSError as error:
        raise UserError('cannot write %s: %s' % (path, error.strerror))
    if not _is_stream(target):
        check_folder_writable(os.path.dirname(target) or '.')
    elif not os.access(target, os.W_OK):
        raise UserError('cannot write %s: it is closed, or there is no permission' % path)


def check_distinct(outputs, inputs=()):
    """Raises UserError where an output would take the place of another one or of an input.

    What is written to and not replaced, such as a device, may be given more than once.

    Args:
      outputs: pairs of a name, such as a flag with its dashes, and a path, which may be empty.
      inputs: likewise.
    """
    names = {}
    for name, path in outputs:
        identity = path and _identity_of(path)
        if identity in names:
            raise UserError(
                '%s and %s are both %s: give each a file of its own' % (names[identity], name, path)
            )
        if identity:
            names[identity] = name
    for name, path in inputs:
        output = names.get(path and _identity_of(path))
        if output is not None:
            raise UserError(
                '%s is the same file as %s, %s: give another path' % (output, name, path)
            )


def _identity_of(path):
    """Returns what all paths of one file have in common; None for what is not replaced."""
    try:
        path = _followed(path)
        if _is_stream(path):
            return None
        about = os.stat(path)
    except OSError:
        return os.path.normcase(os.path.realpath(path))
    return about.st_dev, about.st_ino


def check_folder_writable(folder):
    """Raises UserError unless files could be written in `folder`, which need not exist yet."""
    existing = _nearest_existing(folder)
    if not os.path.isdir(existing):
        raise UserError('%s is a file, expected a folder' % existing)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError('no permission to write in %s: choose another folder' % existing)


def free_bytes(folder):
    """Returns the free space, in bytes, where `folder` stands or would stand."""
    return shutil.disk_usage(_nearest_existing(folder)).free


def size_limit():
    """Returns how large a file may become, in bytes (ulimit -f), or infinity."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0] if resource else -1
    return limit if limit >= 0 else float('inf')


def memory_limit():
    """Returns how much memory a process may map, in bytes (ulimit -v), or infinity."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    return limit if limit >= 0 else float('inf')


def check_not_full(folder):
    """Raises UserError where no byte is free: TensorFlow does not tell when summaries are cut."""
    if not free_bytes(folder):
        raise UserError('the disk is full: what was written last to %s may be cut' % folder)


def _nearest_existing(path):
    path = os.path.abspath(path)
    while not os.path.lexists(path) and path != os.path.dirname(path):  # A drive may be missing.
        path = os.path.dirname(path)
    return path
