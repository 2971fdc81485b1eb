"""Photos decoded at full size."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs.session import open_session
from scripts.images import decoding, pixels
from scripts.images.settings import APPLY, GREY, PixelSpec
from tests.images import exif_kinds, photo_kinds

SPEC = PixelSpec(4, 4, 0, 1)


def write(folder, kinds):
    """Writes photos, a dict from name to bytes; returns their paths."""
    paths = []
    for number, data in enumerate(kinds.values()):
        path = folder / ('%d.jpg' % number)
        path.write_bytes(data)
        paths.append(str(path))
    return paths


@pytest.mark.parametrize(
    'spec', [SPEC, SPEC._replace(channels=GREY), SPEC._replace(exif_rotation=APPLY)]
)
def test_photos_of_all_kinds_are_decoded_as_for_a_network_and_tell_their_size(tmp_path, spec):
    kinds = dict(photo_kinds.READABLE, turned=exif_kinds.rotated(6))
    paths = write(tmp_path, kinds)
    graph = tf.Graph()
    with graph.as_default():
        contents = tf.placeholder(tf.string, [])
        decoded = pixels.decode(contents, spec.exif_rotation, spec.channels)
    found = list(decoding.decode_all(paths, spec))
    with open_session(graph) as session:
        for path, image, data in zip(paths, found, kinds.values()):
            expected = session.run(decoded, {contents: data})
            assert image.dtype == np.uint8 and image.shape == expected.shape
            assert (image == expected).all()
            assert decoding.size_of(path, spec) == image.size


def test_unreadable_photos_are_reported_in_their_places(tmp_path, warnings_of):
    bad = {name: data for name, (data, _) in photo_kinds.UNREADABLE.items()}
    paths = write(tmp_path, dict(bad, good=photo_kinds.JPEG))
    found = []
    warned = warnings_of(lambda: found.extend(decoding.decode_all(paths, SPEC)))
    assert [image is None for image in found] == [True] * len(bad) + [False]
    for text, path, (_, words) in zip(warned, paths, photo_kinds.UNREADABLE.values()):
        assert path in text and words in text
    with pytest.raises(UserError, match='--bad_images=skip'):
        list(decoding.decode_all(paths, SPEC, 'stop'))


def test_sizes_that_nobody_can_decode_count_as_nothing(tmp_path):
    claims = {
        'png': photo_kinds.png_claiming(2**31 - 1, 2**31 - 1),
        'jpeg': photo_kinds.jpeg_claiming(65535, 65535),
        'text': b'<html>',
        'empty': b'',
    }
    paths = write(tmp_path, claims) + [str(tmp_path / 'missing')]
    assert [decoding.size_of(path, SPEC) for path in paths] == [0] * 5


def test_a_size_behind_a_long_head_is_found(tmp_path):
    comments = exif_kinds.with_segments(exif_kinds.segment(0xFE, bytes(60000)) * 3)
    (path,) = write(tmp_path, {'comments': comments})
    (image,) = decoding.decode_all([path], SPEC)
    assert decoding.size_of(path, SPEC) == image.size
