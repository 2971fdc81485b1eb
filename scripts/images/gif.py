"""The blocks of a GIF file. No TensorFlow here.

Each function raises IndexError or struct.error where the file ends too early.

Source: GIF89a specification, CompuServe 1990, sections 18 to 23.
"""

import struct

_EXTENSION, _FRAME = b'!,'
_GRAPHIC_CONTROL = 0xF9  # The kind of extension that says what is transparent.
_HAS_PALETTE, _PALETTE_SIZE = 0x80, 7


def size(data):
    """Returns the (width, height) of the first frame."""
    return struct.unpack_from('<HH', data, _first_frame(data) + 5)


def up_to_second_frame(data):
    """Returns the bytes of a GIF with its first frame alone."""
    begin = _first_frame(data)
    end = begin + 10 + _palette_bytes(data[begin + 9]) + 1
    return data[: _after_blocks(data, end)] + b';'


def without_metadata(data):
    """Returns the bytes without comments before the first frame; they give the same pixels."""
    offset = _after_header(data)
    kept = [data[:offset]]
    while data[offset] == _EXTENSION:
        end = _after_blocks(data, offset + 2)
        if data[offset + 1] == _GRAPHIC_CONTROL:
            kept.append(data[offset:end])
        offset = end
    return b''.join(kept) + data[offset:]


def _after_header(data):
    """Returns the offset of the first block, behind header and palette."""
    return 13 + _palette_bytes(data[10])


def _first_frame(data):
    """Returns the offset of the first frame, at its byte ','."""
    offset = _after_header(data)
    while data[offset] == _EXTENSION:
        offset = _after_blocks(data, offset + 2)
    if data[offset] != _FRAME:
        raise IndexError
    return offset


def _palette_bytes(flags):
    return 3 << (flags & _PALETTE_SIZE) + 1 if flags & _HAS_PALETTE else 0


def _after_blocks(data, offset):
    """Returns the offset behind the data blocks that begin at `offset`."""
    while data[offset]:
        offset += 1 + data[offset]
    return offset + 1
