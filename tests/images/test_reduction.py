"""JPEGs decoded at a part of their size, where that is enough."""

import io
import logging

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts.graphs.session import open_session
from scripts.images import decoding, distort, pixels, reduction, runner
from scripts.images.settings import APPLY, FAST, GREY, Distortions, PixelSpec
from tests.images import exif_kinds, photo_kinds

EXACT = PixelSpec(20, 30, 127.5, 127.5)
SPEC = EXACT._replace(decode=FAST)


def jpeg(width, height, **options):
    """Returns a JPEG of a slope, which is nearly the same at each size, and some noise."""
    noise = np.random.RandomState(width).uniform(-20, 20, (height, width, 3))
    slope = np.linspace(40, 200, width)[None, :, None] + np.linspace(-20, 20, height)[:, None, None]
    image = Image.fromarray((slope + noise).astype(np.uint8))
    return photo_kinds.encoded(image, 'JPEG', quality=90, **options)


def evaluate(tensor_of):
    graph = tf.Graph()
    with graph.as_default():
        tensor = tensor_of()
    with open_session(graph) as session:
        return session.run(tensor)


@pytest.mark.parametrize(
    'size, ratio',
    [
        ((30, 20), 1),
        ((59, 38), 1),  # 30 x 19 is too low.
        ((59, 39), 2),  # The decoder rounds up.
        ((60, 40), 2),
        ((117, 77), 4),
        ((240, 160), 8),
        ((233, 153), 8),
        ((233, 152), 4),
        ((4000, 160), 8),
        ((4000, 39), 2),
        ((4000, 19), 1),
    ],
)
@pytest.mark.parametrize('progressive', [False, True])
def test_the_smallest_part_that_is_enough_is_decoded(size, ratio, progressive):
    data = jpeg(*size, progressive=progressive)
    found = evaluate(lambda: reduction.decode_jpeg(tf.constant(data), SPEC.enough))
    assert found.shape == (-(-size[1] // ratio), -(-size[0] // ratio), 3)
    assert reduction.ratio_of(size[0], size[1], SPEC.enough) == ratio
    assert reduction.reduced(size[0], size[1], SPEC.enough) == (found.shape[1], found.shape[0])
    whole = np.asarray(Image.open(io.BytesIO(data)), np.float64)
    assert np.abs(found.mean(axis=(0, 1)) - whole.mean(axis=(0, 1))).max() < 4


def test_no_size_that_is_enough_is_the_whole_photo():
    data = jpeg(240, 160)
    whole = evaluate(lambda: tf.image.decode_jpeg(data, channels=3))
    exact = evaluate(lambda: pixels.decode(tf.constant(data), enough=EXACT.enough))
    assert EXACT.enough is None and (exact == whole).all()
    assert reduction.reduced(240, 160, None) == (240, 160)


def test_what_is_fed_is_nearly_the_same():
    data = jpeg(240, 160)
    fast = evaluate(lambda: pixels.from_contents(tf.constant(data), SPEC))
    exact = evaluate(lambda: pixels.from_contents(tf.constant(data), EXACT))
    assert fast.shape == exact.shape == (20, 30, 3)
    difference = np.abs(fast - exact)
    assert 0 < difference.mean() < 20 / 127.5  # The noise is less where pixels are means.


@pytest.mark.parametrize('size, shape', [((48, 160), (48, 160, 3)), ((80, 90), (40, 45, 3))])
def test_a_photo_that_is_turned_is_large_enough_after_that(size, shape):
    tall = PixelSpec(40, 20, 0, 1, APPLY, decode=FAST)
    data = exif_kinds.with_segments(exif_kinds.exif(6), jpeg=jpeg(*size))
    found = evaluate(lambda: pixels.decode(tf.constant(data), APPLY, enough=tall.enough))
    assert found.shape == shape


@pytest.mark.parametrize(
    'kind', [name for name, data in photo_kinds.READABLE.items() if data[:2] != b'\xff\xd8']
)
def test_other_photos_are_what_they_were(kind):
    data = photo_kinds.READABLE[kind]
    size = EXACT._replace(height=200, width=200, decode=FAST)
    fast = evaluate(lambda: pixels.decode(tf.constant(data), enough=size.enough))
    assert (fast == evaluate(lambda: pixels.decode(tf.constant(data)))).all()


def test_a_crop_takes_no_more_than_there_is():
    distortions = Distortions(random_crop=30, random_scale=10)
    enlarged = distortions.enlarged(SPEC)
    assert enlarged == SPEC._replace(height=29, width=43)
    assert Distortions(flip_left_right=True).enlarged(SPEC) == SPEC
    for draw in (np.zeros(distort.DRAWS), np.full(distort.DRAWS, 1 - 1e-7)):
        scale = 1.3 * (1 + 0.1 * draw[0])
        assert enlarged.height >= int(20 * scale) and enlarged.width >= int(30 * scale)


def test_a_distorted_photo_is_decoded_as_large_as_it_is_scaled(tmp_path):
    (tmp_path / 'photo.jpg').write_bytes(jpeg(130, 90))
    wide = Distortions(random_crop=100)
    draws = np.full(distort.DRAWS, 0.5, np.float32)

    def distorted(spec):
        path = str(tmp_path / 'photo.jpg')
        return evaluate(lambda: distort.load(tf.constant(path), tf.constant(draws), wide, spec))

    assert reduction.ratio_of(130, 90, SPEC.enough) == 4
    assert reduction.ratio_of(130, 90, wide.enlarged(SPEC).enough) == 2
    expected = evaluate(
        lambda: pixels.normalize(
            distort.distort(
                tf.image.decode_jpeg(jpeg(130, 90), channels=3, ratio=2),
                tf.constant(draws),
                wide,
                SPEC,
            ),
            SPEC,
        )
    )
    np.testing.assert_allclose(distorted(SPEC), expected, atol=1e-5)


@pytest.mark.parametrize('channels', [3, GREY])
def test_what_a_decoded_photo_takes_is_known_before(tmp_path, channels):
    (tmp_path / 'photo.jpg').write_bytes(jpeg(235, 170))
    (tmp_path / 'photo.png').write_bytes(photo_kinds.READABLE['PNG'])
    spec = SPEC._replace(channels=channels)
    paths = [str(tmp_path / 'photo.jpg'), str(tmp_path / 'photo.png')]
    images = list(decoding.decode_all(paths, spec))
    assert [decoding.size_of(path, spec) for path in paths] == [image.size for image in images]
    assert images[0].shape == (22, 30, channels)


def test_unreadable_photos_are_told_as_ever(tmp_path, warnings_of):
    bad = {name: data for name, (data, _) in photo_kinds.UNREADABLE.items()}
    paths = []
    for number, data in enumerate(bad.values()):
        paths.append(str(tmp_path / ('%d.jpg' % number)))
        (tmp_path / ('%d.jpg' % number)).write_bytes(data)
    found = []
    warned = warnings_of(lambda: found.extend(runner.run(SPEC, tf.identity, [paths])))
    assert not found[0][1].any() and len(warned) == len(paths)
    for text, (_, words) in zip(warned, photo_kinds.UNREADABLE.values()):
        assert words in text


@pytest.fixture
def said_of(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger('scripts'), 'propagate', True)

    def said(count, data, spec=EXACT):
        paths = []
        for number in range(count):
            path = tmp_path / ('%d.jpg' % number)
            path.write_bytes(data)
            paths.append(str(path))
        caplog.clear()
        with caplog.at_level(logging.INFO, 'scripts'):
            reduction.report(paths, spec)
        return [record.getMessage() for record in caplog.records]

    return said


def test_photos_that_are_much_larger_than_need_be_are_one_line(said_of):
    (line,) = said_of(40, jpeg(240, 160))
    assert line.startswith('Photos of 240 x 160 pixels') and '--decode=fast' in line
    assert 'no smaller than 30 x 20' in line


@pytest.mark.parametrize(
    'arguments',
    [
        (40, jpeg(240, 160), SPEC),  # It is given.
        (40, jpeg(60, 40)),  # They are hardly larger.
        (31, jpeg(240, 160)),  # There are few.
        (40, photo_kinds.encoded(Image.new('RGB', (240, 160)), 'PNG')),
        (40, jpeg(240, 160)[:-400]),  # Their pixels end too early.
        (40, b''),
    ],
    ids=['fast', 'small', 'few', 'PNG', 'truncated', 'empty'],
)
def test_others_are_not_told(said_of, arguments):
    assert said_of(*arguments) == []
