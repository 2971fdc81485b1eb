"""Small graphs with every op that quantizing handles, and a way to run them."""

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import build


def of(make):
    """Returns the GraphDef of what `make` adds to a new graph."""
    graph = tf.Graph()
    with graph.as_default():
        make()
    return graph.as_graph_def()


def run(graph_def, outputs, feed):
    """Returns the outputs' values; `outputs` is a name or a list, `feed` a dict without ':0'."""
    copy = tf.GraphDef()
    copy.CopyFrom(graph_def)
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(copy, name='')
    names = outputs if isinstance(outputs, list) else [outputs]
    with tf.Session(graph=graph) as session:
        values = session.run(
            [name + ':0' for name in names],
            {name + ':0': value for name, value in feed.items()},
        )
    return values if isinstance(outputs, list) else values[0]


def ops(graph_def):
    """Returns the set of op types in a graph."""
    return {node.op for node in graph_def.node}


def weights(*shape, seed=3):
    """Returns random normal float32 weights."""
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def inception():
    """Returns a graph with the ops and names of the real Inception v3, retrained, but small.

    `Mul` is fed `[1, 299, 299, 3]`. The old op Concat, whose axis comes first, is written by hand.
    """

    def make():
        pixels = tf.placeholder(tf.float32, [1, 299, 299, 3], name='Mul')
        net = _conv(pixels, 5, 3, 4, 'conv')
        net = tf.nn.max_pool(net, 3, 2, 'VALID', name='pool')
        branches = [
            _conv(net, 6, 1, 1, 'mixed/conv'),
            _conv(_conv(net, 4, 1, 1, 'mixed/tower/conv'), 7, 3, 1, 'mixed/tower/conv_1'),
            _conv(tf.nn.avg_pool(net, 3, 1, 'SAME'), 3, 1, 1, 'mixed/tower_1/conv'),
        ]
        with tf.control_dependencies([branches[0]]):
            joined = tf.identity(tf.concat(branches, 3, name='mixed/join'), name='mixed/out')
        net = _conv(joined, 2048, 1, 1, 'mixed_1')
        net = tf.nn.avg_pool(net, 36, 36, 'VALID', name='pool_3')
        net = tf.reshape(net, tf.constant([1, 2048], name='shape'), name='pool_3/_reshape')
        net = tf.placeholder_with_default(net, [None, 2048], name='input/Bottleneck')
        logits = tf.matmul(net, tf.constant(weights(2048, 3) / 30, name='final_weights'))
        logits = tf.add(logits, tf.constant([0.1, -0.2, 0.3]))
        tf.nn.softmax(logits, name='final_result')

    graph_def = of(make)
    for node in graph_def.node:
        if node.op == 'ConcatV2':
            node.op = 'Concat'
            node.input[:] = [node.input[-1]] + list(node.input[:-1])
            del node.attr['Tidx']
        elif node.op == 'IdentityN':
            node.op = 'BatchNormWithGlobalNormalization'
            node.attr.clear()
            node.attr['T'].type = tf.float32.as_datatype_enum
            node.attr['variance_epsilon'].f = 0.001
            node.attr['scale_after_normalization'].b = False
    graph_def.versions.producer = 8  # Newer graphs may not hold the old batch norm.
    return graph_def


def _conv(net, channels, size, stride, name):
    """Adds convolution, batch norm, CheckNumerics and Relu; returns the Relu's tensor."""
    before = net.shape.as_list()[3]
    spread = float(np.sqrt(size * size * before))  # A numpy one would make float64 of the weights.
    kernel = weights(size, size, before, channels, seed=len(name)) / spread
    conv = tf.nn.conv2d(net, tf.constant(kernel, name=name + '/conv2d_params'), stride, 'SAME')
    random = np.random.RandomState(channels)
    mean, variance, beta, gamma = [
        tf.constant(value.astype(np.float32))
        for value in (
            random.randn(channels) * 0.1,
            random.rand(channels) + 0.2,
            random.randn(channels) * 0.2,
            random.rand(channels) + 0.5,
        )
    ]
    # Stands for the batch norm, which TensorFlow no longer lets a new graph have.
    normed = tf.identity_n([conv, mean, variance, beta, gamma])[0]
    return tf.nn.relu(tf.check_numerics(normed, 'not finite'), name=name)


def batch_norm_op():
    """Returns a graph with one BatchNormWithGlobalNormalization node behind a Relu."""
    graph_def = of(
        lambda: tf.nn.relu(tf.placeholder(tf.float32, [2, 4, 4, 3], name='x'), name='relu')
    )
    vectors = {
        'mean': [0.1, 0.2, 0.3],
        'variance': [0.5, 0.8, 1.0],
        'beta': [0.2, -0.1, 0.0],
        'gamma': [1.0, 0.9, 0.8],
    }
    graph_def.node.extend(
        build.constant(name, np.float32(value)) for name, value in vectors.items()
    )
    norm = build.node(
        'BatchNormWithGlobalNormalization',
        'out',
        ['relu'] + list(vectors),
        T=tf.float32,
        variance_epsilon=0.001,
        scale_after_normalization=True,
    )
    graph_def.node.extend([norm])
    graph_def.versions.producer = 8  # Newer graphs may not hold this op.
    return graph_def
