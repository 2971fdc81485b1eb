"""Photos as a user names them: what is not a regular file is no photo."""

import os

import pytest

from scripts.common.errors import UserError
from scripts.dataset import finding


@pytest.fixture
def album(tmp_path):
    """A folder with two photos, and with what only looks like photos."""
    for name in ('a.jpg', 'deep/b.PNG', '.hidden.jpg', '.thumbs/c.jpg', 'deep/.git/d.jpg'):
        path = tmp_path / 'album' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')
    album = tmp_path / 'album'
    (album / 'zero.jpg').symlink_to('/dev/zero')
    (album / 'broken.jpg').symlink_to('nowhere')
    (album / 'link.jpg').symlink_to('a.jpg')
    os.mkfifo(str(album / 'deep' / 'pipe.jpg'))
    return album


def test_a_folder_gives_its_regular_files_that_are_not_hidden(album, warnings_of):
    found = []
    warned = warnings_of(lambda: found.extend(finding.image_paths([str(album)])))
    names = ['a.jpg', 'deep/b.PNG', 'link.jpg']
    assert found == [os.path.join(str(album), name) for name in names]
    assert warned == [
        'left out: broken links and special files (3), such as %s' % (album / 'broken.jpg')
    ]


def test_a_hidden_folder_that_is_named_counts(album):
    found = finding.image_paths([str(album / '.thumbs')])
    assert found == [str(album / '.thumbs' / 'c.jpg')]


@pytest.mark.parametrize('name', ['zero.jpg', 'deep/pipe.jpg', 'deep/p*.jpg', 'broken.jpg'])
def test_what_is_no_regular_file_is_told(album, name):
    with pytest.raises(UserError, match='expected a photo'):
        finding.image_paths([str(album / name)])


def test_a_folder_of_what_is_no_photo_is_told(album):
    os.remove(str(album / 'deep' / 'b.PNG'))
    with pytest.raises(
        UserError, match='has no photos: expected files with the extensions .jpg, .jpeg'
    ):
        finding.image_paths([str(album / 'deep')])
