"""The segments of a JPEG file. No TensorFlow here.

Each function raises IndexError or struct.error where the file ends too early.

Source: ITU-T T.81, annex B.
"""

import re
import struct

FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # Start of frame, of every coding.
HUFFMAN_TABLES, END, START_OF_SCAN = 0xC4, 0xD9, 0xDA
_METADATA = {0xFE, *range(0xE1, 0xEE), 0xEF}  # Comments, EXIF and so on; not JFIF and Adobe's.

# A marker that is no byte of 255 and no restart. Of several bytes of 255 before it the last one is
# enough: a pattern that takes a run of them begins again at each of the run.
_BEHIND_SCAN = re.compile(b'\xff[^\0\xd0-\xd7\xff]')


def segments(data):
    """Yields (marker, payload, offset of its end) of each segment of a JPEG, up to its end."""
    offset = 2
    while True:
        while data[offset] == 0xFF:  # Any number of them may stand before a marker.
            offset += 1
        marker = data[offset]
        if marker == END:
            return
        (length,) = struct.unpack_from('>H', data, offset + 1)
        payload, offset = data[offset + 3 : offset + 1 + length], offset + 1 + length
        yield marker, payload, offset
        if marker == START_OF_SCAN:
            offset = end_of_scan(data, offset)


def end_of_scan(data, offset):
    """Returns the offset behind the scan whose data begin at `offset`."""
    found = _BEHIND_SCAN.search(data, offset)
    return found.start() if found else len(data)


def size(data):
    """Returns the (width, height) of the first frame; (0, 0) where a scan comes before it."""
    for marker, payload, _ in segments(data):
        if marker in FRAMES:
            height, width = struct.unpack_from('>HH', payload, 1)
            return width, height
        if marker == START_OF_SCAN:
            break
    return 0, 0


def is_complete(data):
    """Returns whether the end of the image comes behind the first scan."""
    scan = next((end for marker, _, end in segments(data) if marker == START_OF_SCAN), 0)
    return bytes([0xFF, END]) in data[scan:]


def without_metadata(data):
    """Returns the bytes without comments, EXIF and so on; they give the same pixels."""
    kept, begin = [data[:2]], 2
    for marker, _, end in segments(data):
        if marker == START_OF_SCAN:
            break
        if marker not in _METADATA:
            kept.append(data[begin:end])
        begin = end
    return b''.join(kept) + data[begin:]
