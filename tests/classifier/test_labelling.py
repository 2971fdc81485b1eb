"""Which output gives the scores."""

import pytest
import tensorflow.compat.v1 as tf

from scripts.classifier import labelling
from scripts.errors import UserError


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
def test_a_missing_output_is_told_with_those_that_fit(outputs, given, words):
    with pytest.raises(UserError, match=words):
        labelling.output_of(graph_def(*outputs), given)
