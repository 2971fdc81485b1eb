"""Graphs with dynamic ranges: the scores of a photo must not depend on other photos."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.graphs import search
from scripts.images import graph_input as graph_input_lib
from scripts.inference import labelling
from scripts.quantization import calibrate, modes, settings
from tests import pictures, stand_ins
from tests.quantization import small_graphs

pytestmark = pytest.mark.each_tensorflow

OUTPUT = 'MobilenetV1/Predictions/Softmax'


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """Paths of 40 photos of which most are dark and one is white, so that ranges differ."""
    folder = tmp_path_factory.mktemp('ranges')
    paths = [str(folder / ('%02d.jpg' % index)) for index in range(40)]
    for index, path in enumerate(paths):
        colour = (255, 255, 255) if index == 7 else (index % 5, 3 * (index % 7), 4)
        pictures.draw(path, colour, index)
    return paths


def quantized(mode, calibration=None):
    """Returns a small MobileNet in a mode."""
    graph_def = stand_ins.mobilenet(64, 7)
    how = settings.Quantization(mode, 8, [OUTPUT])
    return modes.quantize(graph_def, how, calibration)


def scores(graph_def, paths):
    """Returns the scores of photos, float32 `[photos, labels]`."""
    classifier = labelling.ScoringGraph(graph_def, graph_input_lib.read_off(graph_def), OUTPUT)
    return np.concatenate([batch.values for batch in labelling.score_many(classifier, paths)])


@pytest.mark.parametrize('mode', ['round', 'quantize', 'eightbit'])
def test_a_photo_gets_the_same_scores_alone_and_among_others(mode, photos):
    graph_def = quantized(mode)
    together = scores(graph_def, photos)
    for index in (0, 7, 39):
        np.testing.assert_array_equal(
            scores(graph_def, photos[index : index + 1])[0], together[index]
        )


def test_which_graphs_take_ranges_as_they_run(photos):
    graph_input = graph_input_lib.read_off(stand_ins.mobilenet(64, 7))
    calibration = modes.Calibration(photos, graph_input)
    found = {mode: search.ranges_depend_on(quantized(mode), 'input') for mode in settings.MODES}
    assert found == {
        'round': True,
        'quantize': True,
        'eightbit': True,
        'weights': False,
        'weights_rounded': False,
    }
    assert not search.ranges_depend_on(quantized('eightbit', calibration), 'input')
    assert not search.ranges_depend_on(stand_ins.mobilenet(64, 7), 'input')


@pytest.mark.parametrize('given', [False, True])
def test_ranges_of_graphs_that_others_made(given):
    def make():
        pixels = tf.placeholder(tf.float32, [None, 4], name='input')
        tf.quantization.quantize_and_dequantize(pixels, -1.0, 1.0, range_given=given, name='out')

    assert search.ranges_depend_on(small_graphs.of(make), 'input') is not given


def brightness(bias):
    """Returns a graph `out = mean brightness * 10 + bias`, above zero for bright photos only."""

    def make():
        pixels = tf.placeholder(tf.float32, [1, 32, 32, 3], name='input')
        rows = tf.reshape(pixels, [-1, 3072])
        weights = tf.constant(np.full([3072, 2], 10 / 3072, np.float32))
        biased = tf.nn.bias_add(tf.matmul(rows, weights), tf.constant([bias] * 2))
        tf.identity(tf.nn.bias_add(biased, tf.constant([0.0, 0.0])), name='out')

    return small_graphs.of(make)


def test_an_unreadable_photo_is_no_part_of_the_ranges(tmp_path):
    paths = [str(tmp_path / ('%d.jpg' % index)) for index in range(4)]
    for path in paths[:3]:
        pictures.draw(path, (255, 255, 255), 1)
    with open(paths[3], 'wb') as file:
        file.write(b'\xff\xd8 no photo')
    graph_def = brightness(-5.0)
    graph_input = graph_input_lib.read_off(graph_def)

    def ranges(chosen):
        how = settings.Quantization('eightbit', 8, ['out'])
        return modes.quantize(graph_def, how, modes.Calibration(chosen, graph_input))

    assert ranges(paths) == ranges(paths[:3])


def test_the_photos_that_ranges_are_from_are_counted(tmp_path, monkeypatch):
    paths = [str(tmp_path / ('%d.jpg' % index)) for index in range(4)]
    for path in paths[:3]:
        pictures.draw(path, (255, 255, 255), 1)
    with open(paths[3], 'wb') as file:
        file.write(b'no photo')
    said = []
    monkeypatch.setattr(calibrate._LOG, 'info', lambda text, *values: said.append(text % values))
    graph_def = brightness(-5.0)
    how = settings.Quantization('eightbit', 8, ['out'])
    graph_input = graph_input_lib.read_off(graph_def)
    modes.quantize(graph_def, how, modes.Calibration(paths, graph_input))
    assert 'calibrated on 3 photos' in said[0] and os.path.exists(paths[3])
