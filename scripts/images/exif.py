"""The orientation that the EXIF of a JPEG asks for. No TensorFlow here.

`rotation` reads the same in a graph, the same number from the same bytes. Neither ever fails: EXIF
that is truncated or makes no sense asks for nothing. Not looked at are the EXIF of other formats
(the eXIf chunk of a PNG) and the orientation that XMP may repeat.

Source: EXIF 2.32 (CIPA DC-008-2019), sections 4.5.4, 4.6.2 and 4.6.4; TIFF 6.0, section 2.
"""

import logging
import struct

from scripts.images.settings import IGNORE

# As the standard counts them: where the first row and the first column of the photo belong.
UPRIGHT = 1
ORIENTATIONS = range(1, 9)

START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = b'\xff\xd8', b'\xff\xd9', b'\xff\xda'
APP1, SIGNATURE = b'\xff\xe1', b'Exif\0\0'
HEAD_BYTES = 4 + len(SIGNATURE)  # Of a segment: its marker, its length, what it begins with.
MOST_SEGMENTS = 8  # The standard wants EXIF to be the first; in practice JFIF may come before.

LITTLE_ENDIAN, BIG_ENDIAN = b'II*\0', b'MM\0*'
ENTRY_BYTES = 12  # Of a directory: tag, type, count, value.
ORIENTATION_TAG, SHORT = 0x112, 3

_LOG = logging.getLogger(__name__)


def orientation(path):
    """Returns what `read_orientation` does of the photo at a path; UPRIGHT of an unreadable one."""
    try:
        with open(path, 'rb') as file:
            return read_orientation(file)
    except OSError:
        return UPRIGHT


def read_orientation(file):
    """Returns one of ORIENTATIONS for a photo, of which only the head is read.

    Args:
      file: binary and seekable.
    """
    if file.read(len(START_OF_IMAGE)) != START_OF_IMAGE:
        return UPRIGHT
    place = len(START_OF_IMAGE)
    for _ in range(MOST_SEGMENTS):
        file.seek(place)
        marker, length, signature = struct.unpack('>2sH6s', file.read(HEAD_BYTES).ljust(10, b'\0'))
        if marker[:1] != b'\xff' or marker in (START_OF_SCAN, END_OF_IMAGE):
            break
        place += 2 + length
        if marker == APP1 and signature == SIGNATURE:
            return _of_tiff(file.read(max(place - file.tell(), 0)))
    return UPRIGHT


def report_rotated(paths, exif_rotation):
    """Warns, in one line, of photos that carry a rotation where it is not applied.

    Args:
      paths: the photos'.
      exif_rotation: as in `settings.PixelSpec`.
    """
    count = count_rotated(paths) if exif_rotation == IGNORE else 0
    if count:
        one = len(paths) == 1
        _LOG.warning(
            '%s an EXIF rotation, which is not applied (as in the classic script); '
            '--exif_rotation=apply turns %s',
            'the photo carries' if one else '%d of %d photos carry' % (count, len(paths)),
            'it' if one else 'them',
        )


def count_rotated(paths):
    """Returns how many of the photos have another orientation than UPRIGHT."""
    return sum(orientation(path) != UPRIGHT for path in paths)


def _of_tiff(tiff):
    """Returns the orientation that the first directory of TIFF data holds, UPRIGHT without one."""
    order = {LITTLE_ENDIAN: '<', BIG_ENDIAN: '>'}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    (offset,) = struct.unpack(order + 'I', tiff[4:8].ljust(4, b'\0'))
    (count,) = struct.unpack(order + 'H', tiff[offset : offset + 2].ljust(2, b'\0'))
    entries = tiff[offset + 2 :][: count * ENTRY_BYTES]
    for place in range(0, len(entries) - ENTRY_BYTES + 1, ENTRY_BYTES):
        tag, kind, amount, value = struct.unpack_from(order + 'HHIH', entries, place)
        if (tag, kind, amount) == (ORIENTATION_TAG, SHORT, 1):
            return value if value in ORIENTATIONS else UPRIGHT
    return UPRIGHT
