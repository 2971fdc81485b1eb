"""The graph_pb2tb command."""

import os
import resource

import pytest
import tensorflow.compat.v1 as tf

from scripts import graph_pb2tb
from scripts.graphs import graph_files
from tests.evaluation import graphs


@pytest.fixture
def graph(tmp_path):
    return graphs.by_colour(str(tmp_path / 'graph.pb'))


def written(logdir):
    """Returns the GraphDef in the event file of a folder."""
    (name,) = os.listdir(logdir)
    events = tf.train.summary_iterator(os.path.join(logdir, name))
    (data,) = [event.graph_def for event in events if event.graph_def]
    return tf.GraphDef.FromString(data)


@pytest.mark.parametrize('flagged', [True, False])
def test_the_graph_is_written_with_shapes(in_process, tmp_path, graph, flagged):
    logdir = str(tmp_path / 'some folder')
    arguments = ['--graph=' + graph, '--logdir=' + logdir] if flagged else [logdir, graph]
    ended = in_process(graph_pb2tb, *arguments)
    assert ended.status == 0, ended.err
    assert "tensorboard --logdir '%s'" % logdir in ended.out
    nodes = written(logdir).node
    assert [node.name for node in nodes] == [node.name for node in graph_files.read(graph).node]
    shape = nodes[0].attr['_output_shapes'].list.shape[0]
    assert [dim.size for dim in shape.dim] == [1, 24, 24, 3]


@pytest.mark.parametrize(
    'arguments, words',
    [
        ([], '--logdir is not set'),
        (['{tmp}/log', '/nowhere.pb'], 'no graph at /nowhere.pb'),
        (['{graph}', '{graph}'], 'expected a folder'),
        (['{tmp}/log', '{graph}', 'more'], "unexpected argument 'more'"),
        (['{tmp}/log', '{tmp}/newer.pb'], 'BrandNewOp'),
    ],
)
def test_a_user_error_is_one_line_and_writes_nothing(one_error, tmp_path, graph, arguments, words):
    graph_def = graph_files.read(graph)
    graph_def.node[-1].op = 'BrandNewOp'
    graph_files.write(graph_def, str(tmp_path / 'newer.pb'))
    arguments = [each.format(tmp=tmp_path, graph=graph) for each in arguments]
    assert words in one_error(graph_pb2tb, *arguments)
    assert not (tmp_path / 'log').exists()


def test_a_graph_that_a_limit_cuts_is_told(in_subprocess, tmp_path, graph):
    size = os.path.getsize(graph) // 2

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    logdir = str(tmp_path / 'logs')
    ended = in_subprocess('scripts.graph_pb2tb', logdir, graph, preexec_fn=limit)
    assert ended.status == 1
    assert ended.err.startswith('graph_pb2tb: error: the summaries in %s are truncated' % logdir)
    assert ended.err.count('\n') == 1
