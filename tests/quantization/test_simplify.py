"""Constant folding: what is computed once in place of in each run of the graph."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.quantization import modes, settings
from tests.quantization import small_graphs

pytestmark = pytest.mark.each_tensorflow

FOLDING = ['weights', 'eightbit']


def quantize(graph_def, mode):
    """Returns the graph in a mode, at 8 bits."""
    return modes.quantize(graph_def, settings.Quantization(mode, 8, ['out']))


def added_to_input(make):
    """Returns a graph that adds what `make` gives, of any shape, to its input `x`."""

    def add():
        fed = tf.placeholder(tf.float32, [1, 1], name='x')
        tf.raw_ops.Add(x=fed, y=tf.cast(make(), tf.float32), name='out')

    return small_graphs.of(add)


def shuffled():
    return tf.random.shuffle(tf.constant(np.arange(1000, dtype=np.float32)))


# Ops that give other values on each run though all that they take is constant.
RANDOM = {
    'RandomUniform': lambda: tf.random.uniform([3]),
    'RandomUniformInt': lambda: tf.random.uniform([3], maxval=10**6, dtype=tf.int32),
    'RandomStandardNormal': lambda: tf.random.normal([3]),
    'TruncatedNormal': lambda: tf.random.truncated_normal([3]),
    'RandomGamma': lambda: tf.random.gamma([3], 5.0),
    'RandomPoissonV2': lambda: tf.random.poisson([1e5], [3]),
    'RandomShuffle': shuffled,
    'Multinomial': lambda: tf.random.categorical(tf.zeros([1, 10**4]), 3),
}


@pytest.mark.parametrize('mode', FOLDING)
@pytest.mark.parametrize('op', sorted(RANDOM))
def test_random_numbers_are_drawn_on_each_run(op, mode):
    graph_def = added_to_input(RANDOM[op])
    assert op in small_graphs.ops(graph_def)
    after = quantize(graph_def, mode)
    first, second = [small_graphs.run(after, 'out', {'x': [[0]]}) for _ in range(2)]
    assert (first != second).any()


@pytest.mark.parametrize('mode', FOLDING)
def test_random_numbers_in_a_function_are_drawn_on_each_run(mode):
    def make():
        from tensorflow.python.framework import function

        @function.Defun()
        def drawn():
            return tf.random.uniform([3])

        return tf.add(drawn(), 0.0)

    graph_def = added_to_input(make)
    # A function that takes something: without inputs nothing was ever folded.
    call = next(node for node in graph_def.node if node.op.startswith('drawn'))
    function = graph_def.library.function[0]
    argument = function.signature.input_arg.add(name='unused')
    argument.type = tf.float32.as_datatype_enum
    constant = next(node for node in graph_def.node if node.op == 'Const')
    call.input.append(constant.name)
    after = quantize(graph_def, mode)
    first, second = [small_graphs.run(after, 'out', {'x': [[0]]}) for _ in range(2)]
    assert (first != second).any()


def element_of_list():
    elements = tf.raw_ops.TensorListFromTensor(
        tensor=tf.constant([[1.0], [2.0]]), element_shape=tf.constant([1])
    )
    first = tf.cast(tf.random.uniform([]), tf.int32)  # Zero, but no constant.
    return tf.raw_ops.TensorListGetItem(
        input_handle=elements, index=first, element_shape=tf.constant([1]), element_dtype=tf.float32
    )


# What is constant, but cannot be a Const node in place of the node itself.
NO_CONSTANT = {
    'Split': lambda: tf.add(*tf.split(tf.constant([1.0, 2.0]), 2)),
    'Unpack': lambda: tf.subtract(*tf.unstack(tf.constant([1.0, 2.0]))),
    'TensorListFromTensor': element_of_list,
    'PlaceholderWithDefault': lambda: tf.placeholder_with_default(tf.constant([4.0]), [1]) * 2.0,
}


@pytest.mark.parametrize('mode', FOLDING)
@pytest.mark.parametrize('op', sorted(NO_CONSTANT))
def test_what_no_constant_can_stand_for_stays(op, mode):
    graph_def = added_to_input(NO_CONSTANT[op])
    assert op in small_graphs.ops(graph_def)
    after = quantize(graph_def, mode)
    exact, found = [small_graphs.run(graph, 'out', {'x': [[3]]}) for graph in (graph_def, after)]
    np.testing.assert_allclose(found, exact, atol=1e-6)
    if op == 'PlaceholderWithDefault':
        assert op in small_graphs.ops(after)


def test_what_is_constant_is_folded():
    graph_def = added_to_input(lambda: tf.rsqrt(tf.constant([4.0, 9.0]) + 1.0) * 3.0)
    assert small_graphs.ops(quantize(graph_def, 'weights')) == {'Placeholder', 'Const', 'Add'}
