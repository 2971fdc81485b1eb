"""The sample network: MobileNet v1's layers and names of nodes, small enough for a repository.

Source of the layers: Howard et al., "MobileNets", 2017, table 1; of the names, the frozen graphs
that TensorFlow published. Two versions share their variables: the one that is trained normalizes
each batch by itself with the fast fused op; the one that is frozen uses the stored statistics in
the separate Mul, Add, Sub and Rsqrt nodes of the published graphs, known since TensorFlow 1.4.
"""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from scripts.graphs import versions

IMAGE_SIZE = 96
INPUT = 'input'
LOGITS = 'MobilenetV1/Logits/Conv2d_1c_1x1'
BOTTLENECK = 'MobilenetV1/Predictions/Reshape'
PIXEL_MEAN = PIXEL_STD = 127.5

_FIRST_FILTERS = 12


class _Block(NamedTuple):
    """A depthwise convolution with a stride, and a pointwise one with so many filters."""

    stride: int
    filters: int


_BLOCKS = (
    _Block(1, 24),
    _Block(2, 48),
    _Block(1, 48),
    _Block(2, 96),
    _Block(1, 96),
    _Block(2, 192),
    _Block(1, 192),
    _Block(1, 256),
)
_EPSILON = 0.001
_MOMENTUM = 0.98


def build(images, classes, training):
    """Adds the network to the default graph.

    Args:
      images: float32 tensor `[batch, height, width, 3]`, -1 to 1.
      classes: how many logits there are.
      training: whether each batch is normalized by its own statistics; the moving averages of those
        are then updated by the ops in the collection UPDATE_OPS.

    Returns:
      The logits, a float32 tensor `[batch, classes]`.
    """
    with tf.name_scope('MobilenetV1/'):
        net = _convolution(images, 'Conv2d_0', (3, 3, 3, _FIRST_FILTERS), 2, training)
        for number, block in enumerate(_BLOCKS, 1):
            shape = (1, 1, int(net.shape[3]), block.filters)
            net = _depthwise(net, 'Conv2d_%d_depthwise' % number, block.stride, training)
            net = _convolution(net, 'Conv2d_%d_pointwise' % number, shape, 1, training)
        logits = _logits(net, classes)
        with tf.name_scope('Predictions'):
            logits = tf.reshape(logits, [-1, classes], name='Reshape')
            tf.reshape(tf.nn.softmax(logits, name='Softmax'), [-1, classes], name='Reshape_1')
    return logits


def freeze(values, classes):
    """Returns the network as a frozen GraphDef that is fed one image at `input`.

    With another shape on that placeholder it takes any number.

    Args:
      values: a dict from the name of each variable to its value.
      classes: how many logits there are.
    """
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, IMAGE_SIZE, IMAGE_SIZE, 3], name=INPUT)
        build(images, classes, training=False)
        with tf.Session() as session:
            for variable in tf.global_variables():
                variable.load(values[variable.op.name], session)
            frozen = tf.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), ['MobilenetV1/Predictions/Reshape_1']
            )
    return versions.strip_defaults(frozen)


def _convolution(net, name, shape, stride, training):
    """A convolution, `[height, width, in, out]`, with batch norm and Relu6."""
    weights = _weights(name + '/weights', shape, shape[0] * shape[1] * shape[2])
    with tf.name_scope('MobilenetV1/%s' % name):
        net = tf.nn.conv2d(net, weights, [1, stride, stride, 1], 'SAME', name='convolution')
        return tf.nn.relu6(_batch_norm(net, name, training), name='Relu6')


def _depthwise(net, name, stride, training):
    """A 3 x 3 convolution of each channel for itself, with batch norm and Relu6."""
    weights = _weights(name + '/depthwise_weights', (3, 3, int(net.shape[3]), 1), 9)
    with tf.name_scope('MobilenetV1/%s' % name):
        net = tf.nn.depthwise_conv2d_native(
            net, weights, [1, stride, stride, 1], 'SAME', name='depthwise'
        )
        return tf.nn.relu6(_batch_norm(net, name, training), name='Relu6')


def _batch_norm(net, name, training):
    channels = int(net.shape[3])
    beta, gamma, mean, variance = [
        tf.get_variable(
            'MobilenetV1/%s/BatchNorm/%s' % (name, part),
            [channels],
            initializer=tf.constant_initializer(start),
            trainable=part in ('beta', 'gamma'),
        )
        for part, start in (
            ('beta', 0.0),
            ('gamma', 1.0),
            ('moving_mean', 0.0),
            ('moving_variance', 1.0),
        )
    ]
    with tf.name_scope('BatchNorm'):
        if training:
            net, batch_mean, batch_variance = tf.nn.fused_batch_norm(
                net, gamma, beta, epsilon=_EPSILON
            )
            for moving, now in ((mean, batch_mean), (variance, batch_variance)):
                update = tf.assign_sub(moving, (1 - _MOMENTUM) * (moving - now))
                tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, update)
            return net
        with tf.name_scope('batchnorm'):
            # Not +, which makes AddV2 that TensorFlow 1.14 and older do not know.
            shifted = tf.raw_ops.Add(x=variance, y=_EPSILON, name='add')
            scale = tf.multiply(tf.rsqrt(shifted), gamma, name='mul')
            scaled = tf.multiply(net, scale, name='mul_1')
            shift = tf.subtract(beta, tf.multiply(mean, scale, name='mul_2'), name='sub')
            return tf.raw_ops.Add(x=scaled, y=shift, name='add_1')


def _logits(net, classes):
    _, height, width, channels = net.shape.as_list()
    name = 'Logits/Conv2d_1c_1x1'
    weights = _weights(name + '/weights', (1, 1, channels, classes), channels)
    biases = tf.get_variable(
        'MobilenetV1/%s/biases' % name, [classes], initializer=tf.zeros_initializer()
    )
    with tf.name_scope('Logits'):
        if height is None:  # While trained, on images of several sizes: the same mean.
            net = tf.reduce_mean(net, [1, 2], keepdims=True)
        else:
            net = tf.nn.avg_pool(
                net, [1, height, width, 1], [1, 2, 2, 1], 'VALID', name='AvgPool_1a/AvgPool'
            )
        net = tf.identity(net, name='Dropout_1b/Identity')
        net = tf.nn.conv2d(net, weights, [1, 1, 1, 1], 'SAME', name='Conv2d_1c_1x1/convolution')
        net = tf.nn.bias_add(net, biases, name='Conv2d_1c_1x1/BiasAdd')
        return tf.squeeze(net, [1, 2], name='SpatialSqueeze')


def _weights(name, shape, fan_in):
    """Source of the initial spread: He et al., "Delving deep into rectifiers", 2015."""
    spread = tf.random_normal_initializer(stddev=(2.0 / fan_in) ** 0.5)
    return tf.get_variable('MobilenetV1/' + name, shape, initializer=spread)
