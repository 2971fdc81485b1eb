"""Mean and std, one number or one for each of red, green and blue, on every way to a network."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts.export import saved_model
from scripts.graphs.session import open_session
from scripts.images import distort, runner
from scripts.images.graph_input import GraphInput
from scripts.images.settings import Distortions, PixelSpec

SPECS = [
    PixelSpec(4, 5, 127.5, 63.75),
    PixelSpec(4, 5, (123.68, 116.78, 103.94), (58.4, 57.1, 57.4)),
    PixelSpec(4, 5, 127.5, (58.4, 57.1, 57.4)),
]
IMAGE = np.random.RandomState(1).randint(0, 256, (4, 5, 3)).astype(np.uint8)


def by_runner(path, spec):
    ((fed, _),) = runner.run(spec, tf.identity, [[path]])
    return fed[0]


def distorted(path, spec):
    with tf.Graph().as_default() as graph:
        draws = np.zeros(distort.DRAWS, np.float32)
        tensor = distort.load(tf.constant(path), draws, Distortions(), spec)
    with open_session(graph) as session:
        return session.run(tensor)


def by_saved_model(path, spec):
    with tf.Graph().as_default() as graph:
        input_tensor = tf.placeholder(tf.float32, [None, spec.height, spec.width, 3], 'input')
        tf.reshape(input_tensor, [-1, spec.height * spec.width * 3], 'scores_node')
    folder = path + '.saved_model'
    labels = ['label'] * (spec.height * spec.width * 3)
    graph_input = GraphInput('input', spec)
    saved_model.write(graph.as_graph_def(), graph_input, 'scores_node', labels, folder)
    with tf.Session(graph=tf.Graph()) as session:
        meta_graph = tf.saved_model.load(session, ['serve'], folder)
        signature = meta_graph.signature_def['serving_default']
        with open(path, 'rb') as file:
            fed = {signature.inputs['image_bytes'].name: [file.read()]}
        return session.run(signature.outputs['scores'].name, fed).reshape(IMAGE.shape)


@pytest.mark.parametrize('spec', SPECS, ids=['one', 'three', 'one mean, three stds'])
@pytest.mark.parametrize('way', [by_runner, distorted, by_saved_model])
def test_each_channel_has_its_mean_and_std_on_every_way(tmp_path, way, spec):
    path = str(tmp_path / 'photo.png')
    Image.fromarray(IMAGE).save(path)
    fed = way(path, spec)
    assert fed.dtype == np.float32
    np.testing.assert_allclose(fed, (IMAGE - np.array(spec.mean)) / spec.std, rtol=1e-5, atol=1e-6)
