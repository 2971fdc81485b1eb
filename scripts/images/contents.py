"""Photos that come as bytes, not as files: what a network is fed for them."""

import struct

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs.session import open_session
from scripts.images import bad_images, formats, jpeg, pixels

_MOST_SEGMENTS = 2000  # Of a JPEG; programs write some hundred at most.


class Decoder:
    """Turns encoded photos into what a network is fed, as those that are read from files.

    Closed by `close`. Several threads may call it.

    Args:
      spec: a `settings.PixelSpec`.
    """

    def __init__(self, spec):
        graph = tf.Graph()
        with graph.as_default(), tf.device('/cpu:0'):
            self._contents_tensor = tf.placeholder(tf.string, [])
            self._fed_tensor = pixels.from_contents(self._contents_tensor, spec)
        self._session = open_session(graph)

    def __call__(self, data):
        """Returns float32 `[height, width, channels]`, normalized, of the bytes of a photo.

        Raises:
          UserError: it is unreadable.
        """
        try:
            if formats.photo_format(data) == formats.GIF:
                data = formats.first_frame(data)
            fed = self._session.run(self._fed_tensor, {self._contents_tensor: data})
        except (tf.errors.OpError, ValueError):
            why = bad_images.why_contents_unreadable(data)
        else:
            why = bad_images.hole_in_contents(data)
        if why is not None:
            raise UserError('the photo is unreadable: it ' + why)
        return fed

    def close(self):
        """Frees what the session holds."""
        self._session.close()


def check_cost(data, most_pixels, most_scans):
    """Raises UserError if the bytes of a photo say that it takes too much to decode.

    Args:
      data: bytes.
      most_pixels: int.
      most_scans: of a progressive JPEG; each takes time as the whole photo does.

    Returns:
      The number of its pixels; 0 where it does not tell: then it cannot be decoded.
    """
    if formats.photo_format(data) == formats.JPEG:
        _check_segments(data, most_scans)
    width, height = formats.size_in_head(data) or (0, 0)
    if width * height > most_pixels:
        raise UserError(
            'the photo has %d x %d pixels, expected at most %g million: send a smaller one'
            % (width, height, most_pixels / 10**6)
        )
    return width * height


def _check_segments(data, most_scans):
    """Raises UserError if a JPEG has more segments or scans than programs write."""
    scans = 0
    try:
        for count, (marker, _, _) in enumerate(jpeg.segments(data)):
            scans += marker == jpeg.START_OF_SCAN
            if scans > most_scans or count > _MOST_SEGMENTS:
                raise UserError(
                    'the photo is a JPEG of more than %d scans or %d segments'
                    % (most_scans, _MOST_SEGMENTS)
                )
    except (struct.error, IndexError):
        return  # It ends too early, which the decoder says better.
