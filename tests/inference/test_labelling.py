"""Which output gives the scores."""

import glob
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.images import graph_input as graph_input_lib
from scripts.inference import labelling
from tests import stand_ins


def graph_def(*outputs):
    graph = tf.Graph()
    with graph.as_default():
        logits = tf.placeholder(tf.float32, [1, 5], name='input')
        for name in outputs:
            tf.nn.softmax(logits, name=name)
    return graph.as_graph_def()


@pytest.mark.parametrize(
    'outputs, given, expected',
    [
        (['final_result'], None, 'final_result'),
        (['other', 'final_result'], None, 'final_result'),
        (['mine'], None, 'mine'),
        (['mine', 'final_result'], 'mine', 'mine'),
        (['mine'], 'mine:0', 'mine'),
    ],
)
def test_the_output_is_found(outputs, given, expected):
    assert labelling.output_of(graph_def(*outputs), given) == expected


@pytest.mark.parametrize(
    'outputs, given, words',
    [
        (['one', 'two'], None, 'no node final_result; names that would fit: two, one'),
        (
            ['final_result'],
            'final_results',
            'no node final_results; names that would fit: final_result',
        ),
    ],
)
def test_a_missing_output_is_reported_with_those_that_fit(outputs, given, words):
    with pytest.raises(UserError, match=words):
        labelling.output_of(graph_def(*outputs), given)


def test_many_photos_get_the_scores_that_they_get_alone(photo_dir):
    graph_def = stand_ins.mobilenet(64, 7)
    graph_input = graph_input_lib.read_off(graph_def)
    output = 'MobilenetV1/Predictions/Softmax'
    paths = sorted(glob.glob(os.path.join(photo_dir, '*', '*.jpg')))[:40]
    seen = []
    classifier = labelling.ScoringGraph(graph_def, graph_input, output)
    for batch in labelling.score_many(classifier, paths):
        assert batch.readable.all() and len(batch.values) == len(paths[batch.photos])
        seen.extend(batch.values)
    assert len(seen) == 40
    for path, scores in zip(paths[::13], seen[::13]):
        alone = labelling.score(classifier, path).values
        np.testing.assert_allclose(scores, alone, atol=1e-5)


def test_a_graph_that_does_not_run_on_many_is_reported(photo_dir):
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 20, 30, 3], name='input')
        tf.check_numerics(images[:, 0, 0] / 0.0, 'broken', name='final_result')
    graph_input = graph_input_lib.read_off(graph.as_graph_def())
    paths = sorted(glob.glob(os.path.join(photo_dir, '*', '*.jpg')))[:2]
    classifier = labelling.ScoringGraph(graph.as_graph_def(), graph_input, 'final_result')
    with pytest.raises(UserError, match='does not run from input to final_result'):
        list(labelling.score_many(classifier, paths))


def test_an_inception_graph_with_its_own_decoder_is_fed_at_mul(photo_dir):
    """As the classic script exports it: `Mul` is an operation, not a placeholder."""
    graph_def = stand_ins.inception()
    graph_input = graph_input_lib.read_off(graph_def)
    assert graph_input.name == 'Mul'
    paths = sorted(glob.glob(os.path.join(photo_dir, '*', '*.jpg')))[:3]
    classifier = labelling.ScoringGraph(graph_def, graph_input, 'softmax')
    (together,) = labelling.score_many(classifier, paths)
    alone = [labelling.score(classifier, path).values for path in paths]
    np.testing.assert_allclose(together.values, alone, atol=1e-5)
    assert len(alone[0]) == 1008 and not np.allclose(alone[0], alone[1])
