"""Each 8-bit op against its float one, on small graphs with mutually different sizes."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.graphs import rewrite
from scripts.quantization import candidates, modes, ranges, settings
from tests.quantization import small_graphs

pytestmark = pytest.mark.each_tensorflow

# Of the range of the float values: a trip through 8 bits is off by half a level of 255, and so
# each tensor on the way adds about 1/500.
TOLERANCE = 0.025


def eightbit(graph_def, outputs=('out',), **more):
    """Returns the graph in mode eightbit."""
    return modes.quantize(graph_def, settings.Quantization('eightbit', 8, list(outputs), **more))


def both(graph_def, feed, outputs=('out',), tolerance=TOLERANCE, **more):
    """Checks that both graphs give nearly the same; returns the quantized graph."""
    after = eightbit(graph_def, outputs, **more)
    before_values = small_graphs.run(graph_def, list(outputs), feed)
    for first, second in zip(before_values, small_graphs.run(after, list(outputs), feed)):
        assert first.shape == second.shape
        spread = max(first.max(), 0) - min(first.min(), 0)
        np.testing.assert_allclose(second, first, atol=max(tolerance * spread, 1e-6))
    return after


def images(batch=2, height=7, width=9, channels=3):
    """Returns random values `[batch, height, width, channels]`, -2 to 3."""
    shape = [batch, height, width, channels]
    return np.random.RandomState(5).uniform(-2, 3, shape).astype(np.float32)


def placeholder(channels=3):
    """Returns a placeholder for `images`."""
    return tf.placeholder(tf.float32, [None, 7, 9, channels], name='x')


@pytest.mark.parametrize('padding', ['SAME', 'VALID'])
@pytest.mark.parametrize('stride', [1, 2, 3, 4])
@pytest.mark.parametrize('size', [1, 3])
@pytest.mark.parametrize('relu', [False, True])
def test_conv2d(padding, stride, size, relu):
    def make():
        kernel = tf.constant(small_graphs.weights(size, size, 3, 5))
        conv = tf.nn.conv2d(placeholder(), kernel, stride, padding, name='conv')
        (tf.nn.relu if relu else tf.identity)(conv, name='out')

    after = both(small_graphs.of(make), {'x': images()})
    if stride > (size + 1 if padding == 'SAME' else 3):
        # TensorFlow's kernel would look at other pixels.
        assert 'QuantizedConv2D' not in small_graphs.ops(after)
    else:
        assert 'QuantizedConv2D' in small_graphs.ops(after)
        assert not small_graphs.ops(after) & {'Conv2D', 'Relu'}


def test_padding_is_exactly_zero():
    kernel = np.ones([3, 3, 1, 1], np.float32)

    def make():
        pixels = tf.placeholder(tf.float32, [1, 5, 5, 1], name='x')
        tf.nn.conv2d(pixels, tf.constant(kernel), 1, 'SAME', name='out')

    values = np.full([1, 5, 5, 1], 0.9, np.float32)
    values[0, 2, 2, 0] = -0.37  # A range that would not hold zero at a level of its own.
    after = eightbit(small_graphs.of(make))
    np.testing.assert_allclose(
        small_graphs.run(after, 'out', {'x': values})[0, 0, 0, 0], 4 * 0.9, atol=0.02
    )


@pytest.mark.parametrize('transposed', [False, True])
@pytest.mark.parametrize('relu', [False, True])
def test_matmul(transposed, relu):
    def make():
        rows = tf.placeholder(tf.float32, [None, 13], name='x')
        second = small_graphs.weights(*((7, 13) if transposed else (13, 7)))
        product = tf.matmul(rows, tf.constant(second), transpose_b=transposed)
        (tf.nn.relu if relu else tf.identity)(product, name='out')

    after = both(small_graphs.of(make), {'x': small_graphs.weights(4, 13)})
    assert 'QuantizedMatMul' in small_graphs.ops(after)
    assert 'MatMul' not in small_graphs.ops(after)


CHAIN_OPS = {
    'BiasAdd': lambda net: tf.nn.bias_add(net, tf.constant([0.5, -1.0, 2.0, 0.1, 0.0])),
    'Relu': tf.nn.relu,
    'Relu6': tf.nn.relu6,
    'MaxPool': lambda net: tf.nn.max_pool(net, 3, 2, 'SAME'),
    'MaxPool valid': lambda net: tf.nn.max_pool(net, 2, 1, 'VALID'),
    'AvgPool': lambda net: tf.nn.avg_pool(net, 2, 2, 'VALID'),
    'AvgPool same': lambda net: tf.nn.avg_pool(net, 3, 1, 'SAME'),
    'Reshape': lambda net: tf.reshape(net, [-1, 45]),
    'ConcatV2': lambda net: tf.concat([net, tf.nn.max_pool(net, 1, 1, 'SAME'), net], 3),
    'ConcatV2 from the back': lambda net: tf.concat([net, net], -1),
}


@pytest.mark.parametrize('name', sorted(CHAIN_OPS))
@pytest.mark.parametrize('behind_conv', [False, True])
def test_op_alone_and_behind_a_convolution(name, behind_conv):
    def make():
        net = placeholder(5)
        if behind_conv:
            kernel = tf.constant(small_graphs.weights(3, 3, 5, 5) / 7)
            net = tf.nn.relu(tf.nn.conv2d(net, kernel, 1, 'SAME'))
        tf.identity(CHAIN_OPS[name](net), name='out')

    after = both(small_graphs.of(make), {'x': images(channels=5)})
    if name == 'Reshape':  # Finding a range takes Reshape nodes of its own.
        assert 'QuantizedReshape' in small_graphs.ops(after)
    else:
        assert name.split()[0] not in small_graphs.ops(after)


def test_the_convolutions_with_the_fewest_weights_stay_floats():
    random = np.random.RandomState(4)
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 16, 16, 3], name='x')
        few = random.randn(1, 1, 3, 8).astype(np.float32)
        light = tf.nn.conv2d(images, few, 1, 'SAME', name='light')
        heavy = random.randn(3, 3, 8, 64).astype(np.float32)
        tf.nn.conv2d(tf.nn.relu(light), heavy, 1, 'SAME', name='out')
    feed = {'x': random.rand(1, 16, 16, 3).astype(np.float32)}
    after = both(graph.as_graph_def(), feed, ['out'])
    kinds = {node.name: node.op for node in after.node}
    assert kinds['light'] == 'Conv2D' and kinds['out/sums'] == 'QuantizedConv2D'


def test_old_concat_and_batch_norm_of_inception(monkeypatch):
    monkeypatch.setattr(candidates, 'FLOAT_FRACTION', 0)
    graph_def = small_graphs.inception()
    assert {'Concat', 'BatchNormWithGlobalNormalization', 'CheckNumerics'} <= small_graphs.ops(
        graph_def
    )
    pixels = np.random.RandomState(1).uniform(-1, 1, [1, 299, 299, 3]).astype(np.float32)
    # Nine tensors on the way, and the softmax: over ten inputs both TensorFlows came to 0.038.
    after = both(graph_def, {'Mul': pixels}, ['final_result'], tolerance=0.05)
    assert not small_graphs.ops(after) & {
        'Concat',
        'Conv2D',
        'MaxPool',
        'AvgPool',
        'CheckNumerics',
        'MatMul',
        'BatchNormWithGlobalNormalization',
    }


def test_batch_norm_without_a_layer_has_its_kernel():
    feed = {'x': np.random.RandomState(2).rand(2, 4, 4, 3).astype(np.float32)}
    after = both(small_graphs.batch_norm_op(), feed)
    assert 'QuantizedBatchNormWithGlobalNormalization' in small_graphs.ops(after)


@pytest.mark.parametrize('op', ['fused', 'nodes'])
def test_batch_norm_behind_a_convolution_goes_into_its_scales(op):
    def make():
        conv = tf.nn.conv2d(
            placeholder(), tf.constant(small_graphs.weights(3, 3, 3, 4) / 6), 1, 'SAME'
        )
        gamma, beta, mean, variance = [
            tf.constant(np.float32(value))
            for value in ([1, 3, 0.5, -2], [0, 1, 2, 3], [1, -1, 0.5, 2], [1, 2, 3, 4])
        ]
        if op == 'fused':
            norm = tf.nn.fused_batch_norm(conv, gamma, beta, mean, variance, is_training=False)[0]
        else:
            norm = tf.nn.batch_normalization(conv, mean, variance, beta, gamma, 0.001)
        tf.nn.relu6(norm, name='out')

    after = both(small_graphs.of(make), {'x': images()})
    assert not small_graphs.ops(after) & {'FusedBatchNorm', 'FusedBatchNormV3', 'Rsqrt', 'Conv2D'}


def test_training_batch_norm_is_passed_by():
    def make():
        conv = tf.nn.conv2d(placeholder(), tf.constant(small_graphs.weights(1, 1, 3, 4)), 1, 'SAME')
        norm = tf.nn.fused_batch_norm(conv, tf.ones([4]), tf.zeros([4]), is_training=True)[0]
        tf.identity(norm, name='out')

    both(small_graphs.of(make), {'x': images()})


def test_depthwise_and_dilated_convolutions_stay_float():
    def make():
        net = tf.nn.depthwise_conv2d(
            placeholder(), tf.constant(small_graphs.weights(3, 3, 3, 2)), [1, 1, 1, 1], 'SAME'
        )
        net = tf.nn.relu6(net * tf.constant(np.float32([1, 2, 3, 4, 5, 6])))
        net = tf.nn.conv2d(
            net, tf.constant(small_graphs.weights(3, 3, 6, 4)), 1, 'VALID', dilations=[1, 2, 2, 1]
        )
        tf.nn.relu(net, name='out')

    after = both(small_graphs.of(make), {'x': images()})
    assert {'DepthwiseConv2dNative', 'Conv2D'} <= small_graphs.ops(after)
    assert 'QuantizedConv2D' not in small_graphs.ops(after)


def test_several_outputs_and_an_identity_output():
    def make():
        net = tf.nn.conv2d(placeholder(), tf.constant(small_graphs.weights(1, 1, 3, 4)), 1, 'SAME')
        net = tf.nn.relu(net, name='relu')
        tf.identity(net, name='identity')
        tf.nn.max_pool(net, 2, 2, 'VALID', name='pool')

    after = both(small_graphs.of(make), {'x': images()}, ['identity', 'pool', 'relu'])
    assert {node.name: node.op for node in after.node}['identity'] == 'Identity'


@pytest.mark.parametrize('mode', settings.MODES)
def test_shared_constants(mode):
    def make():
        shared = tf.constant(small_graphs.weights(34, 34) / 6, name='shared')
        net = tf.matmul(tf.placeholder(tf.float32, [None, 34], name='x'), shared)
        net = tf.matmul(tf.nn.relu(net), shared, transpose_b=True)
        tf.add(net, tf.reduce_sum(shared), name='out')

    graph_def = small_graphs.of(make)
    feed = {'x': small_graphs.weights(3, 34)}
    after = modes.quantize(graph_def, settings.Quantization(mode, 8, ['out']))
    before_values = small_graphs.run(graph_def, 'out', feed)
    np.testing.assert_allclose(
        small_graphs.run(after, 'out', feed), before_values, atol=TOLERANCE * np.ptp(before_values)
    )


@pytest.mark.parametrize('low, high', [(-3, -1), (2, 2), (-2, -2), (0, 0), (1, 4)])
def test_weights_and_biases_of_one_sign_and_constant_ones(low, high):
    def make():
        kernel = np.random.RandomState(3).uniform(low, high, [3, 3, 3, 4]).astype(np.float32)
        bias = np.float32([low, low, high, high])
        net = tf.nn.conv2d(placeholder(), tf.constant(kernel), 1, 'SAME')
        tf.nn.bias_add(net, tf.constant(bias), name='out')

    both(small_graphs.of(make), {'x': images()})


def test_a_constant_that_is_weights_and_data():
    def make():
        weights = tf.constant(small_graphs.weights(13, 13) / 6, name='weights')
        net = tf.nn.relu(tf.matmul(tf.placeholder(tf.float32, [None, 13], name='x'), weights))
        tf.nn.relu(tf.concat([net, weights], 0), name='out')

    both(small_graphs.of(make), {'x': small_graphs.weights(4, 13)})


def test_a_relu_of_a_constant_that_is_an_output_has_nothing_below_zero():
    def make():
        net = tf.nn.conv2d(placeholder(), tf.constant(small_graphs.weights(1, 1, 3, 4)), 1, 'SAME')
        tf.nn.relu(net, name='out')
        tf.nn.relu(tf.constant([-1.0, 2.0]), name='fixed')

    both(small_graphs.of(make), {'x': images()}, ['out', 'fixed'])


def test_inputs_of_zeros_and_of_one_sign():
    graph_def = small_graphs.of(
        lambda: tf.nn.conv2d(
            placeholder(), tf.constant(small_graphs.weights(1, 1, 3, 4)), 1, 'SAME', name='out'
        )
    )
    for values in (images() * 0, -np.abs(images()) - 1, np.abs(images()) + 1):
        both(graph_def, {'x': values})


def test_fake_quant_gives_the_range_of_what_it_is_about():
    def make():
        net = tf.quantization.fake_quant_with_min_max_vars(placeholder(), -1.0, 1.0)
        kernel = tf.quantization.fake_quant_with_min_max_vars(
            tf.constant(small_graphs.weights(3, 3, 3, 4)), -3.0, 3.0
        )
        net = tf.nn.conv2d(net, kernel, 1, 'SAME')
        net = tf.nn.relu6(net)
        tf.quantization.fake_quant_with_min_max_args(net, min=0.0, max=6.0, name='out')

    graph_def = small_graphs.of(make)
    after = both(graph_def, {'x': images()})
    assert not [node.name for node in ranges.dynamic(after) if node.op == 'QuantizeV2']


def test_quantized_placeholder():
    graph_def = small_graphs.of(
        lambda: tf.nn.relu(
            tf.nn.conv2d(placeholder(), tf.constant(small_graphs.weights(3, 3, 3, 4)), 1, 'SAME'),
            name='out',
        )
    )
    after = eightbit(graph_def, quantized_input=(-1.0, 3.0))
    assert small_graphs.ops(after).isdisjoint({'QuantizeV2', 'Min', 'Max'})
    eight = np.random.RandomState(4).randint(0, 256, [2, 7, 9, 3]).astype(np.uint8)
    exact = small_graphs.run(graph_def, 'out', {'x': eight * np.float32(4 / 255) - 1})
    found = small_graphs.run(after, 'out', {'x': eight})
    np.testing.assert_allclose(found, exact, atol=TOLERANCE * exact.max())


def chain():
    """Returns a graph of two convolutions with all that comes between."""

    def make():
        net = placeholder()
        for index, channels in enumerate((3, 6)):
            kernel = tf.constant(small_graphs.weights(3, 3, channels, 6) / 6)
            net = tf.nn.bias_add(
                tf.nn.conv2d(net, kernel, 1, 'SAME'),
                tf.constant(small_graphs.weights(6, seed=index)),
            )
            net = tf.nn.max_pool(tf.nn.relu(net), 2, 2, 'SAME')
        tf.identity(net, name='out')

    return small_graphs.of(make)


def test_activations_stay_in_8_bits_between_ops():
    after = both(chain(), {'x': images()})
    counts = [node.op for node in after.node]
    assert counts.count('QuantizeV2') == 1  # The input.
    assert counts.count('Dequantize') == 1  # The output.
    unstripped = both(chain(), {'x': images()}, strip_redundant=False)
    assert [node.op for node in unstripped.node].count('QuantizeV2') > 4


def test_fallback_range_makes_all_ranges_constant():
    after = eightbit(chain(), fallback=(-8.0, 8.0))
    assert not ranges.dynamic(after)
    exact = small_graphs.run(chain(), 'out', {'x': images()})
    found = small_graphs.run(after, 'out', {'x': images()})
    # A wide range has wide levels, 16/255, of which each of the tensors on the way is half off.
    np.testing.assert_allclose(found, exact, atol=0.5)


def test_any_batch_after_quantizing_inception():
    graph_def = small_graphs.inception()
    freed = rewrite.allow_any_batch(eightbit(graph_def, ['final_result']), 'Mul')
    pixels = np.random.RandomState(1).uniform(-1, 1, [2, 299, 299, 3]).astype(np.float32)
    assert small_graphs.run(freed, 'final_result', {'Mul': pixels}).shape == (2, 3)
