"""Photos of every kind, readable and not, made for tests."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

_NOISE = np.random.RandomState(3).randint(0, 256, (90, 120, 3)).astype(np.uint8)
_PHOTO = Image.fromarray(_NOISE)


def encoded(image, kind, **options):
    """Returns the bytes of a Pillow image as a file of a kind."""
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _exif_rotated():
    # One entry: the orientation (0x112), a short (3), 6: a quarter turn.
    exif = b'Exif\0\0II*\0\x08\0\0\0' + struct.pack('<HHHIHHI', 1, 0x112, 3, 1, 6, 0, 0)
    return encoded(_PHOTO, 'JPEG', exif=exif)


def png_claiming(width, height):
    """Returns a PNG of some dozens of bytes that claims to be so large."""

    def chunk(kind, data):
        checksum = struct.pack('>I', zlib.crc32(kind + data) & 0xFFFFFFFF)
        return struct.pack('>I', len(data)) + kind + data + checksum

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(3000))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        [chunk(b'IHDR', header), chunk(b'IDAT', pixels), chunk(b'IEND', b'')]
    )


def jpeg_claiming(width, height):
    """Returns a JPEG that claims to be so large."""
    place = JPEG.index(b'\xff\xc0') + 5
    return JPEG[:place] + struct.pack('>HH', height, width) + JPEG[place + 4 :]


def gif_claiming(width, height):
    """Returns a GIF whose first frame claims to be so large."""
    place = GIF.index(b',\0\0\0\0') + 5
    return GIF[:place] + struct.pack('<HH', width, height) + GIF[place + 4 :]


def gif_of_frames(count, gif):
    """Returns a GIF whose frame is repeated so many times."""
    place = gif.index(b',\0\0\0\0')
    return gif[:place] + gif[place:-1] * count + b';'


def _bmp_claiming(width, height):
    return BMP[:18] + struct.pack('<ii', width, height) + BMP[26:]


def with_hole(data, start, count):
    """Returns `data` with `count` zero bytes from `start` on."""
    return data[:start] + bytes(count) + data[start + count :]


JPEG = encoded(_PHOTO, 'JPEG')
_PROGRESSIVE = encoded(_PHOTO, 'JPEG', progressive=True)
PNG = encoded(_PHOTO, 'PNG')
GIF = encoded(_PHOTO.quantize(64), 'GIF')
BMP = encoded(_PHOTO, 'BMP')
PLAIN_GIF = encoded(Image.new('P', (1000, 1000)), 'GIF')  # 2 kB for a million pixels.


def _scans_in_turn(planes):
    """Returns a JPEG with a scan of its own, and Huffman tables of its own, for each component."""
    parts = [encoded(Image.fromarray(plane), 'JPEG', optimize=True) for plane in planes]
    height, width = planes[0].shape
    components = b''.join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    made = parts[0][: parts[0].index(b'\xff\xc0')]
    made += b'\xff\xc0' + struct.pack('>HBHHB', 17, 8, height, width, 3) + components
    for number, part in enumerate(parts, 1):
        tables, scan = part.index(b'\xff\xc4'), part.index(b'\xff\xda')
        made += part[tables:scan] + b'\xff\xda\0\x08\x01' + bytes([number, 0, 0, 63, 0])
        made += part[scan + 10 : -2]
    return made + b'\xff\xd9'


# A plain area's code is zeros where Huffman tables are a photo's own.
_PLAIN_IMAGE = Image.new('RGB', (1600, 1600), (250, 250, 250))
_GREY = np.full((1600, 1600), 128, np.uint8)
_BLOCKS = 128 + 4 * np.random.RandomState(5).randint(-30, 30, (100, 100))
PLAIN = {
    'progressive JPEG with a scan of zeros': encoded(  # The last bits of brightness.
        Image.fromarray(_BLOCKS.astype(np.uint8).repeat(8, 0).repeat(8, 1)),
        'JPEG',
        progressive=True,
        quality=50,
    ),
    'plain JPEG of zeros': encoded(_PLAIN_IMAGE, 'JPEG', optimize=True),
    'JPEG with a scan of zeros': _scans_in_turn(
        [np.random.RandomState(4).randint(0, 256, _GREY.shape).astype(np.uint8), _GREY, _GREY]
    ),
}

READABLE = {
    **PLAIN,
    'JPEG': JPEG,
    'progressive JPEG': _PROGRESSIVE,
    'CMYK': encoded(_PHOTO.convert('CMYK'), 'JPEG'),
    'greyscale': encoded(_PHOTO.convert('L'), 'JPEG'),
    'EXIF-rotated': _exif_rotated(),
    '1 pixel': encoded(Image.new('RGB', (1, 1)), 'JPEG'),
    '20,000 pixels wide': encoded(Image.new('RGB', (20000, 20)), 'JPEG'),
    'junk at its end': JPEG + b'junk' * 100,
    'PNG': PNG,
    'PNG of 16 bits': encoded(Image.fromarray(_NOISE[:, :, 0].astype(np.uint16) * 257), 'PNG'),
    'PNG with alpha': encoded(_PHOTO.convert('RGBA'), 'PNG'),
    'grey PNG with alpha': encoded(_PHOTO.convert('LA'), 'PNG'),
    'PNG with a palette': encoded(_PHOTO.quantize(64), 'PNG'),
    'GIF': GIF,
    'animated GIF': gif_of_frames(3, GIF),
    'BMP': BMP,
    'grey BMP': encoded(_PHOTO.convert('L'), 'BMP'),
    'BMP with alpha': encoded(_PHOTO.convert('RGBA'), 'BMP'),
}

# Each with what is said of it.
UNREADABLE = {
    'empty': (b'', 'is empty'),
    'zeros': (bytes(5000), 'holds zero bytes only'),
    'JPEG cut in half': (JPEG[: len(JPEG) // 2], 'is truncated'),
    'JPEG without its end': (JPEG[:-2], 'is truncated'),
    'JPEG cut in its header': (JPEG[:100], 'is truncated'),
    'JPEG of 3 bytes': (JPEG[:3], 'is truncated'),
    'progressive JPEG cut in half': (_PROGRESSIVE[: len(_PROGRESSIVE) // 2], 'is truncated'),
    'JPEG with a hole': (with_hole(JPEG, 4000, 2048), 'has a hole: from byte 4000 on'),
    'JPEG with a small hole': (with_hole(JPEG, 4000, 64), 'has a hole: from byte 4000 on'),
    'progressive JPEG with a hole': (
        with_hole(_PROGRESSIVE, len(_PROGRESSIVE) - 1500, 1024),  # In the last scan.
        'has a hole: from byte',
    ),
    'JPEG with zeros to its end': (with_hole(JPEG, 4000, len(JPEG) - 4000), 'is truncated'),
    'JPEG with a corrupt header': (JPEG[:2] + b'\xff' + bytes(range(1, 200)), 'is truncated'),
    'JPEG of no pixels': (jpeg_claiming(0, 0), 'is a corrupt JPEG'),
    'JPEG bomb': (
        jpeg_claiming(65000, 65000),
        'has 65000 x 65000 pixels, expected at most 178',
    ),
    'PNG cut in half': (PNG[: len(PNG) // 2], 'is truncated'),
    'PNG of 10 bytes': (PNG[:10], 'is truncated'),
    'PNG with a hole': (with_hole(PNG, 4000, 2048), 'is a corrupt PNG'),
    'PNG bomb': (png_claiming(20000, 20000), 'has 20000 x 20000 pixels'),
    'larger PNG bomb': (png_claiming(2**31 - 1, 2**31 - 1), 'has 2147483647 x 2147483647 pixels'),
    'GIF cut in half': (GIF[: len(GIF) // 2], 'is truncated'),
    'GIF of 6 bytes': (GIF[:6], 'is truncated'),
    'GIF bomb': (gif_claiming(65535, 65535), 'has 65535 x 65535 pixels'),
    'BMP cut in half': (BMP[: len(BMP) // 2], 'is truncated'),
    'BMP bomb': (_bmp_claiming(60000, 60000), 'has 60000 x 60000 pixels'),
    'BMP of 1 bit': (encoded(_PHOTO.convert('1'), 'BMP'), 'is a BMP of 1 bits a pixel'),
    'BMP of 30 bytes': (BMP[:30], 'is truncated'),
    'BMP of 10 bytes': (BMP[:10], 'is truncated'),
    'HTML': (b'\n<!DOCTYPE html><html></html>', 'is an HTML page named .jpg'),
    'WebP': (b'RIFF\x24\0\0\0WEBPVP8 ' + bytes(100), 'is a WebP image named .jpg'),
    'HEIC': (
        b'\0\0\0\x18ftypheic\0\0\0\0mif1heic',
        'is a HEIC image named .jpg; convert such photos to JPEG, for example by heif-convert',
    ),
    'AVIF': (b'\0\0\0\x1cftypavif\0\0\0\0', 'is an AVIF image named .jpg'),
    'video': (b'\0\0\0\x20ftypisom\0\0\2\0', 'is a video named .jpg'),
    'TIFF': (encoded(_PHOTO, 'TIFF'), 'is a TIFF image named .jpg'),
    'PDF': (b'%PDF-1.4\n', 'is a PDF document named .jpg'),
    'text': (b'not a photo', "is no JPEG, PNG, GIF or BMP: it begins with b'not a photo'"),
}
