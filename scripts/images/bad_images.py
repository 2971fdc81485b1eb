"""Photos that cannot be read: what is wrong with them, in a person's words. No TensorFlow here.

TensorFlow decides whether it can decode a photo; what is here says why it could not, and finds the
one kind of damage that it passes over, a hole of zero bytes in a JPEG.
"""

import logging
import os
import re
import struct

from scripts.common.errors import UserError
from scripts.dataset.extensions import FROM_HEIC

SKIP, STOP = POLICIES = ('skip', 'stop')

# Half a GiB of RGB, which is TensorFlow's own bound on a JPEG: 13,377 pixels square.
MOST_PIXELS = 2**29 // 3

_LOG = logging.getLogger(__name__)

_HEAD_BYTES = 16
_BMP_BITS = (8, 24, 32)

# What files begin with, and the names of their kinds.
_JPEG = b'\xff\xd8\xff'
_READABLE = {_JPEG: 'JPEG', b'\x89PNG\r\n\x1a\n': 'PNG', b'GIF8': 'GIF', b'BM': 'BMP'}
_FOREIGN = {
    b'II*\0': 'a TIFF image',
    b'MM\0*': 'a TIFF image',
    b'\0\0\0\x0cjP  ': 'a JPEG 2000 image',
    b'8BPS': 'a Photoshop file',
    b'%PDF': 'a PDF document',
    b'PK\x03\x04': 'a ZIP archive',
    b'\x1f\x8b': 'a gzip archive',
    b'<svg': 'an SVG drawing',
    b'<?xml': 'an XML file',
    b'<': 'an HTML page',
}
_HEIC = 'a HEIC image'
_JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # Start of frame, of every coding.
_PROGRESSIVE_FRAME = 0xC2
_METADATA = {0xFE, *range(0xE1, 0xEE), 0xEF}  # Comments, EXIF and so on; not JFIF and Adobe's.
_GIF_CONTROL = 0xF9  # The kind of extension that says what is transparent.
_HUFFMAN_TABLES, _END, _START_OF_SCAN = 0xC4, 0xD9, 0xDA
# A marker that is no byte of 255 and no restart. Of several bytes of 255 before it the last one is
# enough: a pattern that takes a run of them begins again at each of the run.
_BEHIND_SCAN = re.compile(b'\xff[^\0\xd0-\xd7\xff]')
_DC, _AC = 0, 1  # Classes of Huffman tables: for brightness and for detail.

# By the coding of a frame, how many zeros in a row are a hole. 600 real photos have 7 at most.
# Scans of a progressive JPEG say less with each code, so that a slow gradient may have more.
_HOLE_BYTES = {0xC0: 64, 0xC1: 64, _PROGRESSIVE_FRAME: 512}


def report(path, why, policy):
    """Warns of a photo that is left out, or ends the run.

    Args:
      path: the photo's.
      why: as `why_unreadable` says it.
      policy: SKIP or STOP.

    Raises:
      UserError: the policy is STOP.
    """
    if policy == STOP:
        raise UserError(
            'photo %s cannot be read: it %s; mend it or take it away, or leave such photos out by '
            '--bad_images=skip' % (path, why)
        )
    _LOG.warning('photo %s cannot be read and is left out: it %s', path, why)


def why_unreadable(path):
    """Returns what is wrong with a photo that TensorFlow cannot read, as in 'is empty'."""
    try:
        data = _read(path)
    except FileNotFoundError:
        return 'is not there any more'
    except OSError as error:
        return 'cannot be opened (%s)' % error.strerror
    if not data.strip(b'\0'):
        return 'holds zero bytes only' if data else 'is empty'
    kind = next((kind for start, kind in _READABLE.items() if data.startswith(start)), None)
    if kind is None:
        return _why_foreign(data, path)
    try:
        return _WHY[kind](data) or 'is a damaged %s' % kind
    except (struct.error, IndexError):  # Its header ends before what we look for.
        return 'is cut short'


def hole_in(path):
    """Returns what is wrong with a JPEG that has a hole of zero bytes, None for other photos.

    TensorFlow makes grey or coloured stripes of it without a word. Zeros are no hole where the
    photo's own Huffman tables make a plain area of them.
    """
    try:
        data = _read(path)
        if not data.startswith(_JPEG) or bytes(min(_HOLE_BYTES.values())) not in data:
            return None
        start = _hole_in_scans(data)
    except (OSError, struct.error, IndexError):
        return None  # Whether it can be read at all is for TensorFlow to say.
    if start is None:
        return None
    return 'has a hole: from byte %d on it holds zeros, where a copy or a write was stopped' % start


def without_metadata(data):
    """Returns the bytes of a JPEG or a GIF without comments and the like, of others as they are.

    What stays gives the same pixels. Pillow takes the square of their number.

    Raises:
      ValueError: it ends before its pixels.
    """
    try:
        if data.startswith(_JPEG):
            return _jpeg_without_metadata(data)
        if data.startswith(b'GIF8'):
            return _gif_without_metadata(data)
    except (struct.error, IndexError):
        raise ValueError('it is cut short')
    return data


def first_frame(data):
    """Returns the bytes of a GIF with its first frame alone: a decoder takes all of them at once.

    Raises:
      ValueError: it has none, or one of more than MOST_PIXELS.
    """
    try:
        place = _gif_frame(data)
        width, height = struct.unpack_from('<HH', data, place + 5)
        if width * height > MOST_PIXELS:
            raise ValueError('it has %d x %d pixels' % (width, height))
        flags = data[place + 9]
        end = place + 10 + (3 << (flags & 7) + 1 if flags & 0x80 else 0) + 1
        end = _after_blocks(data, end)
    except (struct.error, IndexError):
        raise ValueError('it is cut short')
    return data[:end] + b';'


def _read(path):
    with open(path, 'rb') as file:
        return file.read()


def _why_foreign(data, path):
    ending = os.path.splitext(path)[1] or 'without an ending'
    start = data[:_HEAD_BYTES].lstrip()
    kind = next((kind for magic, kind in _FOREIGN.items() if start.startswith(magic)), None)
    if data[:4] == b'RIFF' and data[8:12] == b'WEBP':
        kind = 'a WebP image'
    elif data[4:8] == b'ftyp':
        kind = {b'hei': _HEIC, b'mif': _HEIC, b'avi': 'an AVIF image'}.get(data[8:11], 'a video')
    if kind is None:
        return 'is no JPEG, PNG, GIF or BMP: it begins with %r' % data[:_HEAD_BYTES]
    return 'is %s named %s%s' % (kind, ending, '; ' + FROM_HEIC if kind == _HEIC else '')


def _why_too_large(width, height):
    if width * height > MOST_PIXELS:
        return 'has %d x %d pixels, and at most %d million are read' % (
            width,
            height,
            MOST_PIXELS // 10**6,
        )
    return None


def _why_jpeg(data):
    scan = 0
    for marker, payload, place in _jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from('>HH', payload, 1)
            too_large = _why_too_large(width, height)
            if too_large:
                return too_large
        if marker == _START_OF_SCAN:
            scan = place
            break
    return None if b'\xff\xd9' in data[scan:] else 'is cut short'


def _why_png(data):
    too_large = _why_too_large(*struct.unpack_from('>II', data, 16))
    return too_large or (None if b'IEND' in data else 'is cut short')


def _why_gif(data):
    too_large = _why_too_large(*struct.unpack_from('<HH', data, _gif_frame(data) + 5))
    return too_large or (None if data.endswith(b';') else 'is cut short')


def _why_bmp(data):
    width, height, _, bits = struct.unpack_from('<iiHH', data, 18)
    if bits not in _BMP_BITS:
        return 'is a BMP of %d bits a pixel, and only those of 8, 24 or 32 are read' % bits
    too_large = _why_too_large(abs(width), abs(height))
    needed = abs(width * height) * bits // 8
    return too_large or ('is cut short' if len(data) < needed else None)


_WHY = {'JPEG': _why_jpeg, 'PNG': _why_png, 'GIF': _why_gif, 'BMP': _why_bmp}


def _jpeg_segments(data):
    """Yields (marker, payload, where it ends) of each segment of a JPEG, up to its end.

    Raises:
      IndexError, struct.error: the file ends before.
    """
    place = 2
    while True:
        while data[place] == 0xFF:  # Any number of them may stand before a marker.
            place += 1
        marker = data[place]
        if marker == _END:
            return
        (length,) = struct.unpack_from('>H', data, place + 1)
        payload, place = data[place + 3 : place + 1 + length], place + 1 + length
        yield marker, payload, place
        if marker == _START_OF_SCAN:
            place = _end_of_scan(data, place)


def _jpeg_without_metadata(data):
    kept, begin = [data[:2]], 2
    for marker, _, end in _jpeg_segments(data):
        if marker == _START_OF_SCAN:
            break
        if marker not in _METADATA:
            kept.append(data[begin:end])
        begin = end
    return b''.join(kept) + data[begin:]


def _end_of_scan(data, place):
    found = _BEHIND_SCAN.search(data, place)
    return found.start() if found else len(data)


def _hole_in_scans(data):
    """Returns where a JPEG holds zeros that no picture is made of, or None."""
    tables, hole = {}, None
    for marker, payload, place in _jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            frame = marker
            hole = bytes(_HOLE_BYTES[marker]) if marker in _HOLE_BYTES else None
        elif marker == _HUFFMAN_TABLES:
            tables.update(_first_symbols(payload))
        elif marker == _START_OF_SCAN and hole:
            # Only up to its end: there may be as many scans as bytes.
            start = data.find(hole, place, _end_of_scan(data, place))
            if start >= 0 and not _may_be_zeros(frame, payload, tables):
                return start
    return None


def _may_be_zeros(frame, scan, tables):
    """Returns whether zeros in a scan may be a plain area: no change of brightness, no detail.

    Zeros are the first code of each Huffman table that the scan uses.
    """
    count = scan[0]
    first, _, refined = struct.unpack_from('BBB', scan, 2 * count + 1)
    progressive = frame == _PROGRESSIVE_FRAME
    if progressive and first == 0 and refined >> 4:
        return True  # Bits of brightness as they are.
    chosen, used = scan[2 : 2 * count + 1 : 2], []
    if not progressive or first == 0:
        used += [(_DC, each >> 4) for each in chosen]
    if not progressive or first > 0:
        used += [(_AC, each & 15) for each in chosen]
    # A symbol's lower half counts the bits of a value behind it: with none, there is no value.
    return all(tables.get(each, 0) & 15 == 0 for each in used)


def _first_symbols(tables):
    """Yields ((_DC or _AC, number), first symbol) of each Huffman table of a segment."""
    place = 0
    while place < len(tables):
        yield (tables[place] >> 4, tables[place] & 15), tables[place + 17]
        place += 17 + sum(tables[place + 1 : place + 17])


def _gif_without_metadata(data):
    place = _gif_blocks(data)
    kept = [data[:place]]
    while data[place] == ord('!'):
        end = _after_blocks(data, place + 2)
        if data[place + 1] == _GIF_CONTROL:
            kept.append(data[place:end])
        place = end
    return b''.join(kept) + data[place:]


def _gif_blocks(data):
    """Returns where the blocks of a GIF begin, behind its header and palette."""
    flags = data[10]
    return 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)


def _gif_frame(data):
    """Returns where the first frame of a GIF begins, with its byte ','."""
    place = _gif_blocks(data)
    while data[place] == ord('!'):
        place = _after_blocks(data, place + 2)
    if data[place] != ord(','):
        raise IndexError
    return place


def _after_blocks(data, place):
    """Returns where a GIF goes on behind the data blocks that begin at `place`."""
    while data[place]:
        place += 1 + data[place]
    return place + 1
