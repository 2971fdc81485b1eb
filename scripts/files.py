"""Writing files so that no reader ever sees half of one."""

import contextlib
import os
import shutil
import tempfile

from scripts.errors import UserError


@contextlib.contextmanager
def replacing(path):
    """Gives a binary file to write; when the block ends well it takes the place of `path`.

    The file stands under a temporary name in the same folder until then, so that a stop at any
    moment leaves the old `path` or the new one. The folder is made where it is missing.

    Raises:
      UserError: the folder or file cannot be written.
    """
    temporary = None
    try:
        folder = os.path.dirname(path) or '.'
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix='.writing-', suffix='.tmp', dir=folder)
        os.close(handle)
        with open(temporary, 'wb') as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that only the owner reads.
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise UserError('cannot write %s: %s' % (path, error.strerror or error))
    finally:
        if temporary is not None:
            os.unlink(temporary)


@contextlib.contextmanager
def replacing_folder(folder):
    """Gives the path of a folder to make; when the block ends well it takes the place of `folder`.

    Raises:
      UserError: the folder cannot be written.
    """
    parent, name = os.path.split(os.path.abspath(folder))
    work = None
    try:
        os.makedirs(parent, exist_ok=True)
        work = tempfile.mkdtemp(prefix='.writing-', suffix='.tmp', dir=parent)
        new, old = os.path.join(work, name), os.path.join(work, 'old')
        yield new
        if os.path.isdir(folder):
            os.rename(folder, old)
        os.rename(new, folder)
    except OSError as error:
        raise UserError('cannot write %s: %s' % (folder, error.strerror or error))
    finally:
        if work is not None:
            shutil.rmtree(work)


def write(path, data):
    """Writes bytes to `path` through `replacing`."""
    with replacing(path) as file:
        file.write(data)


def read(path, what):
    """Returns the bytes of the file at `path`, which a message calls `what` ('graph', 'image').

    Raises:
      UserError: there is no such file, or it cannot be read.
    """
    try:
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        raise UserError('no %s at %s: check the path' % (what, path))
    except OSError as error:
        raise UserError('cannot read the %s %s: %s' % (what, path, error.strerror or error))


def check_writable(path):
    """Raises UserError unless a file could be written at `path`, without writing or making any."""
    if os.path.isdir(path):
        raise UserError('%s is a folder, expected the name of a file to write' % path)
    check_folder_writable(os.path.dirname(path) or '.')


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


def _nearest_existing(path):
    path = os.path.abspath(path)
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
