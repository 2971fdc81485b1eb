"""Modes `weights` and `weights_rounded`, and what all modes share."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build
from scripts.quantization import constants, modes, round_weights, settings, simplify
from tests.quantization import small_graphs

pytestmark = pytest.mark.each_tensorflow


def network():
    """Returns a graph with weights of three kinds, a batch norm of vectors, and a small matrix."""

    def make():
        net = tf.placeholder(tf.float32, [None, 6, 5, 24], name='x')
        net = tf.nn.depthwise_conv2d(
            net,
            tf.identity(
                tf.constant(small_graphs.weights(5, 5, 24, 2), name='depthwise'), name='read'
            ),
            [1, 1, 1, 1],
            'SAME',
        )
        net = tf.nn.conv2d(
            net, tf.constant(small_graphs.weights(1, 1, 48, 70), name='pointwise'), 1, 'SAME'
        )
        net = net * tf.rsqrt(tf.constant(np.ones(70, np.float32), name='variance'))
        net = tf.reshape(net, [-1, 2100])
        rows = np.linspace(0.01, 100, 2100)[:, np.newaxis]
        weights = tf.constant(
            (small_graphs.weights(2100, 3) / rows).astype(np.float32), name='final'
        )
        net = tf.matmul(net, weights)
        tf.matmul(net, tf.constant(small_graphs.weights(3, 2), name='small'), name='out')

    return small_graphs.of(make)


def quantize(graph_def, mode, bits=8, outputs=('out',)):
    """Returns the graph in a mode."""
    return modes.quantize(graph_def, settings.Quantization(mode, bits, list(outputs)))


def test_weights_restores_each_constant_under_its_name():
    before, names = network(), ['depthwise', 'pointwise', 'final']
    after = quantize(before, 'weights')
    restored = small_graphs.run(after, names, {})
    for name, exact, found in zip(names, small_graphs.run(before, names, {}), restored):
        nodes = {node.name: node for node in after.node}
        assert nodes[name].op != 'Const'
        assert np.abs(found - exact).max() <= np.abs(exact).max() / 255 + 1e-6
    dtypes = {
        tf.as_dtype(node.attr['dtype'].type) for node in after.node if node.name.endswith('/whole')
    }
    assert dtypes == {tf.uint8, tf.int16}
    assert after.ByteSize() < before.ByteSize() * 0.6


def test_weights_leaves_short_constants_alone():
    before = network()
    nodes = {node.name: node for node in quantize(before, 'weights').node}
    assert nodes['small'].op == 'Const'
    np.testing.assert_array_equal(build.value_of(nodes['small']), small_graphs.weights(3, 2))


def test_weights_takes_only_old_and_common_ops():
    new = small_graphs.ops(quantize(network(), 'weights')) - small_graphs.ops(network())
    assert new <= {'Cast', 'Mul', 'Add'}


def test_shortest_constants_get_16_bits():
    def make():
        net = tf.placeholder(tf.float32, [None, 32], name='x')
        net = tf.matmul(net, tf.constant(small_graphs.weights(32, 40), name='early'))
        tf.matmul(net, tf.constant(small_graphs.weights(40, 2000), name='late'), name='out')

    before = small_graphs.of(make)
    after = quantize(before, 'weights')
    nodes = {node.name: node for node in after.node}
    assert nodes['early/whole'].attr['dtype'].type == tf.int16.as_datatype_enum
    assert nodes['late/whole'].attr['dtype'].type == tf.uint8.as_datatype_enum
    early = small_graphs.run(after, 'early', {})
    np.testing.assert_allclose(early, small_graphs.weights(32, 40), atol=1e-4)


@pytest.mark.parametrize('bits', [2, 4, 8])
def test_weights_rounded_has_few_values(bits):
    before = network()
    after = quantize(before, 'weights_rounded', bits)
    assert small_graphs.ops(after) == small_graphs.ops(before)
    for first, second in zip(simplify.prune(before, ['out']).node, after.node):
        assert first.name == second.name
        if constants.is_large(first):
            exact, found = build.value_of(first), build.value_of(second)
            assert len(np.unique(found)) <= 2**bits
            # Better than the middles of equal buckets, whose error is width / sqrt(12).
            width = np.ptp(exact) / 2**bits
            assert np.sqrt(np.mean((exact - found) ** 2)) < width / np.sqrt(12)
        else:
            assert first == second


def test_centres_of_constant_and_of_few_values_are_exact():
    few = np.float32([[1, 1, 5], [-2, 5, 1]])
    np.testing.assert_array_equal(round_weights.to_centres(few, 256), few)
    same = np.full([3, 4], -0.3, np.float32)
    np.testing.assert_array_equal(round_weights.to_centres(same, 4), same)


@pytest.mark.parametrize('low, high', [(-3, -1), (1, 3), (-2, -2), (0, 0)])
def test_weights_of_one_sign_and_constant_ones_are_quantized(low, high):
    value = np.random.RandomState(3).uniform(low, high, [40, 30]).astype(np.float32)
    found = constants.dequantized(constants.by_channel(value, (1,), 8))
    np.testing.assert_allclose(found, value, atol=max(abs(low), abs(high)) / 255 + 1e-9)


def test_diffused_errors_do_not_add_up():
    value = np.random.RandomState(3).uniform(-20, 20, [500, 7])
    found = constants.diffuse_errors(value, -127, 127)
    assert np.abs(found - value).max() <= 1
    assert np.abs((found - value).sum(axis=0)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize('mode', ['round', 'quantize'])
def test_fewer_bits_are_further_off(mode):
    before, feed = network(), {'x': small_graphs.weights(2, 6, 5, 24)}
    exact = small_graphs.run(before, 'out', feed)
    errors = [
        np.abs(small_graphs.run(quantize(before, mode, bits), 'out', feed) - exact).max()
        for bits in (8, 6, 4, 2)
    ]
    assert errors == sorted(errors)
    assert 0 < errors[0] < 0.03 * np.ptp(exact) < errors[-1]


@pytest.mark.parametrize('mode', ['round', 'quantize'])
@pytest.mark.parametrize('low, high', [(-3, -2), (2, 3), (0, 0)])
def test_rounding_values_of_one_sign(mode, low, high):
    def make():
        rows = tf.placeholder(tf.float32, [None, 3], name='x')
        tf.nn.bias_add(rows, tf.constant([low / 2] * 3, tf.float32), name='out')

    graph_def = small_graphs.of(make)
    feed = {'x': np.random.RandomState(1).uniform(low, high, [20, 3]).astype(np.float32)}
    exact = small_graphs.run(graph_def, 'out', feed)
    found = small_graphs.run(quantize(graph_def, mode), 'out', feed)
    np.testing.assert_allclose(found, exact, atol=2 * np.abs(exact).max() / 255)


def test_round_gives_as_many_steps_as_it_says():
    def make():
        rows = tf.placeholder(tf.float32, [None, 3], name='x')
        tf.nn.bias_add(rows, tf.constant([0.1, 0.2, 0.3]), name='out')

    after = quantize(small_graphs.of(make), 'round', 3)
    values = small_graphs.run(after, 'out', {'x': small_graphs.weights(200, 3)})
    assert len(np.unique(values)) == 8


@pytest.mark.parametrize('mode', settings.MODES)
def test_inception_runs_in_every_mode(mode):
    before = small_graphs.inception()
    after = quantize(before, mode, outputs=['final_result'])
    pixels = np.random.RandomState(1).uniform(-1, 1, [1, 299, 299, 3]).astype(np.float32)
    exact, found = [
        small_graphs.run(graph_def, 'final_result', {'Mul': pixels})
        for graph_def in (before, after)
    ]
    np.testing.assert_allclose(found, exact, atol=0.03)
    names = {node.name for node in after.node}
    assert {'Mul', 'final_result', 'input/Bottleneck'} <= names


@pytest.mark.parametrize('mode', settings.MODES)
def test_passes_leave_their_argument_alone_and_repeat_to_the_byte(mode):
    before = network()
    copy = before.SerializeToString(deterministic=True)
    first, second = quantize(before, mode), quantize(before, mode)
    assert before.SerializeToString(deterministic=True) == copy
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )


def refusal(graph_def, outputs=('out',)):
    """Returns the message with which a graph is refused."""
    with pytest.raises(UserError) as error:
        quantize(graph_def, 'weights', outputs=outputs)
    return str(error.value)


def test_graphs_that_cannot_be_quantized():
    assert 'out' in refusal(network(), ['ou'])
    assert 'output_node_names' in refusal(network(), [])
    for mode in ('weights', 'eightbit'):
        assert 'already' in refusal(quantize(network(), mode))

    def training():
        variable = tf.Variable(1.0)
        tf.identity(variable, name='out')

    assert 'training' in refusal(small_graphs.of(training))
