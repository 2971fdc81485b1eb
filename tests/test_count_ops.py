"""The count_ops command."""

import os

import pytest

from scripts import count_ops
from scripts.graphs import graph_files
from tests.evaluation import graphs


@pytest.fixture
def graph(tmp_path):
    return graphs.by_colour(str(tmp_path / 'graph.pb'))


def test_real_nodes_are_counted(in_process, shared_data):
    graph = os.path.join(shared_data, 'classic', 'retrained_graph.pb')
    assert in_process(count_ops, graph).out == '560\n'
    table = in_process(count_ops, graph, '--op_types').out.splitlines()
    counts = [(int(line.split()[0]), line.split()[1]) for line in table]
    assert sum(count for count, _ in counts) == 560
    assert counts == sorted(counts, key=lambda pair: (-pair[0], pair[1]))
    for count, op in counts:
        assert in_process(count_ops, graph, op).out == '%d\n' % count


def test_types_are_counted_not_names(in_process, graph):
    assert in_process(count_ops, graph, 'Softmax').out == '1\n'
    ended = in_process(count_ops, graph, 'final_result')
    assert (ended.status, ended.out, ended.err) == (0, '0\n', '')


def test_no_op_type_steers_a_terminal(in_process, graph):
    graph_def = graph_files.read(graph)
    graph_def.node[-1].op = 'Soft\x1b]0;max\u009b'
    graph_files.write(graph_def, graph)
    ended = in_process(count_ops, graph, '--op_types')
    assert ended.status == 0 and '     1  Soft\\x1b]0;max\\x9b\n' in ended.out


def test_flags_and_places_say_the_same(in_process, graph):
    for arguments in (
        [graph, 'MatMul'],
        ['--graph=' + graph, 'MatMul'],
        [graph, '--op=MatMul'],
        ['--op', 'MatMul', '--graph', graph],
    ):
        assert in_process(count_ops, *arguments).out == '1\n'


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['/nowhere.pb'], 'no graph at /nowhere.pb'),
        (['{graph}', 'MatMul', 'more'], "unexpected argument 'more'"),
        (['{graph}', 'MatMul', '--op=Add'], "unexpected argument 'MatMul'"),
        (['{graph}', 'MatMul', '--op_types'], 'give one of the two'),
        ([__file__], 'is not a frozen graph'),
    ],
)
def test_a_user_error_is_one_line(one_error, graph, arguments, words):
    assert words in one_error(count_ops, *[each.format(graph=graph) for each in arguments])
