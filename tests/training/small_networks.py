"""Small smooth networks with each form of batch norm that frozen graphs have."""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build, search
from scripts.images.settings import PixelSpec
from scripts.networks import registry
from scripts.networks.backbone import Backbone

SIZE, LENGTH, EPSILON = 8, 5, 0.01

FORMS = (
    'separate',
    'separate without scale',
    'separate in Keras',
    'fused',
    'fused V2',
    'fused V3',
    'one Mul and one Add',
    'global',
    'global without scale',
)


def backbone(form, boundary='bottleneck', shape=(LENGTH,)):
    """Returns the `Backbone` of a network with batch norms of a form.

    Behind `boundary`, a feature map of 8 x 8 x 4, stand a depthwise convolution, `norm_1`, a
    convolution, `norm_2`, and a dense layer. It is smooth: gradients can be told by differences.
    """
    graph = tf.Graph()
    with graph.as_default():
        random = np.random.RandomState(5)

        def constant(name, *shape):
            return tf.constant(random.randn(*shape).astype(np.float32) / 2, name=name)

        net = tf.placeholder(tf.float32, [None, SIZE, SIZE, 3], name='input')
        net = tf.nn.conv2d(net, constant('first/weights', 3, 3, 3, 4), 1, 'SAME')
        net = tf.nn.softplus(_batch_norm(net, form, 'norm_0', random), name='boundary')
        kernel = tf.identity(constant('depthwise/weights', 3, 3, 4, 1), 'depthwise/weights/read')
        net = tf.nn.depthwise_conv2d_native(net, kernel, [1, 1, 1, 1], 'SAME')
        net = tf.nn.softplus(_batch_norm(net, form, 'norm_1', random))
        net = tf.nn.conv2d(net, constant('conv/weights', 1, 1, 4, 6), 2, 'SAME')
        net = tf.nn.softplus(_batch_norm(net, form, 'norm_2', random))
        net = tf.reduce_mean(net, [1, 2]) * 0.5  # A scalar, which is not trained.
        net = tf.matmul(net, constant('dense/weights', 6, LENGTH))
        tf.nn.bias_add(net, constant('dense/biases', LENGTH), name='bottleneck')
    graph_def = graph.as_graph_def()
    reading = search.nodes_by_name(graph_def)['depthwise/weights/read']
    reading.attr['_class'].list.s.append(b'loc:@depthwise/weights')  # As real graphs have it.
    if form.startswith('global'):
        _as_global(graph_def, form == 'global')
    return of(graph_def, boundary, shape)


def of(graph_def, boundary='bottleneck', shape=(LENGTH,), length=LENGTH):
    """Returns the `Backbone` of a network from `input` to `bottleneck`."""
    network = registry.find('sample')._replace(
        name='small',
        input_name='input',
        bottleneck_name='bottleneck',
        bottleneck_length=length,
        pixels=PixelSpec(SIZE, SIZE, 127.5, 127.5),
    )
    return Backbone(network, graph_def, '', boundary, shape)


def trained(form, numbers=(1, 2)):
    """Returns the names of the constants of batch norms that are trained in a form."""
    parts = {
        'separate without scale': ['beta'],
        'one Mul and one Add': ['scale', 'offset'],
        'global without scale': ['beta'],
    }.get(form, ['gamma', 'beta'])
    return {'norm_%d/%s' % (number, part) for number in numbers for part in parts}


def _batch_norm(net, form, name, random):
    """Adds a batch norm, with statistics and parameters of its own."""
    channels = int(net.shape[3])
    values = {
        'gamma': random.rand(channels) + 0.5,
        'beta': random.randn(channels),
        'mean': random.randn(channels),
        'variance': random.rand(channels) + 0.3,
    }
    with tf.name_scope(name + '/'):
        if form == 'one Mul and one Add':
            scale = values['gamma'] / np.sqrt(values['variance'] + EPSILON)
            offset = values['beta'] - values['mean'] * scale
            scaled = net * tf.constant(scale.astype(np.float32), name='scale')
            return scaled + tf.constant(offset.astype(np.float32), name='offset')
        beta, gamma, mean, variance = [
            tf.constant(values[part].astype(np.float32), name=part)
            for part in ('beta', 'gamma', 'mean', 'variance')
        ]
        if form.startswith('fused'):
            fused = getattr(tf.raw_ops, 'FusedBatchNorm' + form[len('fused ') :])
            return fused(
                x=net,
                scale=gamma,
                offset=tf.identity(beta, name='beta/read'),
                mean=mean,
                variance=variance,
                epsilon=EPSILON,
                is_training=False,
            )[0]
        if form.startswith('global'):
            # Stands for the old batch norm, which TensorFlow no longer lets a new graph have.
            return tf.identity_n([net, mean, variance, beta, gamma])[0]
        return _separate(net, form, beta, gamma, mean, variance)


def _separate(net, form, beta, gamma, mean, variance):
    """Adds the nodes of slim, without its scale as its Inceptions, or as Keras has them."""
    if form == 'separate in Keras':
        shaped = [tf.reshape(each, [1, 1, 1, -1]) for each in (beta, gamma, mean, variance)]
        return tf.nn.batch_normalization(net, shaped[2], shaped[3], shaped[0], shaped[1], EPSILON)
    read = [tf.identity(each) for each in (beta, gamma, mean, variance)]
    scale = tf.math.rsqrt(read[3] + EPSILON)
    if form == 'separate':
        scale *= read[1]
    return net * scale + (read[0] - read[2] * scale)


def _as_global(graph_def, scaled):
    """Makes the IdentityN nodes of a graph the batch norms that they stand for."""
    for number, node in enumerate(graph_def.node):
        if node.op == 'IdentityN':
            graph_def.node[number].CopyFrom(
                build.node(
                    'BatchNormWithGlobalNormalization',
                    node.name,
                    node.input,
                    T=tf.float32,
                    variance_epsilon=EPSILON,
                    scale_after_normalization=scaled,
                )
            )
    graph_def.versions.producer = 8
