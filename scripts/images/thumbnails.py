"""Small pictures of photos. No TensorFlow here."""

import io
import logging

from PIL import Image

from scripts.images import exif, formats
from scripts.images.settings import APPLY, IGNORE

SIZE = 160  # Pixels, the longer side.

# By EXIF orientation, what turns a photo upright.
_TURNS = {
    2: Image.FLIP_LEFT_RIGHT,
    3: Image.ROTATE_180,
    4: Image.FLIP_TOP_BOTTOM,
    5: Image.TRANSPOSE,
    6: Image.ROTATE_270,
    7: Image.TRANSVERSE,
    8: Image.ROTATE_90,
}

_LOG = logging.getLogger(__name__)


def load(path, exif_rotation=IGNORE, size=SIZE):
    """Returns a photo as a small RGB Pillow image, or None, with a warning, where Pillow cannot.

    That a photo is not there is no warning: features may have come without it.

    It shows what the network saw: what lies on its side here lay on its side there.

    Args:
      path: the photo's.
      exif_rotation: as in `settings.PixelSpec`.
      size: pixels, the longer side at most.
    """
    try:
        with open(path, 'rb') as file:
            data = formats.without_metadata(file.read())
        with Image.open(io.BytesIO(data)) as image:
            image.draft('RGB', (2 * size, 2 * size))  # A JPEG is decoded no larger than needed.
            small = image.convert('RGB')
            small.thumbnail((size, size), Image.LANCZOS)
        turn = _TURNS.get(exif.orientation(path)) if exif_rotation == APPLY else None
        return small if turn is None else small.transpose(turn)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        _LOG.warning('no thumbnail of %s: %s', path, error)
        return None


def jpeg(image):
    """Returns a Pillow image as the bytes of a JPEG."""
    data = io.BytesIO()
    image.save(data, 'JPEG', quality=80, optimize=True)
    return data.getvalue()


def png(image):
    """Returns a Pillow image as the bytes of a PNG."""
    data = io.BytesIO()
    image.save(data, 'PNG', optimize=True)
    return data.getvalue()
