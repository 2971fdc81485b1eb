"""What a file is, by its bytes: its format, its size in pixels, whether it is complete.

No TensorFlow here. `size` and `is_complete` raise IndexError or struct.error where the file ends
too early.
"""

import struct

from scripts.images import gif, jpeg

JPEG, PNG, GIF, BMP = 'JPEG', 'PNG', 'GIF', 'BMP'
HEIC = 'a HEIC image'

# Half a GiB of RGB, which is TensorFlow's own bound on a JPEG: 13,377 pixels square.
MOST_PIXELS = 2**29 // 3

HEAD_BYTES = 16  # Enough to tell a format.
_SIZE_BYTES = 1 << 16  # Within these most photos say how large they are.
BMP_BITS = (8, 24, 32)  # A pixel; what TensorFlow decodes.

# What files begin with, and what they are.
_PHOTOS = {b'\xff\xd8\xff': JPEG, b'\x89PNG\r\n\x1a\n': PNG, b'GIF8': GIF, b'BM': BMP}
_OTHERS = {
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


def photo_format(data):
    """Returns JPEG, PNG, GIF or BMP; None for the bytes of anything else."""
    return next((name for magic, name in _PHOTOS.items() if data.startswith(magic)), None)


def other_format(data):
    """Returns what is no JPEG, PNG, GIF or BMP, such as 'a TIFF image'; None where unknown."""
    if data[:4] == b'RIFF' and data[8:12] == b'WEBP':
        return 'a WebP image'
    if data[4:8] == b'ftyp':
        return {b'hei': HEIC, b'mif': HEIC, b'avi': 'an AVIF image'}.get(data[8:11], 'a video')
    start = data[:HEAD_BYTES].lstrip()
    return next((name for magic, name in _OTHERS.items() if start.startswith(magic)), None)


def size(name, data):
    """Returns the (width, height), in pixels, of the bytes of a photo of the format `name`."""
    return _SIZE[name](data)


def size_in_head(head):
    """Returns the (width, height) that the first bytes of a photo tell, or None."""
    name = photo_format(head)
    try:
        return None if name is None else size(name, head)
    except (struct.error, IndexError):
        return None


def of_file(path):
    """Returns the format of a photo and its (width, height), or None where it does not tell them.

    Only its beginning is read, where that is enough.
    """
    try:
        with open(path, 'rb') as file:
            head = file.read(_SIZE_BYTES)
            found = size_in_head(head)
            if found is None:
                head += file.read()
                found = size_in_head(head)
    except OSError:
        return None
    return None if found is None else (photo_format(head), found)


def is_complete(name, data):
    """Returns whether the bytes of a photo of the format `name` go on to their end."""
    return _IS_COMPLETE[name](data)


def bmp_bits(data):
    """Returns the number of bits a pixel of a BMP."""
    return struct.unpack_from('<H', data, 28)[0]


def without_metadata(data):
    """Returns the bytes of a JPEG or a GIF without comments and the like, of others as they are.

    What stays gives the same pixels. Pillow takes the square of their number.

    Raises:
      ValueError: the file ends before its pixels.
    """
    strip = {JPEG: jpeg.without_metadata, GIF: gif.without_metadata}.get(photo_format(data))
    try:
        return strip(data) if strip else data
    except (struct.error, IndexError):
        raise ValueError('it is truncated')


def first_frame(data):
    """Returns the bytes of a GIF with its first frame alone: a decoder takes all of them at once.

    Raises:
      ValueError: it has none, or one of more than MOST_PIXELS.
    """
    try:
        width, height = gif.size(data)
        if width * height > MOST_PIXELS:
            raise ValueError('it has %d x %d pixels' % (width, height))
        return gif.up_to_second_frame(data)
    except (struct.error, IndexError):
        raise ValueError('it is truncated')


def _bmp_size(data):
    width, height = struct.unpack_from('<ii', data, 18)
    return abs(width), abs(height)


def _is_bmp_complete(data):
    width, height = _bmp_size(data)
    return len(data) >= width * height * bmp_bits(data) // 8


_SIZE = {
    JPEG: jpeg.size,
    PNG: lambda data: struct.unpack_from('>II', data, 16),
    GIF: gif.size,
    BMP: _bmp_size,
}
_IS_COMPLETE = {
    JPEG: jpeg.is_complete,
    PNG: lambda data: b'IEND' in data,
    GIF: lambda data: data.endswith(b';'),
    BMP: _is_bmp_complete,
}
