"""Unreadable photos: what is wrong with them, and what is done about it. No TensorFlow here.

TensorFlow decides whether it can decode a photo; what is here says why it could not, and reports
the one kind of corruption that it passes over, a hole of zero bytes in a JPEG.
"""

import logging
import os
import struct

from scripts.common.errors import UserError
from scripts.dataset.extensions import FROM_HEIC
from scripts.images import formats, holes

SKIP, STOP = POLICIES = ('skip', 'stop')
ONLY = 'only'  # No policy to choose: the photo is all that there is.

_LOG = logging.getLogger(__name__)


def report(path, why, policy):
    """Warns of a photo that is left out, or ends the run.

    Args:
      path: the photo's.
      why: as `why_unreadable` says it.
      policy: SKIP, STOP or ONLY.

    Raises:
      UserError: the policy is STOP or ONLY.
    """
    if policy == ONLY:
        raise UserError('photo %s is unreadable: it %s' % (path, why))
    if policy == STOP:
        raise UserError(
            'photo %s is unreadable: it %s; repair or remove it, or leave such photos out with '
            '--bad_images=skip' % (path, why)
        )
    _LOG.warning('photo %s is unreadable and is left out: it %s', path, why)


def why_unreadable(path):
    """Returns why TensorFlow cannot decode a photo, as in 'is empty'."""
    try:
        data = _read(path)
    except FileNotFoundError:
        return 'no longer exists'
    except OSError as error:
        return 'cannot be opened (%s)' % error.strerror
    return why_contents_unreadable(data, path)


def why_contents_unreadable(data, path=None):
    """Returns what `why_unreadable` does, of the bytes of a photo, and its path if it has one."""
    if not data.strip(b'\0'):
        return 'holds zero bytes only' if data else 'is empty'
    name = formats.photo_format(data)
    if name is None:
        return _why_other(data, path)
    try:
        return _why_corrupt(name, data)
    except (struct.error, IndexError):  # Its header ends before what we look for.
        return 'is truncated'


def hole_in(path):
    """Returns what is wrong with a JPEG that has a hole of zero bytes, None for other photos."""
    try:
        return hole_in_contents(_read(path))
    except OSError:
        return None  # Whether it can be decoded at all is for TensorFlow to say.


def hole_in_contents(data):
    """Returns what `hole_in` does, of the bytes of a photo."""
    try:
        start = holes.find(data) if formats.photo_format(data) == formats.JPEG else None
    except (struct.error, IndexError):
        return None
    if start is None:
        return None
    return 'has a hole: from byte %d on it holds zeros, where a copy or a write was stopped' % start


def _read(path):
    with open(path, 'rb') as file:
        return file.read()


def _why_other(data, path):
    name = formats.other_format(data)
    if name is None:
        return 'is no JPEG, PNG, GIF or BMP: it begins with %r' % data[: formats.HEAD_BYTES]
    named = ''
    if path is not None:
        extension = os.path.splitext(path)[1]
        named = ' named ' + extension if extension else ' without an extension'
    return 'is %s%s%s' % (name, named, '; ' + FROM_HEIC if name == formats.HEIC else '')


def _why_corrupt(name, data):
    if name == formats.BMP and formats.bmp_bits(data) not in formats.BMP_BITS:
        return 'is a BMP of %d bits a pixel, expected 8, 24 or 32' % formats.bmp_bits(data)
    width, height = formats.size(name, data)
    if width * height > formats.MOST_PIXELS:
        return 'has %d x %d pixels, expected at most %d million' % (
            width,
            height,
            formats.MOST_PIXELS // 10**6,
        )
    return 'is a corrupt ' + name if formats.is_complete(name, data) else 'is truncated'
