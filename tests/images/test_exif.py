"""The rotation that EXIF asks for: read alike with and without TensorFlow, applied if wanted."""

import io
import struct

import hypothesis
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import strategies
from PIL import Image

from scripts.graphs.session import open_session
from scripts.images import distort, exif, pixels, rotation, runner
from scripts.images.settings import APPLY, IGNORE, Distortions, PixelSpec
from tests.images import exif_kinds, photo_kinds

THUMBNAIL = exif_kinds.with_segments(exif_kinds.exif(3))  # Says otherwise than the photo.


@pytest.fixture(scope='module')
def in_graph():
    """Returns the orientation that a graph reads out of bytes."""
    graph = tf.Graph()
    with graph.as_default():
        contents_tensor = tf.placeholder(tf.string, [])
        orientation_tensor = rotation.orientation(contents_tensor)
    with open_session(graph) as session:
        yield lambda data: session.run(orientation_tensor, {contents_tensor: data})


def evaluate(build, data):
    """Runs what `build(contents_tensor)` makes of a photo's bytes."""
    graph = tf.Graph()
    with graph.as_default():
        tensor = build(tf.constant(data))
    with open_session(graph) as session:
        return session.run(tensor)


def in_python(data):
    return exif.read_orientation(io.BytesIO(data))


WELL_FORMED = [
    (orientation, order, jfif, thumbnail)
    for orientation in exif.ORIENTATIONS
    for order in '<>'
    for jfif in (True, False)
    for thumbnail in (b'', THUMBNAIL)
]


def test_pillow_and_both_readers_agree_on_what_is_well_formed(in_graph):
    graph = tf.Graph()
    with graph.as_default():
        contents_tensor = tf.placeholder(tf.string, [])
        image_tensor = pixels.decode(contents_tensor, APPLY)
        as_stored_tensor = pixels.decode(contents_tensor, IGNORE)
    with open_session(graph) as session:
        for orientation, order, jfif, thumbnail in WELL_FORMED:
            segment = exif_kinds.exif(orientation, order, thumbnail)
            data = exif_kinds.with_segments(segment, jfif)
            assert in_graph(data) == in_python(data) == orientation
            image, as_stored = session.run(
                [image_tensor, as_stored_tensor], {contents_tensor: data}
            )
            expected = exif_kinds.upright(data)
            assert image.shape == expected.shape and image.dtype == np.uint8
            np.testing.assert_allclose(image.astype(int), expected, atol=20)
            np.testing.assert_allclose(as_stored.astype(int), exif_kinds.PHOTO, atol=20)


def entry(tag=0x112, kind=3, count=1, value=6, order='<'):
    return struct.pack(order + 'HHIHH', tag, kind, count, value, 0)


def directory(*entries, **options):
    """Returns an EXIF segment with these entries; options: what is to be odd about it."""
    order = options.get('order', '<')
    data = b'Exif\0\0' + options.get('magic', exif_kinds.ORDERS[order])
    data += struct.pack(
        order + 'IH', options.get('offset', 8), options.get('count', len(entries) & 0xFFFF)
    )
    return exif_kinds.segment(0xE1, data + b''.join(entries))


COMMENT = exif_kinds.segment(0xFE, b'x' * 9)
XMP = exif_kinds.segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x/>')
MANY = [entry(0x200 + number) for number in range(5000)]
ODD = {  # What is in front of the photo, and the orientation that is to be taken from it.
    'nothing': (b'', 1),
    'a comment and XMP before': (COMMENT + XMP + exif_kinds.exif(6), 6),
    'EXIF as the last of the segments that are looked at': (COMMENT * 6 + exif_kinds.exif(6), 6),
    'one segment later': (COMMENT * 7 + exif_kinds.exif(6), 1),
    'two EXIF segments': (exif_kinds.exif(6) + exif_kinds.exif(3), 6),
    'two orientations': (directory(entry(value=6), entry(value=3)), 6),
    'thousands of entries': (directory(*(MANY + [entry()])), 6),
    'orientation 0': (directory(entry(value=0)), 1),
    'orientation 9': (directory(entry(value=9)), 1),
    'orientation 6 of a 32-bit kind': (directory(entry(kind=4)), 1),
    'two values': (directory(entry(count=2)), 1),
    '65,537 values': (directory(entry(count=65537)), 1),
    '65,536 values, high byte first': (directory(entry(count=65536, order='>'), order='>'), 1),
    'a directory behind the end': (directory(entry(), offset=60000), 1),
    'a directory before the beginning': (directory(entry(), offset=2**32 - 1), 1),
    'the largest offset with a sign': (directory(entry(), offset=2**31 - 1), 1),
    'no entries': (directory(entry(), count=0), 1),
    'more entries than there are': (directory(entry(), count=65535), 6),
    'no TIFF': (directory(entry(), magic=b'II+\0'), 1),
    'mixed byte orders': (directory(entry(), magic=b'MM\0*'), 1),
    'EXIF of no bytes': (exif_kinds.segment(0xE1, b'Exif\0\0'), 1),
    'EXIF of four bytes': (exif_kinds.segment(0xE1, b'Exif\0\0II*\0'), 1),
    'a length that is too short': (b'\xff\xe1\0\x02Exif\0\0' + exif_kinds.tiff(6), 1),
    'a length of 0': (b'\xff\xe1\0\0Exif\0\0' + exif_kinds.tiff(6), 1),
    'no marker': (b'junk' + exif_kinds.exif(6), 1),
    'the end of the image before': (b'\xff\xd9\0\2' + exif_kinds.exif(6), 1),
    'the scan before': (b'\xff\xda\0\2' + exif_kinds.exif(6), 1),
}


@pytest.mark.parametrize('kind', sorted(ODD))
def test_what_is_odd_is_taken_leniently_and_alike(in_graph, kind):
    segments, expected = ODD[kind]
    data = exif_kinds.with_segments(segments)
    assert (in_graph(data), in_python(data)) == (expected, expected)


@pytest.mark.parametrize('order', '<>')
def test_truncated_anywhere_both_read_the_same(in_graph, order):
    data = exif_kinds.with_segments(exif_kinds.exif(8, order, THUMBNAIL))
    for length in range(120):
        assert in_graph(data[:length]) == in_python(data[:length])
    assert {in_python(data[:length]) for length in range(120)} == {1, 8}


@pytest.mark.parametrize('kind', sorted(set(photo_kinds.READABLE) | set(photo_kinds.UNREADABLE)))
def test_both_read_the_same_of_every_kind_of_file(in_graph, kind):
    data = photo_kinds.READABLE.get(kind) or photo_kinds.UNREADABLE[kind][0]
    assert in_graph(data) == in_python(data) == (6 if kind == 'EXIF-rotated' else 1)


BYTES_OF_JPEGS = strategies.lists(
    strategies.sampled_from(
        [b'\xff', b'\xe1', b'\xe0', b'\xda', b'\0', b'\1', b'\2', b'\x08', b'\x12', b'\3', b'\6']
        + [b'\xff\xe1', b'\xff\xd8', b'Exif\0\0', b'II*\0', b'MM\0*', b'\x01\x12\0\3\0\0\0\1\0\5']
        + [b'\x12\1\3\0\1\0\0\0\6\0\0\0', COMMENT, exif_kinds.exif(5), exif_kinds.exif(7, '>')]
    ),
    max_size=40,
).map(b''.join)


@hypothesis.settings(max_examples=1000)
@hypothesis.given(
    strategies.sampled_from([b'', b'\xff\xd8', b'\xff\xd8\xff\xe1\0\x30Exif\0\0']),
    BYTES_OF_JPEGS | strategies.binary(max_size=80),
)
def test_both_read_the_same_of_any_bytes(in_graph, head, rest):
    assert in_graph(head + rest) == in_python(head + rest)


def test_both_read_the_same_of_corrupt_exif(in_graph):
    random = np.random.RandomState(9)
    whole = [
        exif_kinds.with_segments(exif_kinds.exif(orientation, order, THUMBNAIL), jfif)[:200]
        for orientation, order, jfif in ((6, '<', True), (8, '>', True), (3, '>', False))
    ]
    found = set()
    for number in range(3000):
        data = bytearray(whole[number % 3])
        for place in random.randint(0, 80, 1 + number % 4):
            data[place] = random.choice([0, 1, 2, 8, 255, random.randint(256)])
        data = bytes(data)
        found.add(in_python(data))
        assert in_graph(data) == in_python(data), data
    assert {1, 3, 6, 8} <= found


def test_photos_that_are_turned_are_counted_and_what_is_missing_is_not(tmp_path):
    paths = [str(tmp_path / name) for name in ('a.jpg', 'b.jpg', 'c.png', 'missing.jpg')]
    for path, data in zip(paths, (exif_kinds.rotated(6), exif_kinds.rotated(1), photo_kinds.PNG)):
        with open(path, 'wb') as file:
            file.write(data)
    assert exif.count_rotated(paths) == 1
    assert exif.orientation(paths[0]) == 6


def test_one_line_says_how_many_are_not_turned(tmp_path, warnings_of):
    paths = []
    for number, orientation in enumerate((6, 1, 8)):
        paths.append(str(tmp_path / ('%d.jpg' % number)))
        with open(paths[-1], 'wb') as file:
            file.write(exif_kinds.rotated(orientation))
    assert warnings_of(lambda: exif.report_rotated(paths, IGNORE)) == [
        '2 of 3 photos carry an EXIF rotation, which is not applied (as in the classic script); '
        '--exif_rotation=apply turns them'
    ]
    assert warnings_of(lambda: exif.report_rotated(paths[:1], IGNORE)) == [
        'the photo carries an EXIF rotation, which is not applied (as in the classic script); '
        '--exif_rotation=apply turns it'
    ]
    assert warnings_of(lambda: exif.report_rotated(paths[1:2], IGNORE)) == []
    assert warnings_of(lambda: exif.report_rotated(paths, APPLY)) == []


SPEC = PixelSpec(20, 30, 127.5, 63.75)
TURNING = SPEC._replace(exif_rotation=APPLY)


def graph_bytes(build):
    graph = tf.Graph()
    with graph.as_default():
        build(tf.placeholder(tf.string, []))
    return graph.as_graph_def().SerializeToString()


def test_nothing_is_added_to_a_graph_that_does_not_turn():
    ignoring = graph_bytes(lambda contents: pixels.from_contents(contents, SPEC))
    turning = graph_bytes(lambda contents: pixels.from_contents(contents, TURNING))
    assert b'ReverseV2' in turning and b'ReverseV2' not in ignoring
    assert b'PyFunc' not in turning  # It must serve where there is no Python.


def test_what_a_network_is_fed_follows_the_specification(tmp_path):
    data = exif_kinds.rotated(8)
    turned = photo_kinds.encoded(exif_kinds.PHOTO.transpose(Image.ROTATE_90), 'PNG')
    expected = evaluate(lambda contents: pixels.from_contents(contents, SPEC), turned)
    fed = evaluate(lambda contents: pixels.from_contents(contents, TURNING), data)
    np.testing.assert_allclose(fed, expected, atol=0.3)
    path = str(tmp_path / 'photo.jpg')
    with open(path, 'wb') as file:
        file.write(data)
    assert np.abs(as_it_is_fed(path, TURNING) - expected).max() < 0.3
    assert np.abs(as_it_is_fed(path, SPEC) - expected).max() > 1


def as_it_is_fed(path, spec):
    """Returns the pixels of a photo, float32 `[2, h, w, 3]`: from the stream, and distorted."""
    ((streamed, _),) = runner.run(spec, tf.identity, [[path]])
    draws = np.array([0, 0.3, 0.6, 0, 0.5], np.float32)
    distorted = evaluate(lambda contents: distort.load(path, draws, Distortions(), spec), b'')
    return np.stack([streamed[0], distorted])


@pytest.mark.parametrize('kind', ['PNG', 'GIF', 'BMP', 'JPEG', 'CMYK', 'greyscale'])
def test_other_photos_are_what_they_were(kind):
    data = photo_kinds.READABLE[kind]
    turning = evaluate(lambda contents: pixels.decode(contents, APPLY), data)
    assert (turning == evaluate(pixels.decode, data)).all()


def test_mean_and_std_may_be_one_number_or_three():
    image = np.random.RandomState(1).uniform(0, 255, (4, 5, 3)).astype(np.float32)
    three = PixelSpec(4, 5, (123.68, 116.78, 103.94), (58.4, 57.1, 57.4))
    normalized = evaluate(lambda _: pixels.normalize(tf.constant(image), three), b'')
    np.testing.assert_allclose(normalized, (image - three.mean) / three.std, rtol=1e-5)
    assert normalized.dtype == np.float32
    batch = evaluate(lambda _: pixels.normalize(tf.constant(image[None]), three), b'')
    assert (batch[0] == normalized).all()
    three_alike = three._replace(mean=(127.5,) * 3, std=(63.75,) * 3)
    same = evaluate(lambda _: pixels.normalize(tf.constant(image), three_alike), b'')
    one = evaluate(lambda _: pixels.normalize(tf.constant(image), SPEC), b'')
    assert (one == same).all()
    assert (one == (image - np.float32(127.5)) * np.float32(1 / 63.75)).all()
