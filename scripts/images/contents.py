"""Photos that come as bytes, not as files: what a network is fed for them."""

import struct

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs.session import open_session
from scripts.images import bad_images, formats, jpeg, pixels, runner

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


class BatchRunner:
    """One graph, in one session, that decodes batches of photos and runs what is built on them.

    It gives the values that `runner.Runner` gives for photos in files.

    Args:
      spec: a `settings.PixelSpec`.
      build: as `runner.Runner` takes it.
      threads: as `open_session` takes it.
    """

    def __init__(self, spec, build, threads=0):
        shape = [spec.height, spec.width, spec.channels]

        def load_or_blank(contents_tensor):
            image_tensor = tf.cond(
                tf.equal(contents_tensor, b''),
                lambda: tf.zeros(shape),
                lambda: pixels.from_contents(contents_tensor, spec),
            )
            image_tensor.set_shape(shape)
            return image_tensor

        graph = tf.Graph()
        with graph.as_default():
            self._contents_tensor = tf.placeholder(tf.string, [None])
            self._pixels_tensor = runner.map_photos(load_or_blank, self._contents_tensor, spec)
            self._fetched_tensor = build(self._pixels_tensor)
        self._session = open_session(graph, threads)

    def run(self, names, contents):
        """Runs a batch.

        Args:
          names: list of n str, of the photos' files: what is wrong may be in a name.
          contents: list of n bytes.

        Returns:
          The fetched values, `[n, ...]`, and the list of what is wrong with each photo, as in 'is
          empty'; None for a readable one. The values of others mean nothing.
        """
        fed = [_as_decoded(data) for data in contents]
        reasons = [
            None if data else bad_images.why_contents_unreadable(*photo)
            for data, *photo in zip(fed, contents, names)
        ]
        while True:
            try:
                values = self._session.run(self._fetched_tensor, {self._contents_tensor: fed})
                break
            except tf.errors.OpError:
                if not self._leave_out(fed, reasons, list(zip(contents, names))):
                    raise
        return values, [
            bad_images.hole_in_contents(data) if reason is None else reason
            for data, reason in zip(contents, reasons)
        ]

    def _leave_out(self, fed, reasons, photos):
        """Puts blanks in the place of what cannot be decoded; returns whether there was any."""
        found = [index for index, data in enumerate(fed) if data and not self._is_decoded(data)]
        for index in found:
            fed[index], reasons[index] = b'', bad_images.why_contents_unreadable(*photos[index])
        return bool(found)

    def _is_decoded(self, data):
        try:
            self._session.run(self._pixels_tensor.op, {self._contents_tensor: [data]})
        except tf.errors.OpError:
            return False
        return True


def _as_decoded(data):
    """Returns what is decoded of a photo: of a GIF the first frame; b'' where it has none."""
    if formats.photo_format(data) != formats.GIF:
        return data
    try:
        return formats.first_frame(data)
    except ValueError:
        return b''


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
