"""What a path leads to: links, open files, devices, folders that do not exist yet."""

import contextlib
import os
import stat


def follow(path):
    """Returns what the symbolic links at `path`, if it is one, lead to; it need not exist.

    Raises:
      OSError: the links form a circle, or may not be followed.
    """
    if not os.path.islink(path):
        return path
    # The system resolves the path first: it does not follow links that other users have put into
    # a folder that everyone may write to, such as /tmp.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.stat(path)
    while os.path.islink(path) and descriptor_of(path) is None:
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return path


def descriptor_of(path):
    """Returns the number of the open file that a path such as /dev/fd/1 names, or None."""
    folder, name = os.path.split(path)
    if not name.isdigit():
        return None
    is_open = os.path.realpath(folder) in ('/dev/fd', '/proc/%d/fd' % os.getpid())
    return int(name) if is_open else None


def is_stream(path):
    """Returns whether `path`, which is no link, is a device, a pipe or an open file.

    Such a file is written to; a regular file is replaced.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return descriptor_of(path) is not None
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or descriptor_of(path) is not None


def nearest_existing(path):
    """Returns `path`, or the nearest folder above it that exists."""
    path = os.path.abspath(path)
    while not os.path.lexists(path) and path != os.path.dirname(path):  # A drive may be missing.
        path = os.path.dirname(path)
    return path
