"""Photos with EXIF of every kind, made for tests."""

import io
import struct

import numpy as np
from PIL import Image, ImageOps

from tests.images import photo_kinds

ORDERS = {'<': b'II*\0', '>': b'MM\0*'}  # By how the struct module names a byte order.

# Coarse, and other from each side, so that nothing but a rotation moves much in it.
_COLOURS = np.random.RandomState(7).randint(0, 256, (3, 5, 3)).astype(np.uint8)
PHOTO = Image.fromarray(_COLOURS.repeat(16, 0).repeat(16, 1))
JPEG = photo_kinds.encoded(PHOTO, 'JPEG', quality=95, subsampling=0)
_JFIF_END = 4 + JPEG[5]


def segment(marker, data):
    """Returns a segment of a JPEG."""
    return b'\xff' + bytes([marker]) + struct.pack('>H', 2 + len(data)) + data


def tiff(orientation, order='<', thumbnail=b''):
    """Returns TIFF data as cameras write it: Make, Orientation, and a thumbnail if one is given."""
    start = 8 + 2 + 2 * 12 + 4
    make = struct.pack(order + 'HHI', 0x10F, 2, 4) + b'Us\0\0'
    turned = struct.pack(order + 'HHIHH', 0x112, 3, 1, orientation, 0)
    following = start if thumbnail else 0
    data = ORDERS[order] + struct.pack(order + 'IH', 8, 2) + make + turned
    data += struct.pack(order + 'I', following)
    if thumbnail:
        place = start + 2 + 2 * 12 + 4
        data += struct.pack(order + 'H', 2)
        data += struct.pack(order + 'HHII', 0x201, 4, 1, place)
        data += struct.pack(order + 'HHII', 0x202, 4, 1, len(thumbnail)) + bytes(4) + thumbnail
    return data


def exif(*args, **options):
    """Returns the EXIF segment with `tiff` of the same arguments."""
    return segment(0xE1, b'Exif\0\0' + tiff(*args, **options))


def with_segments(segments, jfif=True, jpeg=JPEG):
    """Returns a JPEG with more segments (bytes) at its head, behind its JFIF or in its place."""
    return jpeg[: _JFIF_END if jfif else 2] + segments + jpeg[_JFIF_END:]


def rotated(orientation):
    """Returns a JPEG that asks to be turned."""
    return with_segments(exif(orientation))


def upright(data):
    """Returns the pixels, uint8 `[h, w, 3]`, of a JPEG turned by Pillow as its EXIF asks."""
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert('RGB'))
