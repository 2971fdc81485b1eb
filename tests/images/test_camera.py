"""Frames of video files, and of cameras that are stand-ins; OpenCV is an extra."""

import sys
import time

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.images import camera as camera_lib

COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]


@pytest.fixture
def video(tmp_path):
    """The path of a video file of a red, a green and a blue frame, 50 a second."""
    return draw_video(str(tmp_path / 'video.avi'), COLOURS)


def draw_video(path, colours):
    """Writes a video file of frames of 64 x 48, 50 a second; skips where there is no OpenCV."""
    cv2 = pytest.importorskip('cv2')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 50, (64, 48))
    for colour in colours:
        writer.write(np.full((48, 64, 3), colour[::-1], np.uint8))
    writer.release()
    return path


def test_a_file_has_its_frames_in_rgb_and_an_end(video):
    with camera_lib.Camera(video) as camera:
        frames = list(camera_lib.newest(camera))
    assert camera.is_file and camera.seconds_a_frame == pytest.approx(0.02)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    for frame, colour in zip(frames, COLOURS):
        np.testing.assert_allclose(frame.mean((0, 1)), colour, atol=8)


def test_the_latest_frame_of_a_file_is_shown_at_its_pace_again_and_again(video):
    latest = camera_lib.Latest(camera_lib.Camera(video))
    start, seen, number = time.monotonic(), [], 0
    while len(seen) < 7:
        before = number
        number, frame = latest.next(number, 10)
        assert number > before
        seen.append(int(frame.mean((0, 1)).argmax()))
    assert time.monotonic() - start > 0.09
    assert set(seen) == {0, 1, 2}
    latest.close()


class Stopping:
    """A camera of two frames, that then stops."""

    is_file, seconds_a_frame, closed = False, 0, False

    def frames(self):
        yield np.zeros((2, 2, 3), np.uint8)
        time.sleep(0.2)
        yield np.ones((2, 2, 3), np.uint8)
        time.sleep(0.2)
        raise UserError('the camera gives no frames any more')

    def close(self):
        self.closed = True


def test_frames_of_a_camera_end_with_its_error():
    camera = Stopping()
    frames = camera_lib.newest(camera)
    assert [next(frames).max(), next(frames).max()] == [0, 1]
    with pytest.raises(UserError, match='gives no frames any more'):
        next(frames)
    assert camera.closed


def test_no_frame_in_time_is_an_error():
    latest = camera_lib.Latest(Stopping())
    number, _ = latest.next(0, 5)
    with pytest.raises(UserError, match='no frame within 0.01 seconds'):
        latest.next(number, 0.01)
    latest.close()


def test_what_is_no_camera_is_a_user_error(tmp_path):
    pytest.importorskip('cv2')
    (tmp_path / 'text.avi').write_text('no video')
    for source, words in (
        ('/nowhere.avi', 'no camera at /nowhere.avi'),
        (str(tmp_path / 'text.avi'), 'cannot be opened'),
        ('99', 'the camera 99 cannot be opened'),
    ):
        with pytest.raises(UserError, match=words):
            camera_lib.Camera(source)


def test_without_opencv_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv2', None)
    with pytest.raises(UserError, match='pip install -r requirements-camera.txt'):
        camera_lib.Camera('0')
