"""Heatmaps: the heat is where a graph found its label, and a graph without any is one line."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts.common.errors import UserError
from scripts.graphs import graph_files
from scripts.images.graph_input import GraphInput
from scripts.images.settings import PixelSpec
from scripts.inference import heatmaps, labelling
from tests.benchmarks.heatmaps import draw_halves, fraction_inside

pytestmark = pytest.mark.each_tensorflow

SPEC = PixelSpec(24, 24, 0, 255)


def graph_of(sure=10.0, last='Softmax'):
    """Returns a `ScoringGraph` that labels photos red, green or blue by a map of 3 x 3 places."""
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 24, 24, 3], name='input')
        kernel = np.zeros((8, 8, 3, 3), np.float32)
        for channel in range(3):
            kernel[:, :, channel, channel] = 1 / 64
        colours = tf.nn.conv2d(images, kernel, strides=[1, 8, 8, 1], padding='VALID')
        logits = sure * tf.reduce_mean(tf.nn.relu(colours), [1, 2], keepdims=last == 'Reshape')
        if last == 'Reshape':  # As in the published graph of MobileNet v1.
            tf.reshape(tf.nn.softmax(logits), [-1, 3], name='final_result')
        else:
            getattr(tf.raw_ops, last)(**{_ARGUMENT[last]: logits}, name='final_result')
    return labelling.ScoringGraph(graph.as_graph_def(), GraphInput('input', SPEC), 'final_result')


_ARGUMENT = {'Softmax': 'logits', 'Sigmoid': 'x', 'Identity': 'input'}


def patches(*cells):
    """Returns a black photo, `[1, 24, 24, 3]`, with patches: (row, column, channel, value)."""
    image = np.zeros((1, 24, 24, 3), np.float32)
    for row, column, channel, value in cells:
        image[0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8, channel] = value
    return image


@pytest.mark.parametrize('last', ['Softmax', 'Sigmoid', 'Identity', 'Reshape'])
@pytest.mark.parametrize('sure', [1.0, 1000.0])
def test_the_heat_is_where_the_best_label_is(last, sure):
    # Red in two places, half as strong in one of them, and less green.
    image = patches((0, 1, 0, 1), (2, 2, 0, 0.5), (1, 0, 1, 0.9))
    with heatmaps.Heatmaps(graph_of(sure, last)) as heat:
        (found,) = heat.of_pixels(image)
    expected = np.zeros((3, 3))
    expected[0, 1], expected[2, 2] = 1, 0.5
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_each_photo_of_a_batch_has_the_heat_that_it_has_alone():
    images = np.concatenate([patches((row, 2 - row, row, 1)) for row in range(3)] * 12)
    with heatmaps.Heatmaps(graph_of()) as heat:
        found = heat.of_pixels(images)
        alone = np.concatenate([heat.of_pixels(image[None]) for image in images])
    assert found.shape == (36, 3, 3)
    np.testing.assert_array_equal(found, alone)
    assert [each.argmax() for each in found[:3]] == [2, 4, 6]


def test_a_photo_in_which_nothing_speaks_for_the_label_is_cold():
    with heatmaps.Heatmaps(graph_of()) as heat:
        np.testing.assert_array_equal(heat.of_pixels(patches()), np.zeros((1, 3, 3)))


def test_files_have_the_heat_of_their_pixels_and_unreadable_ones_none(tmp_path):
    image = patches((1, 2, 2, 1))
    path, bad = str(tmp_path / 'photo.png'), str(tmp_path / 'bad.jpg')
    Image.fromarray((255 * image[0]).astype(np.uint8)).save(path)
    (tmp_path / 'bad.jpg').write_bytes(b'\xff\xd8\xff')
    with heatmaps.Heatmaps(graph_of()) as heat:
        first, none, last = heat.of_files([path, bad, path])
        np.testing.assert_allclose(first, heat.of_pixels(image)[0], atol=1e-6)
    assert none is None
    np.testing.assert_array_equal(first, last)


def dense_graph():
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 24, 24, 3], name='input')
        pixels = tf.reshape(tf.nn.relu(images), [-1, 24 * 24 * 3])
        tf.nn.softmax(tf.matmul(pixels, tf.ones([24 * 24 * 3, 3])), name='final_result')
    return labelling.ScoringGraph(graph.as_graph_def(), GraphInput('input', SPEC), 'final_result')


def rounded_graph():
    classifier = graph_of()
    graph_def = classifier.graph_def
    for node in graph_def.node:
        if node.op == 'Softmax':
            floored = graph_def.node.add(name='floored', op='QuantizeV2')
            floored.input.extend([node.input[0], 'low', 'high'])
            floored.attr['T'].type = tf.quint8.as_datatype_enum
            back = graph_def.node.add(name='back', op='Dequantize')
            back.input.extend(['floored', 'floored:1', 'floored:2'])
            back.attr['T'].type = tf.quint8.as_datatype_enum
            node.input[0] = 'back'
    for name, value in (('low', 0.0), ('high', 10.0)):
        node = graph_def.node.add(name=name, op='Const')
        node.attr['dtype'].type = tf.float32.as_datatype_enum
        node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value, tf.float32))
    return classifier


@pytest.mark.parametrize(
    'make, words',
    [
        (dense_graph, 'no feature map'),
        (rounded_graph, r'the operation Dequantize of the node back has none: give the float'),
    ],
    ids=['dense', 'quantized'],
)
def test_a_graph_without_heatmaps_is_one_line(make, words):
    with pytest.raises(UserError, match=words):
        heatmaps.Heatmaps(make())


@pytest.mark.slow
def test_the_heat_is_on_the_photo_and_not_beside_it(shared_data, tmp_path):
    """EfficientNet-Lite0 with its own 1,000 labels, and photos in one half of a grey canvas."""
    graph_def = graph_files.read(os.path.join(shared_data, 'networks', 'efficientnet_lite0.pb'))
    graph_input = GraphInput('input', PixelSpec(224, 224, 127, 128))
    classifier = labelling.ScoringGraph(graph_def, graph_input, 'logits')
    paths = draw_halves(os.path.join(shared_data, 'flower_photos'), str(tmp_path), 20)
    with heatmaps.Heatmaps(classifier) as heat:
        inside = [fraction_inside(each, row % 2) for row, each in enumerate(heat.of_files(paths))]
    assert np.mean(inside) >= 0.75
