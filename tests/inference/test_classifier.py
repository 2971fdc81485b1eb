"""The classifier for programs."""

import gc
import os
import pathlib
import resource

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts.common import files
from scripts.common.errors import UserError
from scripts.graphs import graph_files
from scripts.inference import finished_graph, labelling
from scripts.inference.classifier import Classifier
from tests import stand_ins

LABELS = ['l%d' % number for number in range(7)]


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    """The path of a graph, with its labels beside it."""
    folder = tmp_path_factory.mktemp('graph')
    graph_def = stand_ins.mobilenet(64, 7)
    graph_files.write(graph_def, str(folder / 'a_graph.pb'))
    (folder / 'a_labels.txt').write_text('\n'.join(LABELS))
    return str(folder / 'a_graph.pb')


@pytest.fixture
def paths(photo_dir):
    return sorted(str(path) for path in pathlib.Path(photo_dir).glob('*/*.jpg'))[:40]


SETTINGS = finished_graph.Settings(output_layer='MobilenetV1/Predictions/Softmax')


@pytest.fixture
def classifier(graph):
    with Classifier(graph, settings=SETTINGS) as found:
        yield found


def scores_of(best):
    return dict(best)


def test_photos_get_the_scores_that_label_image_gives(graph, classifier, paths):
    read = finished_graph.read(graph, files.read(graph, 'graph'), SETTINGS)
    expected = np.concatenate(
        [batch.values for batch in labelling.score_many(read.classifier, paths)]
    )
    assert classifier.labels == LABELS
    found = classifier.label(paths, top_k=7)
    for best, scores in zip(found, expected):
        assert [label for label, _ in best] == [LABELS[i] for i in np.argsort(-scores)]
        assert [score for _, score in best] == sorted(map(float, scores), reverse=True)
    alone = classifier.label(pathlib.Path(paths[3]))
    assert len(alone) == 5
    for label, score in alone:
        assert score == pytest.approx(scores_of(found[3])[label], abs=1e-5)


def test_a_decoded_photo_gets_the_scores_of_its_file(classifier, tmp_path, paths):
    # A PNG: decoders of JPEGs differ in single values.
    image = np.array(Image.open(paths[0]).convert('RGB'))
    grey = np.array(Image.open(paths[1]).convert('L'))
    Image.fromarray(image).save(str(tmp_path / 'colour.png'))
    Image.fromarray(grey).save(str(tmp_path / 'grey.png'))
    colour_path, grey_path = str(tmp_path / 'colour.png'), str(tmp_path / 'grey.png')
    given = [image, grey_path, grey, grey[..., None], colour_path]
    one, two, three, four, five = map(scores_of, classifier.label(given, 7))
    assert one == pytest.approx(five, abs=1e-6)
    assert two == pytest.approx(three, abs=1e-6) and three == four
    assert one != pytest.approx(two, abs=1e-4)
    assert scores_of(classifier.label(image, 7)) == pytest.approx(one, abs=1e-6)


def test_nothing_is_labelled_of_nothing(classifier):
    assert classifier.label([]) == []


def test_an_unreadable_photo_is_an_error_alone_and_none_among_others(
    classifier, tmp_path, paths, warnings_of
):
    (tmp_path / 'bad.jpg').write_bytes(b'not a photo')
    bad = str(tmp_path / 'bad.jpg')
    with pytest.raises(UserError, match='bad.jpg'):
        classifier.label(bad)
    found = []
    (warning,) = warnings_of(lambda: found.extend(classifier.label([paths[0], bad])))
    assert 'bad.jpg' in warning and found[1] is None and len(found[0]) == 5


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
    ids=['float', 'four channels', 'batch', 'empty', 'flat'],
)
def test_an_array_that_is_no_photo_is_refused(classifier, image):
    with pytest.raises(UserError, match=r'is no photo: expected uint8 \[height, width, 3\]'):
        classifier.label(image)


def test_labels_that_do_not_fit_are_told(graph, tmp_path, paths):
    (tmp_path / 'labels.txt').write_text('a\nb')
    words = 'there are 2 labels, and the graph .* gives 7 scores'
    labels = str(tmp_path / 'labels.txt')
    with Classifier(graph, labels, SETTINGS) as found, pytest.raises(UserError, match=words):
        found.label(paths[0])


def test_two_are_open_at_once_and_nothing_comes_of_a_closed_one(graph, paths):
    with Classifier(graph, settings=SETTINGS) as one, Classifier(graph, settings=SETTINGS) as two:
        assert one.label(paths[:2]) == two.label(paths[:2])
        one.close()
        assert len(two.label(paths[0])) == 5
        with pytest.raises(RuntimeError, match='closed'):
            one.label(paths[0])


@pytest.mark.once
def test_a_closed_one_frees_its_memory(tmp_path):
    """Twelve of 40 MB, one after the other, take no more than a few."""
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [None, 4, 4, 3], name='input')
        weights = tf.constant(np.random.RandomState(0).rand(48, 200000).astype(np.float32))
        wide = tf.matmul(tf.reshape(images, [-1, 48]), weights)
        tf.nn.softmax(wide[:, :5], name='final_result')
    path = str(tmp_path / 'large_graph.pb')
    graph_files.write(graph.as_graph_def(), path)
    (tmp_path / 'large_labels.txt').write_text('\n'.join(LABELS[:5]))

    def use():
        with Classifier(path) as found:
            found.label(np.zeros((5, 5, 3), np.uint8))
        del found
        gc.collect()

    for _ in range(3):
        use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(9):
        use()
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < 2 * os.path.getsize(path)
