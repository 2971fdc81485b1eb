"""Checks before anything is written: can this file or folder be written, and is it no other one?"""

import os

from scripts.common import limits, paths
from scripts.common.errors import UserError


def check_writable(path):
    """Raises UserError unless a file can be written at `path`. Writes and creates nothing."""
    if os.path.isdir(path):
        raise UserError('%s is a folder, expected the name of a file to write' % path)
    try:
        target = paths.follow(path)
    except OSError as error:
        raise UserError('cannot write %s: %s' % (path, error.strerror))
    if not paths.is_stream(target):
        check_folder_writable(os.path.dirname(target) or '.')
    elif not os.access(target, os.W_OK):
        raise UserError('cannot write %s: it is closed, or there is no permission' % path)


def check_folder_writable(folder):
    """Raises UserError unless files can be written in `folder`, which need not exist yet."""
    existing = paths.nearest_existing(folder)
    if not os.path.isdir(existing):
        raise UserError('%s is a file, expected a folder' % existing)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError('no permission to write in %s: choose another folder' % existing)


def check_distinct(outputs, inputs=()):
    """Raises UserError where an output would replace another output or an input.

    What is written to and not replaced, such as a device, may be named more than once.

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
        path = paths.follow(path)
        if paths.is_stream(path):
            return None
        about = os.stat(path)
    except OSError:
        return os.path.normcase(os.path.realpath(path))
    return about.st_dev, about.st_ino


def check_not_full(folder):
    """Raises UserError where no byte is free: TensorFlow does not report truncated summaries."""
    if not limits.free_bytes(folder):
        raise UserError('the disk is full: the last file in %s may be truncated' % folder)
