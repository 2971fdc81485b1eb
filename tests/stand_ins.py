"""Small networks with the node names, shapes and traps of the real ones, and random weights."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import description, graph_files
from scripts.networks import registry

# What a graph may say of itself.
DESCRIPTION = description.Description(
    labels=('daisy', 'tulips'),
    input=description.Input('input', 224, 192, (123.7, 116.8, 103.9), 127.5, 'apply'),
    network=description.Network('mobilenet_1.0_224', '30af'),
    photos=description.Photos('tf_files/Blüten', 'path', 10, 20, ('jpg', 'png')),
    test=description.Test(0.8, 362),
    tensorflow='1.15.5',
)


_BOTTLENECK = 'MobilenetV1/Predictions/Reshape'


def mobilenet(size=128, length=1001):
    """Returns a GraphDef like a real MobileNet's: `input` takes one image, a batch goes through.

    Its logits are random mixes of the colours of a 4 x 4 grid.
    """
    random = np.random.RandomState(7)
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, size, size, 3], name='input')
        pool = tf.nn.avg_pool(images, size // 4, size // 4, 'VALID', name='MobilenetV1/Pool')
        weights = tf.constant(random.randn(4, 4, 3, length).astype(np.float32))
        logits = tf.nn.conv2d(pool, weights, 1, 'VALID', name='MobilenetV1/Logits/convolution')
        squeezed = tf.squeeze(logits, [1, 2], name='MobilenetV1/Logits/SpatialSqueeze')
        reshaped = tf.reshape(squeezed, [-1, length], name=_BOTTLENECK)
        tf.nn.softmax(reshaped, name='MobilenetV1/Predictions/Softmax')
    graph_def = graph.as_graph_def()
    for node in graph_def.node:
        # Attributes that came after the real archives, which lack them.
        for name in ('dilations', 'explicit_paddings'):
            if name in node.attr:
                del node.attr[name]
    return graph_def


def mobilenet_of_blocks(size=128, length=1001):
    """Returns a GraphDef like `mobilenet`, with convolutions before and behind `Block_1/Relu6`.

    Behind it stand two: one whose weights go through an Identity, as in the real archives, and one
    with a bias.
    """
    random = np.random.RandomState(9)

    def weights(*shape, name):
        values = random.randn(*shape) * (2 / np.prod(shape[:-1])) ** 0.5
        return tf.constant(values.astype(np.float32), name=name)

    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, size, size, 3], name='input')
        pool = tf.nn.avg_pool(images, size // 8, size // 8, 'VALID', name='Pool')
        net = tf.nn.conv2d(pool, weights(3, 3, 3, 12, name='Block_1/weights'), 1, 'SAME')
        net = tf.nn.relu6(net, name='Block_1/Relu6')
        kernel = tf.identity(weights(3, 3, 12, 8, name='Block_2/weights'), 'Block_2/weights/read')
        net = tf.nn.relu6(tf.nn.conv2d(net, kernel, 2, 'SAME', name='Block_2/convolution'))
        kernel = weights(4, 4, 8, length, name='Logits/weights')
        net = tf.nn.conv2d(net, kernel, 1, 'VALID', name='Logits/convolution')
        net = tf.nn.bias_add(net, tf.constant(np.zeros(length, np.float32), name='Logits/biases'))
        net = tf.squeeze(net, [1, 2])
        tf.reshape(net, [-1, length], name='MobilenetV1/Predictions/Reshape')
    return graph.as_graph_def()


def inception():
    """Returns a GraphDef like the real Inception v3's.

    It begins with its own decoder, `Mul` being an operation, and its last step reshapes to the
    constant [1, 2048].
    """
    random = np.random.RandomState(8)
    graph = tf.Graph()
    with graph.as_default():
        contents = tf.constant(b'', name='DecodeJpeg/contents')
        decoded = tf.cast(
            tf.image.decode_jpeg(contents, channels=3, name='DecodeJpeg'), tf.float32, name='Cast'
        )
        resized = tf.image.resize_bilinear(decoded[tf.newaxis], [299, 299], name='ResizeBilinear')
        images = tf.multiply(tf.subtract(resized, 128.0, name='Sub'), 1 / 128.0, name='Mul')
        pool = tf.nn.avg_pool(images, 74, 74, 'VALID', name='pool_2')
        weights = tf.constant(random.randn(4, 4, 3, 2048).astype(np.float32), name='conv/weights')
        mixed = tf.nn.relu(tf.nn.conv2d(pool, weights, 1, 'VALID', name='conv'), name='mixed_10')
        pool_3 = tf.nn.avg_pool(mixed, 1, 1, 'VALID', name='pool_3')
        shape = tf.constant([1, 2048], name='pool_3/_reshape/shape')
        reshaped = tf.reshape(pool_3, shape, name='pool_3/_reshape')
        tf.nn.softmax(reshaped[:, :1008], name='softmax')
    return graph.as_graph_def()


def published(network, length=None):
    """Returns a GraphDef with the names that the row of a network without an archive here has.

    As in the real ones its bottleneck is a pooling that leaves one pixel, before the logits.
    ResNet's is fed what a loop makes of strings.
    """
    random = np.random.RandomState(11)
    height, width = network.pixels[:2]
    length = length or network.bottleneck_length or 24
    names = [network.bottleneck_name or 'Logits/Pool', network.output_name or 'Predictions/Reshape']
    with tf.Graph().as_default() as graph:
        if network.input_name == 'input':
            images = tf.placeholder(tf.float32, [None, height, width, 3], name='input')
        else:
            contents = tf.placeholder(tf.string, [None], name='input_tensor')
            images = tf.map_fn(lambda _: tf.zeros([height, width, 3]), contents, tf.float32)
        net = tf.nn.avg_pool(images, height // 4, height // 4, 'VALID', name='Pool')
        net = tf.nn.relu6(net * tf.constant(random.rand(3).astype(np.float32)), name='Maps')
        filters = tf.constant(random.randn(1, 1, 3, length).astype(np.float32), name='weights')
        net = tf.nn.relu6(tf.nn.conv2d(net, filters, 1, 'SAME', name='Conv_1'), name='Relu6')
        net = tf.nn.avg_pool(net, 4, 1, 'VALID', name=names[0])
        filters = tf.constant(random.randn(1, 1, length, 11).astype(np.float32), name='last')
        net = tf.nn.conv2d(net, filters, 1, 'SAME', name='Conv2d_1c_1x1')
        tf.nn.softmax(tf.squeeze(net, [1, 2]), name=names[1])
    graph_def = graph.as_graph_def()
    assert network.input_name in [node.name for node in graph_def.node]
    return graph_def


def of(network):
    """Returns a GraphDef that stands in for a `registry.Network`."""
    if network.input_name == 'Mul':
        return inception()
    if not network.classic:
        return published(network)
    graph_def = mobilenet(network.pixels.height, network.bottleneck_length)
    return _renamed(graph_def, {'input': network.input_name, _BOTTLENECK: network.bottleneck_name})


def _renamed(graph_def, names):
    """Returns a GraphDef whose nodes have new names where a dict says so; it is changed."""
    for node in graph_def.node:
        node.name = names.get(node.name, node.name)
        for number, each in enumerate(node.input):
            node.input[number] = names.get(each, each)
    return graph_def


def install(name, model_dir):
    """Writes the stand-in for the network `name` to where its graph would be; returns the path."""
    network = registry.find(name)
    path = os.path.join(model_dir, network.graph_file)
    graph_files.write(of(network), path)
    return path
