"""The folder of TensorBoard summaries."""

import contextlib
import os
import struct

from scripts.common import appending, limits, output_checks
from scripts.common.errors import UserError

_EVENT_FILE = 'events.out.tfevents.'

_RECORD_BYTES = 16  # Of a record in an event file, without its data.


# What file managers put into each folder that is looked at, and would put there again.
_OF_FILE_MANAGERS = frozenset(['.DS_Store', 'Thumbs.db', 'desktop.ini'])


def check_dir(summaries_dir):
    """Raises UserError unless `summaries_dir` may be emptied: it holds nothing but summaries.

    Hidden files and links count: one of them may be the only copy of something.
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


@contextlib.contextmanager
def held(summaries_dir):
    """Keeps other runs out of a folder, which is made where it is missing, while the block runs.

    Two runs would delete each other's summaries, and show the other's curves in their reports.
    Gives its `event_files` of before.

    Raises:
      UserError: another run has it, or it cannot be written.
    """
    in_use = (
        '--summaries_dir=%s is in use by another run: wait for its end, or give this one a '
        'folder of its own' % summaries_dir
    )
    with appending.holding(summaries_dir, in_use):
        yield event_files(summaries_dir)


def empty_dir(summaries_dir):
    """Removes the summaries of earlier runs and makes the folder where it is missing.

    What else has come there since `check_dir` stays.
    """
    try:
        for folder, _, names in os.walk(summaries_dir, topdown=False):
            for name in filter(_is_summary, names):
                if name != appending.IN_USE:
                    os.unlink(os.path.join(folder, name))
            if folder != summaries_dir:
                with contextlib.suppress(OSError):  # It holds something else.
                    os.rmdir(folder)
        os.makedirs(summaries_dir, exist_ok=True)
    except OSError as error:
        raise UserError('cannot empty --summaries_dir=%s: %s' % (summaries_dir, error))


def event_files(folder):
    """Returns a dict from the path of each event file below a folder to its inode and size."""
    found = {}
    for place, _, names in os.walk(folder):
        for path in (os.path.join(place, name) for name in names if _EVENT_FILE in name):
            with contextlib.suppress(FileNotFoundError):  # A broken link.
                about = os.stat(path)
                found[path] = about.st_ino, about.st_size
    return found


def check_complete(folder, before):
    """Raises UserError where an event file is truncated, which TensorFlow does not notice.

    Args:
      folder: of summaries.
      before: its `event_files` before they were written; what has stayed as it was is another's.
    """
    output_checks.check_not_full(folder)
    limit = limits.size_limit()
    for path, about in event_files(folder).items():
        # What a limit cuts has its size; the cut may be between two records.
        if about != before.get(path) and (about[1] >= limit or not count_records(path)[1]):
            raise UserError(
                'the summaries in %s are truncated: %s does not end with a complete event; the '
                'disk is full, or files may not grow as large (ulimit -f)' % (folder, path)
            )


def count_records(path):
    """Counts the complete records of an event file; lengths are untrusted input.

    TensorFlow would allocate as much memory as a length says. The contents of records are ignored.

    Args:
      path: of the file: records of a length, uint64, its checksum, 4 bytes, the data, and theirs.

    Returns:
      The number, and whether the file ends with the last of them.

    Raises:
      UserError: it is unreadable.
    """
    try:
        size, place, count = os.path.getsize(path), 0, 0
        with open(path, 'rb') as file:
            while place + _RECORD_BYTES <= size:
                file.seek(place)
                (length,) = struct.unpack('<Q', file.read(8))
                place += _RECORD_BYTES + length
                count += place <= size
        return count, place == size
    except OSError as error:
        raise UserError('cannot read %s: %s' % (path, error.strerror))


def _is_summary(name):
    return _EVENT_FILE in name or name in _OF_FILE_MANAGERS or name == appending.IN_USE


def _refuse_unreadable(error):
    if not isinstance(error, FileNotFoundError):
        raise UserError('cannot read %s: %s' % (error.filename, error.strerror))


def _real(path):
    return os.path.normcase(os.path.realpath(path))
