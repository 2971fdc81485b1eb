"""The folder of TensorBoard summaries."""

import contextlib
import os

from scripts.errors import UserError

_EVENT_FILE = 'events.out.tfevents.'

# What file managers put into each folder that is looked at, and would put there again.
_OF_FILE_MANAGERS = frozenset(['.DS_Store', 'Thumbs.db', 'desktop.ini'])


def check_dir(summaries_dir):
    """Raises UserError unless `summaries_dir` may be emptied: it holds nothing but summaries.

    Hidden files count, for one of them may be all that a person has of something, and links do.
    """
    if os.path.lexists(summaries_dir) and not os.path.isdir(summaries_dir):
        raise UserError('--summaries_dir=%s is a file, expected a folder' % summaries_dir)
    for folder, folders, names in os.walk(summaries_dir, onerror=_refuse_unreadable):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in links + [name for name in names if not _is_summary(name)]:
            raise UserError(
                '--summaries_dir=%s is emptied at the start, and it holds %s, which '
                'is no TensorBoard file: move it or choose another folder'
                % (summaries_dir, os.path.join(folder, name))
            )


def check_outside(summaries_dir, places):
    """Raises UserError where one of the places, pairs of a flag and a path, is in that folder."""
    folder = _real(summaries_dir)
    for name, path in places:
        if path and (_real(path) + os.sep).startswith(folder.rstrip(os.sep) + os.sep):
            raise UserError(
                '%s=%s is inside of --summaries_dir=%s, which is emptied at the start: choose '
                'another place for one of them' % (name, path, summaries_dir)
            )


def empty_dir(summaries_dir):
    """Removes the summaries of earlier runs and makes the folder where it is missing.

    What else has come there since `check_dir` stays.
    """
    try:
        for folder, _, names in os.walk(summaries_dir, topdown=False):
            for name in filter(_is_summary, names):
                os.unlink(os.path.join(folder, name))
            if folder != summaries_dir:
                with contextlib.suppress(OSError):  # It holds something else.
                    os.rmdir(folder)
        os.makedirs(summaries_dir, exist_ok=True)
    except OSError as error:
        raise UserError('cannot empty --summaries_dir=%s: %s' % (summaries_dir, error))


def _is_summary(name):
    return _EVENT_FILE in name or name in _OF_FILE_MANAGERS


def _refuse_unreadable(error):
    if not isinstance(error, FileNotFoundError):
        raise UserError('cannot read %s: %s' % (error.filename, error.strerror))


def _real(path):
    return os.path.normcase(os.path.realpath(path))
