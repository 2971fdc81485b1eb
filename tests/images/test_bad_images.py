"""Photos of every kind are read, or left out with the reason in words."""

import subprocess
import sys

import pytest

from scripts.images import bad_images, runner
from tests.conftest import REPOSITORY
from tests.images import photo_kinds


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
def test_an_unreadable_photo_is_reported_with_the_reason(tmp_path, kind, warnings_of):
    data, words = photo_kinds.UNREADABLE[kind]
    warned, unreadable = report_of(tmp_path, data, warnings_of)
    assert unreadable and len(warned) == 1
    assert warned[0].startswith('photo %s/photo.jpg is unreadable and is left out: it ' % tmp_path)
    assert words in warned[0] and '\n' not in warned[0]


@pytest.mark.parametrize('kind', sorted(photo_kinds.PLAIN))
def test_the_plain_photos_do_hold_zeros_that_are_no_hole(kind):
    assert bytes(512) in photo_kinds.PLAIN[kind]


def test_what_cannot_be_opened_is_reported(tmp_path):
    (tmp_path / 'folder.jpg').mkdir()
    (tmp_path / 'loop.jpg').symlink_to('loop.jpg')
    for name, words in (
        ('none.jpg', 'no longer exists'),
        ('folder.jpg', 'cannot be opened (Is a directory)'),
        ('loop.jpg', 'cannot be opened (Too many levels of symbolic links)'),
    ):
        assert bad_images.why_unreadable(str(tmp_path / name)) == words


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
