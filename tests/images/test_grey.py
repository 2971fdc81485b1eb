"""Grey networks: photos are decoded to one channel, everywhere."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.images import distort, graph_input, runner, single
from scripts.images.settings import GREY, Distortions, PixelSpec
from tests import pictures

SPEC = PixelSpec(8, 6, 0, 1, channels=GREY)


@pytest.fixture
def photo(tmp_path):
    path = str(tmp_path / 'photo.png')
    pictures.draw(path, pictures.COLOURS['Red'], 1)
    return path


def test_a_photo_is_fed_as_its_luma(photo):
    colours = single.load(photo, SPEC._replace(channels=3))
    grey = single.load(photo, SPEC)
    assert grey.shape == (1, 8, 6, 1)
    np.testing.assert_allclose(grey[..., 0], colours @ [0.2989, 0.587, 0.114], atol=1)
    assert grey.std() > 1


def test_a_grey_photo_keeps_its_values(tmp_path):
    from PIL import Image

    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = str(tmp_path / 'all.png')
    Image.fromarray(values).save(path)
    grey = single.load(path, PixelSpec(16, 16, 0, 1, channels=GREY))
    np.testing.assert_array_equal(grey[0, :, :, 0], values)


def test_batches_and_blanks_are_grey(photo):
    with runner.Runner(SPEC) as photos:
        ((values, readable),) = photos.run([[photo, runner.BLANK_PATH]])
    assert values.shape == (2, 8, 6, 1) and readable.tolist() == [True, False]
    assert values[0].any() and not values[1].any()


def test_distortions_are_grey(photo):
    distortions = Distortions(True, 10, 10, 10)
    with tf.Graph().as_default() as graph:
        pixels_tensor = distort.load(photo, tf.constant([0.5] * distort.DRAWS), distortions, SPEC)
    with open_session(graph) as session:
        assert session.run(pixels_tensor).shape == (8, 6, 1)


def test_a_graph_that_declares_grey_pixels_is_fed_them():
    with tf.Graph().as_default() as graph:
        tf.identity(tf.placeholder(tf.float32, [None, 28, 28, 1], name='input'))
    assert graph_input.read_off(graph.as_graph_def()).pixels == PixelSpec(
        28, 28, 127.5, 127.5, channels=GREY
    )
