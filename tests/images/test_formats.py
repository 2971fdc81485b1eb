"""What a file is, by its bytes; and files without what the pixels do not need."""

import io

import pytest
from PIL import Image

from scripts.images import formats
from tests.images import exif_kinds, photo_kinds


def test_a_gif_keeps_its_first_frame():
    assert formats.first_frame(photo_kinds.gif_of_frames(40, photo_kinds.GIF)) == photo_kinds.GIF
    assert formats.first_frame(photo_kinds.GIF) == photo_kinds.GIF


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
