"""Names of new nodes: whatever the nodes of a graph are called, quantizing keeps them apart."""

import hypothesis
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import strategies as st

from scripts.graphs import build
from scripts.quantization import modes, settings
from tests.quantization import small_graphs

pytestmark = pytest.mark.each_tensorflow

# Of the range of the float values: what five tensors in 8 bits are off by at most.
TOLERANCE = 0.03


def quantize(graph_def, mode, outputs=('out',), **more):
    """Returns the graph in a mode, at 8 bits."""
    return modes.quantize(graph_def, settings.Quantization(mode, 8, list(outputs), **more))


def both(graph_def, mode, feed, outputs=('out',)):
    """Checks that a graph gives nearly the same before and after; returns it quantized."""
    after = quantize(graph_def, mode, outputs)
    before_values = small_graphs.run(graph_def, list(outputs), feed)
    for first, second in zip(before_values, small_graphs.run(after, list(outputs), feed)):
        spread = max(first.max(), 0) - min(first.min(), 0)
        np.testing.assert_allclose(second, first, atol=TOLERANCE * spread)
    return after


def images(channels=4):
    """Returns random values `[2, 6, 6, channels]`, each channel with a range of its own."""
    random = np.random.RandomState(5).uniform(-1, 1, [2, 6, 6, channels])
    return (random * np.linspace(0.5, 3, channels) + np.arange(channels)).astype(np.float32)


@pytest.mark.parametrize('mode', settings.MODES)
def test_an_output_of_a_split_is_not_the_node_of_that_name(mode):
    """`split:1` and the first output of `split_1`: four convolutions, each with its own input."""

    def make():
        pixels = tf.placeholder(tf.float32, [None, 6, 6, 4], name='x')
        halves = [tf.split(net, 2, 3) for net in (pixels, pixels * -3.0)]
        convolutions = [
            tf.nn.conv2d(half, tf.constant(small_graphs.weights(3, 3, 2, 3)), 1, 'SAME')
            for pair in halves
            for half in pair
        ]
        tf.concat(convolutions, 3, name='out')

    graph_def = small_graphs.of(make)
    assert {'split', 'split_1'} <= {node.name for node in graph_def.node}
    both(graph_def, mode, {'x': images()})


def network():
    """Returns a graph with the ops that quantizing handles, from `x` to `out`, and its weights."""

    def make():
        net = tf.placeholder(tf.float32, [None, 6, 6, 4], name='x')
        net = tf.nn.conv2d(
            net, tf.constant(small_graphs.weights(3, 3, 4, 40) / 6, name='w'), 1, 'SAME', name='c'
        )
        vectors = [tf.constant(np.float32([value] * 40)) for value in (1.5, 0.2, 0.3, 2)]
        net = tf.nn.fused_batch_norm(net, *vectors, is_training=False, name='n')[0]
        net = tf.nn.relu(net, name='r')
        net = tf.nn.conv2d(
            net, tf.constant(small_graphs.weights(1, 1, 40, 30) / 6, name='v'), 1, 'SAME', name='d'
        )
        net = tf.nn.bias_add(net, tf.constant(small_graphs.weights(30), name='b'), name='e')
        net = tf.nn.max_pool(tf.nn.relu6(net, name='s'), 2, 2, 'SAME', name='p')
        net = tf.concat([net, tf.nn.relu(net, name='t')], 3, name='k')
        net = tf.reshape(net, [-1, 540], name='f')
        logits = tf.matmul(net, tf.constant(small_graphs.weights(540, 4) / 20, name='u'), name='m')
        tf.multiply(logits, 1.5, name='out')

    return small_graphs.of(make)


@pytest.mark.parametrize('mode', settings.MODES)
def test_nodes_may_have_the_names_that_the_mode_gives(mode):
    """Decoys with all names of new nodes, then with the names that those nodes move to."""
    graph_def, outputs = network(), ['out']
    for _ in range(2):
        known = {node.name for node in graph_def.node}
        after = both(graph_def, mode, {'x': images()}, outputs)
        for name in [node.name for node in after.node if node.name not in known]:
            graph_def.node.extend(
                [
                    build.constant(name + '_decoy', np.float32([len(outputs)])),
                    build.node('Neg', name, [name + '_decoy'], T=tf.float32),
                ]
            )
            outputs.append(name)
    assert len(outputs) > 1 or mode == 'weights_rounded'
    both(graph_def, mode, {'x': images()}, outputs)


@pytest.mark.parametrize('mode', settings.MODES)
def test_fed_with_8_bits_where_a_node_has_the_name_of_the_new_one(mode):
    graph_def = network()
    graph_def.node.extend([build.constant('x/fed', np.float32(3))])
    limits = (-1.0, 6.0)
    after = quantize(graph_def, mode, ['out', 'x/fed'], quantized_input=limits)
    eight = np.random.RandomState(4).randint(0, 256, [2, 6, 6, 4]).astype(np.uint8)
    floats = eight * np.float32(7 / 255) - 1
    exact = small_graphs.run(graph_def, 'out', {'x': floats})
    found, decoy = small_graphs.run(after, ['out', 'x/fed'], {'x': eight})
    np.testing.assert_allclose(found, exact, atol=2 * TOLERANCE * np.ptp(exact))
    assert decoy == 3


_SUFFIXES = (
    '',
    '_1',
    '/sums',
    '/exact',
    '/steps',
    '/0',
    '/1',
    '/0Mul',
    '/whole',
    '/cast',
    '/rounded',
    '/rounded_channels',
    '/eightbit',
    '_1/eightbit',
    '/eightbit/quantize',
    '/8bit',
    '/channels',
    '/scale',
    '/scaled',
    '/weights',
    '/sums/range',
    '/eight',
)


@pytest.mark.parametrize('mode', settings.MODES)
@hypothesis.settings(max_examples=5, derandomize=True)
@hypothesis.given(suffixes=st.permutations(_SUFFIXES))
def test_any_names(mode, suffixes):
    graph_def = network()
    fixed = {'x', 'out'}
    renamed = [node.name for node in graph_def.node if node.name not in fixed]
    names = dict(zip(renamed, ['a' + suffix for suffix in suffixes]))
    assert len(names) >= len(_SUFFIXES) - 4
    for node in graph_def.node:
        node.name = names.get(node.name, node.name)
        node.input[:] = [
            ':'.join([names.get(part, part) for part in name.split(':')]) for name in node.input
        ]
    both(graph_def, mode, {'x': images()})
