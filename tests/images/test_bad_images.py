"""Photos of every kind are read, or left out with the reason in a person's words."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from scripts.common.errors import UserError
from scripts.images import bad_images, runner
from scripts.images.settings import PixelSpec
from tests.conftest import REPOSITORY
from tests.images import exif_kinds, photo_kinds


def report_of(tmp_path, data, warnings_of):
    """Returns the warnings about a photo of these bytes, and whether it counts as unreadable."""
    path = tmp_path / 'photo.jpg'
    path.write_bytes(data)
    found = []
    warned = warnings_of(lambda: found.append(runner.report_unreadable([str(path)])))
    return warned, bool(found[0])


@pytest.mark.parametrize('kind', sorted(photo_kinds.READABLE))
def test_what_tensorflow_decodes_is_read_whatever_its_name(tmp_path, kind, warnings_of):
    assert report_of(tmp_path, photo_kinds.READABLE[kind], warnings_of) == ([], False)


@pytest.mark.parametrize('kind', sorted(photo_kinds.UNREADABLE))
def test_a_damaged_photo_is_told_in_words(tmp_path, kind, warnings_of):
    data, words = photo_kinds.UNREADABLE[kind]
    warned, unreadable = report_of(tmp_path, data, warnings_of)
    assert unreadable and len(warned) == 1
    assert warned[0].startswith('photo %s/photo.jpg cannot be read and is left out: it ' % tmp_path)
    assert words in warned[0] and '\n' not in warned[0]


@pytest.mark.parametrize('kind', sorted(photo_kinds.PLAIN))
def test_the_plain_photos_do_hold_zeros_that_are_no_hole(kind):
    assert bytes(512) in photo_kinds.PLAIN[kind]


def test_what_cannot_be_opened_is_told(tmp_path):
    (tmp_path / 'folder.jpg').mkdir()
    (tmp_path / 'loop.jpg').symlink_to('loop.jpg')
    for name, words in (
        ('none.jpg', 'is not there any more'),
        ('folder.jpg', 'cannot be opened (Is a directory)'),
        ('loop.jpg', 'cannot be opened (Too many levels of symbolic links)'),
    ):
        assert bad_images.why_unreadable(str(tmp_path / name)) == words


def streamed(paths, policy):
    build = lambda pixels_tensor: pixels_tensor[:, 0, 0, 0]  # noqa: E731
    return list(runner.run(PixelSpec(4, 4, 0, 1), build, [paths], policy))


@pytest.mark.parametrize('kind', ['HTML', 'JPEG with a hole'])
def test_the_first_bad_photo_ends_the_run_with_its_name(tmp_path, kind):
    paths = [str(tmp_path / ('%d.jpg' % number)) for number in range(5)]
    for number, path in enumerate(paths):
        with open(path, 'wb') as file:
            file.write(photo_kinds.UNREADABLE[kind][0] if number in (2, 4) else photo_kinds.JPEG)
    with pytest.raises(UserError, match='2.jpg cannot be read: it .*--bad_images=skip'):
        streamed(paths, bad_images.STOP)
    ((_, readable),) = streamed(paths, bad_images.SKIP)
    assert np.flatnonzero(~readable).tolist() == [2, 4]


def test_a_gif_keeps_its_first_frame():
    assert bad_images.first_frame(photo_kinds.gif_of_frames(40, photo_kinds.GIF)) == photo_kinds.GIF
    assert bad_images.first_frame(photo_kinds.GIF) == photo_kinds.GIF


_COMMENTED = {
    'JPEG with EXIF first': exif_kinds.with_segments(exif_kinds.exif(6), jfif=False),
    'JPEG with comments': exif_kinds.with_segments(exif_kinds.segment(0xFE, b'x') * 9),
    'GIF with comments': photo_kinds.GIF.replace(b',\0\0\0\0', b'!\xfe\1x\0' * 9 + b',\0\0\0\0', 1),
}


@pytest.mark.parametrize('kind', sorted(_COMMENTED) + sorted(photo_kinds.READABLE))
def test_a_photo_without_metadata_has_the_same_pixels(kind):
    data = _COMMENTED.get(kind) or photo_kinds.READABLE[kind]
    without = bad_images.without_metadata(data)
    images = [Image.open(io.BytesIO(each)).convert('RGB') for each in (data, without)]
    assert images[0].size == images[1].size and images[0].tobytes() == images[1].tobytes()
    assert (len(without) < len(data)) == (kind in _COMMENTED or kind == 'EXIF-rotated')


_MEMORY_PROBE = """
import resource, sys
from scripts.images import runner
from scripts.images.settings import PixelSpec

def run(paths):
    for _ in runner.run(PixelSpec(4, 4, 0, 1), lambda tensor: tensor[:, 0, 0, 0], [paths]):
        pass

def peak():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmPeak'))

run(sys.argv[1:2])
before = peak()
run(sys.argv[2:])
print((peak() - before) // 1024)
"""


def test_32_bombs_in_a_batch_take_no_memory(tmp_path):
    bombs = [
        photo_kinds.png_claiming(20000, 20000),
        photo_kinds.png_claiming(60000, 8000),
        photo_kinds.gif_claiming(65535, 65535),
        photo_kinds.jpeg_claiming(65000, 65000),
        photo_kinds.gif_of_frames(500, photo_kinds.PLAIN_GIF),
    ]
    paths = [str(tmp_path / ('%d.jpg' % number)) for number in range(33)]
    for number, path in enumerate(paths):
        with open(path, 'wb') as file:
            file.write(bombs[number % len(bombs)] if number else photo_kinds.JPEG)
    ended = subprocess.run(
        [sys.executable, '-c', _MEMORY_PROBE] + paths,
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=300,
    )
    megabytes = int(ended.stdout)
    assert megabytes < 500  # One of them alone would take 1,144.
