"""Frames of a camera or a video file, by OpenCV, which is an extra."""

import os
import threading
import time

from scripts.common.errors import UserError

_SECONDS = 10  # Within which a camera gives a frame.
_INSTALL = 'pip install -r requirements-camera.txt, or apt-get install python3-opencv on a Jetson'


class Camera:
    """A camera or a video file; used as a context manager, or closed by `close`.

    Args:
      source: str: the number of a camera, such as '0'; its device, such as '/dev/video0'; or the
        path of a video file.

    is_file: whether it is a file, which ends.
    seconds_a_frame: of a file, as it is to be shown; 0 of a camera, which waits by itself.

    Raises:
      UserError: OpenCV is not installed, or gives no frames of it.
    """

    def __init__(self, source):
        cv2 = _opencv()
        self.is_file = os.path.isfile(source)
        if not (source.isdigit() or os.path.exists(source)):
            raise UserError(
                'no camera at %s: expected a number such as 0, a device such as /dev/video0 or a '
                'video file' % source
            )
        self._source, self._cv2 = source, cv2
        self._capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
        if not self._capture.isOpened():
            raise UserError(
                'the camera %s cannot be opened: it is in use, or no camera or video' % source
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.seconds_a_frame = 1 / rate if self.is_file and 1 <= rate <= 1000 else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Lets other programs use the camera."""
        self._capture.release()

    def frames(self):
        """Yields frames, uint8 `[height, width, 3]`, RGB, up to the end of a file.

        Raises:
          UserError: there are none, or the camera stops.
        """
        count = 0
        while True:
            there, frame = self._capture.read()
            if not there:
                break
            count += 1
            yield self._cv2.cvtColor(frame, self._cv2.COLOR_BGR2RGB)
        if not (self.is_file and count):
            raise UserError('the camera %s gives no frames any more' % self._source)

    def rewind(self):
        """Lets `frames` begin again with the first one of a file."""
        self._capture.set(self._cv2.CAP_PROP_POS_FRAMES, 0)


def _opencv():
    try:
        import cv2
    except ImportError:
        raise UserError('a camera needs OpenCV, which is not installed: ' + _INSTALL)
    return cv2


def paced(camera):
    """Yields the frames of a `Camera` as they are to be shown, those of a file again and again."""
    due = time.monotonic()
    while True:
        for frame in camera.frames():
            yield frame
            due = max(due + camera.seconds_a_frame, time.monotonic())
            time.sleep(due - time.monotonic() if due > time.monotonic() else 0)
        camera.rewind()


def newest(camera):
    """Yields the frames of a `Camera`: all of a file, the latest of a camera, whoever is slow."""
    if camera.is_file:
        yield from camera.frames()
        return
    latest, number = Latest(camera), 0
    try:
        while True:
            number, frame = latest.next(number, _SECONDS)
            yield frame
    finally:
        latest.close()


class Latest:
    """The latest frame of a `Camera`, for several readers; closed by `close`.

    A thread takes frames as they come, so that none is older than the camera's.
    """

    def __init__(self, camera):
        self._camera = camera
        self._changed = threading.Condition()
        self._number, self._frame, self._error, self._closed = 0, None, None, False
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def close(self):
        """Ends the thread and closes the camera."""
        self._closed = True
        self._thread.join(1)
        self._camera.close()

    def next(self, after, seconds):
        """Returns the number of the latest frame, from 1 on, and the frame.

        Args:
          after: int, the number of the frame that the reader has: another one is waited for.
          seconds: how long to wait at most.

        Raises:
          UserError: none comes.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._number not in (0, after), seconds)
            if self._error:
                raise self._error
            if self._number in (0, after):
                raise UserError('the camera gave no frame within %g seconds' % seconds)
            return self._number, self._frame

    def _take(self):
        try:
            for frame in paced(self._camera):
                with self._changed:
                    self._number, self._frame = self._number + 1, frame
                    self._changed.notify_all()
                if self._closed:
                    return
        except UserError as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()
