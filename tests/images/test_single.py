"""One photo is what a network is fed, or one line."""

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.images import runner, single
from scripts.images.settings import PixelSpec
from tests.images import photo_kinds

SPEC = PixelSpec(20, 30, 127.5, (60, 70, 80))


def test_one_photo_is_what_the_runner_gives_a_network(tmp_path):
    path = tmp_path / 'photo.jpg'
    path.write_bytes(photo_kinds.JPEG)
    image = single.load(str(path), SPEC)
    assert image.shape == (1, 20, 30, 3) and image.dtype == np.float32
    ((fed, _),) = runner.run(SPEC, lambda pixels_tensor: pixels_tensor, [[str(path)]])
    assert image.tobytes() == fed.tobytes()


@pytest.mark.parametrize('kind', ['HTML', 'JPEG with a hole'])
def test_an_unreadable_photo_is_one_line_and_the_next_one_is_read(tmp_path, kind):
    path = tmp_path / 'photo.jpg'
    data, words = photo_kinds.UNREADABLE[kind]
    path.write_bytes(data)
    with pytest.raises(UserError, match='photo .*photo.jpg is unreadable: it %s' % words):
        single.load(str(path), SPEC)
    path.write_bytes(photo_kinds.JPEG)
    assert np.isfinite(single.load(str(path), SPEC)).all()
