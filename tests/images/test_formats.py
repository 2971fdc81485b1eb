"""What a file is, by its bytes; and files without what the pixels do not need."""

import io
import struct

import pytest
from PIL import Image

from scripts.images import formats, holes
from tests.images import exif_kinds, photo_kinds

_NAMES = {
    'PNG of 16 bits': formats.PNG,
    'PNG with alpha': formats.PNG,
    'PNG': formats.PNG,
    'PNG with a palette': formats.PNG,
    'grey PNG with alpha': formats.PNG,
    'GIF': formats.GIF,
    'animated GIF': formats.GIF,
    'BMP': formats.BMP,
    'grey BMP': formats.BMP,
    'BMP with alpha': formats.BMP,
}


@pytest.mark.parametrize('kind', sorted(photo_kinds.READABLE))
def test_what_pillow_says_of_readable_photos_is_found_in_their_bytes(kind):
    data = photo_kinds.READABLE[kind]
    name = formats.photo_format(data)
    assert name == _NAMES.get(kind, formats.JPEG)
    assert formats.size(name, data) == Image.open(io.BytesIO(data)).size
    assert formats.is_complete(name, data)
    assert name != formats.JPEG or holes.find(data) is None


@pytest.mark.parametrize('data', [photo_kinds.JPEG, photo_kinds.PNG, photo_kinds.GIF])
def test_a_file_without_its_last_bytes_is_not_complete(data):
    assert not formats.is_complete(formats.photo_format(data), data[:-9])


def test_a_bmp_that_lacks_a_pixel_is_not_complete():
    assert formats.bmp_bits(photo_kinds.BMP) == 24
    assert not formats.is_complete(formats.BMP, photo_kinds.BMP[:-100])


@pytest.mark.parametrize(
    'data, name',
    [
        (b'\0\0\0\x18ftypheix', formats.HEIC),
        (b'\0\0\0\x18ftypmif1', formats.HEIC),
        (b'\0\0\0\x18ftypavif', 'an AVIF image'),
        (b'\0\0\0\x18ftypmp42', 'a video'),
        (b'RIFF\0\0\0\0WEBPVP8 ', 'a WebP image'),
        (b'\0\0\0\x0cjP  \r\n\x87\n', 'a JPEG 2000 image'),
        (b'8BPS\0\1', 'a Photoshop file'),
        (b'PK\3\4', 'a ZIP archive'),
        (b'\x1f\x8b\x08', 'a gzip archive'),
        (b' <svg xmlns', 'an SVG drawing'),
        (b'<?xml version', 'an XML file'),
        (b'\n <html>', 'an HTML page'),
        (b'MM\0*', 'a TIFF image'),
        (b'RIFF\0\0\0\0WAVE', None),
        (b'', None),
    ],
)
def test_other_formats_are_named(data, name):
    assert formats.other_format(data) == name and formats.photo_format(data) is None


@pytest.mark.parametrize('kind', sorted(photo_kinds.UNREADABLE))
def test_holes_are_found_in_those_photos_alone_that_have_one(kind):
    data, words = photo_kinds.UNREADABLE[kind]
    if formats.photo_format(data) == formats.JPEG:
        try:
            found = holes.find(data)
        except (IndexError, struct.error):
            found = None
        # Zeros to the end, too, are a hole.
        has_one = words.startswith('has a hole') or kind == 'JPEG with zeros to its end'
        assert (found is not None) == has_one


def test_a_gif_keeps_its_first_frame():
    assert formats.first_frame(photo_kinds.gif_of_frames(40, photo_kinds.GIF)) == photo_kinds.GIF
    assert formats.first_frame(photo_kinds.GIF) == photo_kinds.GIF


@pytest.mark.parametrize(
    'data, words',
    [
        (photo_kinds.GIF[:20], 'it is truncated'),
        (photo_kinds.GIF[:-200], 'it is truncated'),
        (photo_kinds.gif_claiming(65535, 65535), 'it has 65535 x 65535 pixels'),
    ],
    ids=['header', 'frame', 'bomb'],
)
def test_a_gif_without_a_first_frame_is_an_error(data, words):
    with pytest.raises(ValueError, match=words):
        formats.first_frame(data)


_COMMENTED = {
    'JPEG with EXIF first': exif_kinds.with_segments(exif_kinds.exif(6), jfif=False),
    'JPEG with comments': exif_kinds.with_segments(exif_kinds.segment(0xFE, b'x') * 9),
    'GIF with comments': photo_kinds.GIF.replace(b',\0\0\0\0', b'!\xfe\1x\0' * 9 + b',\0\0\0\0', 1),
}


@pytest.mark.parametrize('kind', sorted(_COMMENTED) + sorted(photo_kinds.READABLE))
def test_a_photo_without_metadata_has_the_same_pixels(kind):
    data = _COMMENTED.get(kind) or photo_kinds.READABLE[kind]
    without = formats.without_metadata(data)
    images = [Image.open(io.BytesIO(each)).convert('RGB') for each in (data, without)]
    assert images[0].size == images[1].size and images[0].tobytes() == images[1].tobytes()
    assert (len(without) < len(data)) == (kind in _COMMENTED or kind == 'EXIF-rotated')


@pytest.mark.parametrize('data', [photo_kinds.JPEG[:100], photo_kinds.GIF[:12]])
def test_what_ends_before_its_pixels_has_no_metadata_to_take_away(data):
    with pytest.raises(ValueError, match='it is truncated'):
        formats.without_metadata(data)
