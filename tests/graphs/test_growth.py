"""What graphs cost grows no faster than they do: counted in steps, which no other work disturbs."""

import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, graph_files, search, session, validation
from scripts.graphs.importing import as_graph
from scripts.images import graph_input
from scripts.quantization import comparison, modes, settings
from tests import pictures

SMALL, LARGE = 300, 1200


def steps(function):
    """Returns how many calls, lines and turns of loops in Python `function` takes."""
    count = 0

    def trace(_, __, ___):
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def placeholder(name):
    """Returns a placeholder of float32 `[1, 4]`."""
    node = build.node('Placeholder', name, [], dtype=tf.float32)
    node.attr['shape'].shape.CopyFrom(tf.TensorShape([1, 4]).as_proto())
    return node


def chain(op):
    """Returns what makes a graph of as many nodes in a row as asked for."""

    def make(count):
        nodes = [placeholder('input')]
        for index in range(count):
            nodes.append(build.node(op, 'n%d' % index, [nodes[-1].name], T=tf.float32))
        nodes.append(build.node('Softmax', 'out', [nodes[-1].name], T=tf.float32))
        return tf.GraphDef(node=nodes)

    return make


def chain_backwards(count):
    """The nodes of a chain, with the last one first: each waits for what comes later."""
    graph_def = chain('Neg')(count)
    return tf.GraphDef(node=reversed(list(graph_def.node)))


def chain_with_users(count):
    """A chain of Identity nodes, each of which is also an input of a sum."""
    graph_def = chain('Identity')(count)
    names = ['n%d' % index for index in range(count)]
    graph_def.node.extend(
        build.node('Neg', 'user' + name, [name + ':0'], T=tf.float32) for name in names
    )
    total = build.node('AddN', 'out_sum', ['user' + name for name in names], T=tf.float32, N=count)
    del graph_def.node[count + 1]
    graph_def.node.extend([total, build.node('Softmax', 'out', ['out_sum'], T=tf.float32)])
    return graph_def


def many_inputs(count):
    names = ['p%d' % index for index in range(count)]
    nodes = [placeholder(name) for name in ['input'] + names]
    nodes.append(build.node('AddN', 'sum', ['input'] + names, T=tf.float32, N=count + 1))
    return tf.GraphDef(node=nodes + [build.node('Softmax', 'out', ['sum'], T=tf.float32)])


def many_constants(count):
    """As many weights, each large enough to be quantized, in layers that are summed."""
    nodes = [placeholder('input')]
    value = np.ones([4, 256], np.float32)  # A large constant has 1,024 numbers.
    for index in range(count // 10):
        nodes.append(build.constant('w%d' % index, value))
        nodes.append(build.node('MatMul', 'm%d' % index, ['input', 'w%d' % index], T=tf.float32))
    names = ['m%d' % index for index in range(count // 10)]
    nodes.append(build.node('AddN', 'sum', names, T=tf.float32, N=len(names)))
    return tf.GraphDef(node=nodes + [build.node('Softmax', 'out', ['sum'], T=tf.float32)])


GRAPHS = {
    'chain of Identity': chain('Identity'),
    'chain of Relu': chain('Relu'),
    'backwards': chain_backwards,
    'chain with users': chain_with_users,
    'many inputs': many_inputs,
    'many constants': many_constants,
}


def loaded(data):
    graph_def = graph_files.parse(data, 'here')
    validation.check_operations(graph_def)
    graph_input.read_off(graph_def)
    search.outputs(graph_def)
    search.downstream(graph_def, 'input')
    search.ranges_depend_on(graph_def, 'input')


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize('kind', sorted(GRAPHS))
def test_loading(kind):
    data = [GRAPHS[kind](count).SerializeToString() for count in (SMALL, LARGE)]
    loaded(data[0])  # What is done once only.
    few, many = [steps(lambda each=each: loaded(each)) for each in data]
    assert many < 1.2 * LARGE / SMALL * few


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize('mode', settings.MODES)
@pytest.mark.parametrize('kind', sorted(set(GRAPHS) - {'backwards'}))
def test_quantizing(kind, mode):
    graphs = [GRAPHS[kind](count) for count in (SMALL, LARGE)]
    how = settings.Quantization(mode, 8, ['out'])
    modes.quantize(graphs[0], how)
    few, many = [steps(lambda each=each: modes.quantize(each, how)) for each in graphs]
    assert many < 1.2 * LARGE / SMALL * few


@pytest.mark.slow
@pytest.mark.once
def test_feeding():
    few, many = [
        steps(lambda count=count: comparison.feeds(many_inputs(count), None))
        for count in (SMALL, LARGE)
    ]
    assert many < 1.2 * LARGE / SMALL * few


@pytest.mark.slow
@pytest.mark.once
def test_a_chain_that_is_deeper_than_pythons_stack():
    how = settings.Quantization('eightbit', 8, ['out'])
    assert modes.quantize(chain('Relu')(3 * sys.getrecursionlimit()), how)


@pytest.mark.slow  # With each TensorFlow: it is TensorFlow that this is about.
def test_a_long_chain_labels_a_photo(in_subprocess, tmp_path):
    """In a process of its own: TensorFlow 2 ended here with SIGSEGV."""
    graph_def = chain('Identity')(60000)
    shape = graph_def.node[0].attr['shape'].shape
    shape.CopyFrom(tf.TensorShape([1, 4, 4, 3]).as_proto())
    last = graph_def.node[-1]
    graph_def.node.extend(
        [
            build.constant('flat', np.int32([-1, 48])),
            build.node('Reshape', 'rows', [last.input[0], 'flat'], T=tf.float32, Tshape=tf.int32),
        ]
    )
    last.input[0] = 'rows'
    graph_files.write(graph_def, str(tmp_path / 'chain.pb'))
    (tmp_path / 'labels.txt').write_text('\n'.join('label %d' % index for index in range(48)))
    pictures.draw(str(tmp_path / 'photo.jpg'), (200, 10, 10), 1)
    ended = in_subprocess(
        'scripts.label_image',
        '--graph=%s' % (tmp_path / 'chain.pb'),
        '--labels=%s' % (tmp_path / 'labels.txt'),
        '--output_layer=out',
        str(tmp_path / 'photo.jpg'),
    )
    assert ended.status == 0, ended.err
    assert ended.out.count('score=') == 5


def test_a_node_that_takes_itself_is_a_cycle():
    graph_def = chain('Neg')(3)
    graph_def.node[2].input[0] = graph_def.node[2].name
    with pytest.raises(UserError, match='cycle'):
        validation.check_structure(graph_def, 'it')


def test_huge_graphs_run_as_they_are():
    """TensorFlow's rewriting of graphs is quadratic in a chain's length, or ends in a crash."""
    with as_graph(chain('Identity')(3)).as_default() as graph:
        assert not session.open_session(graph)._config.graph_options.rewrite_options.ByteSize()
    with tf.Graph().as_default() as graph:
        for _ in range(session.MOST_REWRITTEN + 1):
            tf.no_op()
    config = session.open_session(graph)._config
    assert config.graph_options.rewrite_options.disable_meta_optimizer
