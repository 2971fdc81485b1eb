"""How far a quantized graph is from the one before, and when that is said to be too far."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import quantize_graph
from scripts.common.errors import UserError
from scripts.graphs import build, graph_files, search
from scripts.quantization import comparison, modes, settings
from tests import stand_ins
from tests.quantization import small_graphs

pytestmark = pytest.mark.each_tensorflow


def lines(graph_def, after, mode, output, bits=8):
    """Returns what is said of a graph and one that was made of it."""
    how = settings.Quantization(mode, bits, [output])
    trial = comparison.run_trial(graph_def, how, None)
    return comparison.unexpected(comparison.differences(trial, after, [output]), how)


def convolutions():
    """Returns a graph of four convolutions of one image each, joined to `out`."""

    def make():
        pixels = tf.placeholder(tf.float32, [1, 8, 8, 4], name='x')
        joined = [
            tf.nn.conv2d(
                each, tf.constant(small_graphs.weights(3, 3, 1, 3)), 1, 'SAME', name='c%d' % index
            )
            for index, each in enumerate(tf.split(pixels, 4, 3))
        ]
        tf.concat(joined, 3, name='out')

    return small_graphs.of(make)


def with_half_wrong(graph_def):
    """Makes convolutions take the inputs of others, as when two tensors shared a quantizer."""
    wrong = tf.GraphDef()
    wrong.CopyFrom(graph_def)
    nodes = search.nodes_by_name(wrong)
    for mine, other in (('c0', 'c1'), ('c2', 'c3')):
        nodes[mine].input[0] = nodes[other].input[0]
    return wrong


@pytest.mark.parametrize('mode', ['round', 'quantize', 'eightbit', 'weights'])
def test_half_of_the_output_that_is_wrong_is_said(mode):
    graph_def = convolutions()
    (line,) = lines(graph_def, with_half_wrong(graph_def), mode, 'out')
    assert line.startswith('out: the two graphs are ') and mode in line
    assert not lines(graph_def, graph_def, mode, 'out')


def test_few_bits_explain_it():
    graph_def = convolutions()
    assert not lines(graph_def, with_half_wrong(graph_def), 'round', 'out', 6)


def test_the_command_warns(in_process, tmp_path, monkeypatch):
    graph_def = convolutions()
    graph_files.write(graph_def, str(tmp_path / 'float.pb'))
    flags = ['--input=%s/float.pb' % tmp_path, '--output=%s/out.pb' % tmp_path]
    flags += ['--output_node_names=out', '--mode=weights']
    assert 'is expected' not in in_process(quantize_graph, *flags).err
    monkeypatch.setattr(modes, 'quantize', lambda *_: with_half_wrong(graph_def))
    ended = in_process(quantize_graph, *flags)
    assert ended.status == 0
    assert [line for line in ended.err.splitlines() if line.startswith('WARNING: out: the two')]


def test_values_that_are_no_numbers_are_an_error():
    graph_def = convolutions()
    broken = tf.GraphDef()
    broken.CopyFrom(graph_def)
    node = next(node for node in broken.node if node.op == 'Const' and build.value_of(node).ndim)
    node.CopyFrom(build.constant(node.name, np.full([3, 3, 1, 3], np.nan, np.float32)))
    with pytest.raises(UserError, match='not numbers at the node out: nothing was written'):
        lines(graph_def, broken, 'weights', 'out')


def test_an_output_of_zeros():
    graph_def = small_graphs.of(
        lambda: tf.multiply(tf.placeholder(tf.float32, [1, 3], name='x'), 0.0, name='out')
    )
    assert not lines(graph_def, graph_def, 'weights', 'out')


STAND_INS = {'mobilenet': stand_ins.mobilenet, 'inception': small_graphs.inception}


@pytest.mark.parametrize('mode', settings.MODES)
@pytest.mark.parametrize('name', sorted(STAND_INS))
def test_no_warning_of_stand_ins(name, mode):
    graph_def = STAND_INS[name]()
    output = search.outputs(graph_def)[0]
    after = modes.quantize(graph_def, settings.Quantization(mode, 8, [output]))
    assert not lines(graph_def, after, mode, output)


REAL = [
    'classic/retrained_graph.pb',
    'models/mobilenet_v1_0.75_224/frozen_graph.pb',
    'models/mobilenet_v1_1.0_224/frozen_graph.pb',
    'networks/efficientnet_lite0.pb',
    'networks/mobilenet_v2_1.0_224.pb',
]


@pytest.mark.parametrize('mode', settings.MODES)
@pytest.mark.parametrize('path', REAL)
@pytest.mark.each_tensorflow
def test_no_warning_of_real_graphs(shared_data, path, mode):
    graph_def = graph_files.read(os.path.join(shared_data, path))
    output = search.outputs(graph_def)[0]
    after = modes.quantize(graph_def, settings.Quantization(mode, 8, [output]))
    assert not lines(graph_def, after, mode, output)
