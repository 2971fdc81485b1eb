"""Small pictures of photos. No TensorFlow here."""

import io
import logging

from PIL import Image

SIZE = 160  # Pixels, the longer side.

_LOG = logging.getLogger(__name__)


def load(path):
    """Returns a photo as a small RGB Pillow image, or None, with a warning, where Pillow cannot.

    As for the network, the rotation that EXIF asks for is not applied: what lies on its side here
    lay on its side there.
    """
    try:
        with Image.open(path) as image:
            image.draft('RGB', (2 * SIZE, 2 * SIZE))  # A JPEG is decoded no larger than needed.
            small = image.convert('RGB')
            small.thumbnail((SIZE, SIZE), Image.LANCZOS)
            return small
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
