"""Which nodes every path through a graph goes through."""

import random

import pytest
import tensorflow.compat.v1 as tf

from scripts.graphs import paths


def graph(**inputs):
    """Returns a dict from name to NodeDef, of names and the inputs of each with spaces between."""
    return {name: tf.NodeDef(name=name, input=text.split()) for name, text in inputs.items()}


def all_paths(nodes, source, target):
    """Returns every path, one by one."""
    if source == target:
        return [[source]]
    return [
        path + [target]
        for each in nodes[target].input
        for path in all_paths(nodes, source, each)
        if not each.startswith('^')
    ]


def test_a_branch_is_not_on_every_path_and_its_join_is():
    nodes = graph(
        a='', b='a', left='b weights', weights='', right='b:1', join='left right', z='join'
    )
    assert paths.on_every_path(nodes, 'a', 'z') == ['a', 'b', 'join', 'z']
    assert set(paths.between(nodes, 'a', 'z')) == {'a', 'b', 'left', 'right', 'join', 'z'}


def test_a_shortcut_is_a_path_and_a_control_input_is_none():
    assert paths.on_every_path(graph(a='', b='a', c='b a'), 'a', 'c') == ['a', 'c']
    assert paths.on_every_path(graph(a='', b='a', c='b ^a'), 'a', 'c') == ['a', 'b', 'c']


def test_what_the_source_needs_is_left_out():
    nodes = graph(before='', a='before', b='a before')
    assert paths.between(nodes, 'a', 'b') == ['a', 'b']


def test_without_a_path_there_is_nothing():
    assert paths.on_every_path(graph(a='', b=''), 'a', 'b') == []


def test_a_cycle_is_an_error():
    with pytest.raises(ValueError, match='cycle'):
        paths.between(graph(a='', b='a c', c='b'), 'a', 'c')


@pytest.mark.parametrize('seed', range(20))
def test_random_graphs_agree_with_walking_every_path(seed):
    chance = random.Random(seed)
    inputs = {'n0': ''}
    for number in range(1, 12):
        count = chance.randint(1, min(number, 3))
        inputs['n%d' % number] = ' '.join(
            'n%d' % each for each in chance.sample(range(number), count)
        )
    nodes = graph(**inputs)
    walked = all_paths(nodes, 'n0', 'n11')
    expected = set.intersection(*map(set, walked)) if walked else set()
    assert set(paths.on_every_path(nodes, 'n0', 'n11')) == expected
    assert set(paths.between(nodes, 'n0', 'n11')) == {name for path in walked for name in path}


def test_more_paths_than_can_be_counted_are_no_trouble():
    inputs = {'n0': ''}
    for number in range(1, 40000):
        inputs['n%d' % number] = 'n%d n%d' % (number - 1, number - 1)
    assert len(paths.on_every_path(graph(**inputs), 'n0', 'n39999')) == 40000
