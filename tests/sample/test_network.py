"""The sample network's contract, of one made here and of the one that the repository holds."""

import os
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common import command
from scripts.graphs import graph_files
from scripts.sample import flowers, network, things, train_network, training

_SHIPPED = os.path.join(os.path.dirname(__file__), '../../tf_files/models/sample/frozen_graph.pb')
_OPS_OF_1_4 = {
    'Placeholder',
    'Const',
    'Identity',
    'Conv2D',
    'DepthwiseConv2dNative',
    'Add',
    'Mul',
    'Sub',
    'Rsqrt',
    'Relu6',
    'AvgPool',
    'BiasAdd',
    'Squeeze',
    'Reshape',
    'Softmax',
}


pytestmark = [
    pytest.mark.each_tensorflow,
    pytest.mark.xdist_group('sample network'),
]  # For its fixture.


def _run(*arguments):
    return command.execute(
        train_network.main, train_network.FLAGS, ['train_network'] + list(arguments)
    )


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A graph that was trained for two steps."""
    path = str(tmp_path_factory.mktemp('made') / 'graph.pb')
    with mock.patch.object(training, '_CALIBRATION_BATCHES', 3):
        assert _run('--output_graph=' + path, '--images_per_form=1', '--training_steps=2') == 0
    return path


@pytest.fixture(params=['made', 'shipped'])
def graph_def(request, made):
    return graph_files.read(made if request.param == 'made' else _SHIPPED)


def _bottlenecks(graph_def, images):
    freed = tf.GraphDef()
    freed.CopyFrom(graph_def)
    _placeholder(freed).attr['shape'].shape.dim[0].size = -1
    with tf.Graph().as_default() as graph:
        names = ['input:0', network.BOTTLENECK + ':0', 'MobilenetV1/Predictions/Reshape_1:0']
        fed, logits, softmax = tf.import_graph_def(freed, name='', return_elements=names)
        with tf.Session(graph=graph) as session:
            return session.run([logits, softmax], {fed: images})


def _placeholder(graph_def):
    return [node for node in graph_def.node if node.op == 'Placeholder'][0]


def test_fed_and_bottleneck_shapes(graph_def):
    assert _placeholder(graph_def).name == network.INPUT
    with tf.Graph().as_default():
        fed, logits = tf.import_graph_def(
            graph_def, name='', return_elements=['input:0', network.BOTTLENECK + ':0']
        )
        assert (fed.dtype, fed.shape.as_list()) == (tf.float32, [1, 96, 96, 3])
        assert (logits.dtype, logits.shape.as_list()) == (tf.float32, [1, len(things.CLASSES)])


def test_a_batch_gives_what_single_images_give(graph_def):
    photos = [flowers.draw(kind, 1).resize((96, 96)) for kind in flowers.CLASSES[:3]]
    images = np.stack([np.asarray(photo, np.float32) / 127.5 - 1 for photo in photos])
    logits, softmax = _bottlenecks(graph_def, images)
    assert logits.shape == softmax.shape == (3, len(things.CLASSES))
    singly = np.concatenate([_bottlenecks(graph_def, image[np.newaxis])[0] for image in images])
    np.testing.assert_allclose(logits, singly, atol=1e-4)
    np.testing.assert_allclose(softmax.sum(axis=1), 1, atol=1e-5)
    assert np.abs(logits[0] - logits[1]).max() > 0.01


def test_holds_what_tensorflow_1_4_knows(graph_def):
    assert {node.op for node in graph_def.node} == _OPS_OF_1_4
    attributes = {name for node in graph_def.node for name in node.attr}
    assert not attributes & {'explicit_paddings', 'dilations', '_output_shapes'}
    assert graph_def.ByteSize() <= 2000000
    names = {node.name for node in graph_def.node}
    assert {
        'MobilenetV1/MobilenetV1/Conv2d_0/convolution',
        'MobilenetV1/Conv2d_0/weights/read',
        'MobilenetV1/MobilenetV1/Conv2d_1_depthwise/BatchNorm/batchnorm/add_1',
        'MobilenetV1/Logits/SpatialSqueeze',
        'MobilenetV1/Predictions/Softmax',
    } <= names


def test_random_weights_have_the_same_shape(made, tmp_path, monkeypatch):
    monkeypatch.setattr(training, '_CALIBRATION_BATCHES', 3)
    path = str(tmp_path / 'random.pb')
    assert _run('--output_graph=' + path, '--images_per_form=1', '--random_weights') == 0

    def shapes(path):
        return [
            (
                node.name,
                node.op,
                tf.make_ndarray(node.attr['value'].tensor).shape if node.op == 'Const' else None,
            )
            for node in graph_files.read(path).node
        ]

    assert shapes(path) == shapes(made)


@pytest.mark.parametrize(
    'arguments, message',
    [
        ([], '--output_graph is missing'),
        (['--output_graph=g.pb', '--images_per_form=0'], '--images_per_form=0'),
        (['--output_graph=g.pb', '--training_steps=-3'], '--training_steps=-3'),
        (['--output_graph=g.pb', '--seed=-1'], '--seed=-1'),
        (['--output_graph=.'], '. is a folder'),
        (['--output_graph=g.pb', 'more'], "unexpected argument 'more'"),
    ],
)
def test_a_user_error_is_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _run(*arguments) == 1
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count('\n') == 1 and not captured.out
    assert not os.listdir(str(tmp_path))
