"""Holes in a JPEG: zero bytes where a copy or a write was stopped. No TensorFlow here.

A decoder makes grey or coloured stripes of a hole without a word. Zeros are no hole where the
photo's own Huffman tables make a plain area of them.
"""

import struct

from scripts.images import jpeg

_DC, _AC = 0, 1  # Classes of Huffman tables: for brightness and for detail.
_PROGRESSIVE_FRAME = 0xC2

# By the coding of a frame, how many zeros in a row are a hole. 600 real photos have 7 at most.
# Scans of a progressive JPEG say less with each code, so that a slow gradient may have more.
_HOLE_BYTES = {0xC0: 64, 0xC1: 64, _PROGRESSIVE_FRAME: 512}


def find(data):
    """Returns the offset of the first hole in the bytes of a JPEG, None where there is none.

    Raises:
      IndexError, struct.error: the file ends too early.
    """
    if bytes(min(_HOLE_BYTES.values())) not in data:
        return None
    tables, hole = {}, None
    for marker, payload, offset in jpeg.segments(data):
        if marker in jpeg.FRAMES:
            frame = marker
            hole = bytes(_HOLE_BYTES[marker]) if marker in _HOLE_BYTES else None
        elif marker == jpeg.HUFFMAN_TABLES:
            tables.update(_first_symbols(payload))
        elif marker == jpeg.START_OF_SCAN and hole:
            # Only up to its end: there may be as many scans as bytes.
            start = data.find(hole, offset, jpeg.end_of_scan(data, offset))
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
    offset = 0
    while offset < len(tables):
        yield (tables[offset] >> 4, tables[offset] & 15), tables[offset + 17]
        offset += 17 + sum(tables[offset + 1 : offset + 17])
