"""Photos become pixels the classic way."""

import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts.common.errors import UserError
from scripts.graphs.session import open_session
from scripts.images import distort, graph_input, pixels
from scripts.images.settings import Distortions, PixelSpec
from tests import pictures, stand_ins

SPEC = PixelSpec(20, 30, 127.5, 63.75)


def evaluate(build):
    """Runs what `build()` adds to a graph of its own."""
    graph = tf.Graph()
    with graph.as_default():
        tensor = build()
    with open_session(graph) as session:
        return session.run(tensor)


def classic_pixels(path, spec):
    """The classic arithmetic, in numpy: bilinear without align_corners on float32."""
    image = evaluate(lambda: tf.image.decode_jpeg(tf.read_file(path), channels=3))
    image = image.astype(np.float32)

    def steps(size, wanted):
        at = np.arange(wanted, dtype=np.float32) * np.float32(size / wanted)
        low = at.astype(int)
        return low, np.minimum(low + 1, size - 1), (at - low).astype(np.float32)

    top, bottom, down = steps(image.shape[0], spec.height)
    left, right, across = steps(image.shape[1], spec.width)
    across, down = across[None, :, None], down[:, None, None]
    upper = image[top][:, left] * (1 - across) + image[top][:, right] * across
    lower = image[bottom][:, left] * (1 - across) + image[bottom][:, right] * across
    return (upper * (1 - down) + lower * down - spec.mean) / spec.std


def encoded(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def test_pixels_are_the_classic_ones(tmp_path):
    path = str(tmp_path / 'photo.jpg')
    pictures.draw(path, (200, 30, 60), 1, size=(47, 33))
    loaded = evaluate(lambda: pixels.load(tf.constant(path), SPEC))
    assert loaded.shape == (20, 30, 3) and loaded.dtype == np.float32
    np.testing.assert_allclose(loaded, classic_pixels(path, SPEC), atol=1e-4)


def test_resizing_from_bytes_gives_the_very_values_that_the_cast_gives():
    image = np.random.RandomState(2).randint(0, 256, (37, 61, 3)).astype(np.uint8)
    direct = evaluate(lambda: pixels.resize(tf.constant(image), 20, 30))
    cast = evaluate(lambda: pixels.resize(tf.constant(image.astype(np.float32)), 20, 30))
    assert (direct == cast).all()


COLOURED = Image.fromarray(np.random.RandomState(3).randint(0, 255, (6, 9, 3)).astype(np.uint8))


@pytest.mark.parametrize(
    'data',
    [
        encoded(COLOURED, 'PNG'),
        encoded(COLOURED, 'BMP'),
        encoded(COLOURED.convert('RGBA'), 'PNG'),
        encoded(COLOURED.quantize(256), 'GIF'),
        encoded(COLOURED.quantize(256), 'GIF', save_all=True, append_images=[COLOURED.quantize(2)]),
    ],
    ids=['PNG', 'BMP', 'PNG with alpha', 'GIF', 'animated GIF'],
)
def test_content_decides_how_a_photo_is_decoded(data):
    decoded = evaluate(lambda: pixels.decode(tf.constant(data)))
    np.testing.assert_allclose(decoded, np.array(COLOURED), atol=40 if data[:3] == b'GIF' else 0)


@pytest.mark.parametrize('kind', ['PNG', 'BMP', 'JPEG'])
def test_grey_photos_get_three_channels(kind):
    data = encoded(COLOURED.convert('L'), kind)
    decoded = evaluate(lambda: pixels.decode(tf.constant(data)))
    assert decoded.shape == (6, 9, 3)
    assert (decoded[..., 0] == decoded[..., 1]).all() and (decoded[..., 0] == decoded[..., 2]).all()


def test_bmps_of_every_depth_decode_one_after_the_other():
    graph = tf.Graph()
    with graph.as_default():
        contents_tensor = tf.placeholder(tf.string, [])
        image_tensor = pixels.decode(contents_tensor)
    with open_session(graph) as session:
        for mode in ('L', 'RGB', 'RGBA', 'RGB', 'L'):
            data = encoded(COLOURED.convert(mode), 'BMP')
            decoded = session.run(image_tensor, {contents_tensor: data})
            assert (decoded == np.array(COLOURED.convert(mode).convert('RGB'))).all()


@pytest.mark.parametrize(
    'shape, node, expected',
    [
        ([1, 128, 96, 3], 'input', PixelSpec(128, 96, 127.5, 127.5)),
        ([None, None, None, 3], 'input', PixelSpec(224, 224, 127.5, 127.5)),
        (None, 'Mul', PixelSpec(299, 299, 128, 128)),
        ([1, 96, 96, 3], 'photos', PixelSpec(96, 96, 127.5, 127.5)),
    ],
)
def test_what_a_graph_is_fed_is_read_off_it(shape, node, expected):
    graph = tf.Graph()
    with graph.as_default():
        tf.placeholder(tf.float32, shape, name=node)
    found = graph_input.read_off(graph.as_graph_def())
    assert found == graph_input.GraphInput(node, expected)


def test_inceptions_fed_node_is_found_though_it_is_no_placeholder():
    found = graph_input.read_off(stand_ins.inception())
    assert found == ('Mul', PixelSpec(299, 299, 128, 128))


def test_a_graph_without_a_known_input_is_reported():
    graph = tf.Graph()
    with graph.as_default():
        tf.placeholder(tf.float32, name='this')
        tf.placeholder(tf.float32, name='that')
    with pytest.raises(UserError, match='this, that'):
        graph_input.read_off(graph.as_graph_def())
    with pytest.raises(UserError, match='no node thin; names that would fit: this'):
        graph_input.read_off(graph.as_graph_def(), 'thin')


IMAGE = np.random.RandomState(5).uniform(0, 255, (40, 50, 3)).astype(np.float32)


def distorted(draws, **wanted):
    draws = np.array(draws, np.float32)
    return evaluate(
        lambda: distort.distort(tf.constant(IMAGE), tf.constant(draws), Distortions(**wanted), SPEC)
    )


def resized(height, width):
    return evaluate(lambda: pixels.resize(tf.constant(IMAGE), height, width))


def test_a_crop_takes_a_window_of_a_larger_photo():
    large = resized(30, 45)
    for top, left, window in (
        (0, 0, large[:20, :30]),
        (0.9999, 0.9999, large[10:, 15:]),
        (0.5, 0.25, large[5:25, 4:34]),
    ):
        np.testing.assert_allclose(distorted([0, top, left, 0, 0], random_crop=50), window)


def test_a_scale_enlarges_up_to_its_percentage():
    np.testing.assert_allclose(distorted([0, 0, 0, 0, 0], random_scale=100), resized(20, 30))
    np.testing.assert_allclose(
        distorted([0.5, 0, 0, 0, 0], random_scale=100), resized(30, 45)[:20, :30]
    )


def test_a_flip_mirrors_half_of_the_photos():
    np.testing.assert_allclose(
        distorted([0, 0, 0, 0.49, 0], flip_left_right=True), resized(20, 30)[:, ::-1]
    )
    np.testing.assert_allclose(distorted([0, 0, 0, 0.51, 0], flip_left_right=True), resized(20, 30))
    np.testing.assert_allclose(distorted([0, 0, 0, 0.49, 0], random_crop=0), resized(20, 30))


def test_brightness_multiplies_up_and_down():
    for draw, factor in ((0, 0.8), (0.5, 1), (0.75, 1.1)):
        np.testing.assert_allclose(
            distorted([0, 0, 0, 0, draw], random_brightness=20), resized(20, 30) * factor, rtol=1e-5
        )


def test_draws_cover_their_range():
    draws = distort.draw(np.random.RandomState(0), 1000)
    assert draws.shape == (1000, distort.DRAWS) and draws.dtype == np.float32
    assert draws.min() >= 0 and draws.max() < 1 and (draws.std(axis=0) > 0.25).all()


class _Largest:
    """A RandomState whose every number is the largest below 1."""

    def random_sample(self, shape):
        return np.full(shape, 1 - 2.0**-53)


def test_no_draw_becomes_1_as_it_becomes_a_float32():
    draws = distort.draw(_Largest(), 7)
    assert draws.dtype == np.float32 and (draws == np.nextafter(np.float32(1), np.float32(0))).all()
    random, same = np.random.RandomState(1), np.random.RandomState(1)
    assert (distort.draw(random, 999) == same.random_sample((999, 5)).astype(np.float32)).all()


@pytest.mark.parametrize('draw', [1, np.nextafter(np.float32(1), np.float32(0))])
def test_no_crop_leaves_the_photo(draw):
    large = resized(30, 45)
    corner = distorted([0, draw, draw, 0, 0], random_crop=50)
    np.testing.assert_allclose(corner, large[10:, 15:])


def test_only_zeros_want_nothing():
    assert not Distortions().wanted()
    assert all(Distortions(**{name: 1}).wanted() for name in Distortions._fields)
