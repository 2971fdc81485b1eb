"""Retrain on graphs by path: from photos to labels with no further flag, in colour and grey."""

import glob
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import evaluate, label_image, quantize_graph, retrain
from scripts.graphs import description, graph_files
from tests.networks.test_finding import SIDE, pooled

pytestmark = pytest.mark.each_tensorflow


class Bench:
    """A folder with a network, and the flags that keep everything inside of it."""

    def __init__(self, folder, photo_dir):
        self.folder, self.photo_dir = str(folder), photo_dir
        self.network, self.graph = self.path('network.pb'), self.path('graph.pb')

    def path(self, name):
        return os.path.join(self.folder, name)

    def flags(self, **changes):
        values = dict(
            image_dir=self.photo_dir,
            architecture=self.network,
            model_dir=self.path('models'),
            bottleneck_dir=self.path('bottlenecks'),
            summaries_dir=self.path('summaries'),
            output_graph=self.graph,
            output_labels=self.path('labels.txt'),
            how_many_training_steps=5,
            testing_percentage=30,
            split_key='name',  # Not that of a folder with another name each time.
            random_seed=1,
        )
        values.update(changes)
        return ['--%s=%s' % item for item in values.items()]

    def described(self):
        return description.find(graph_files.read(self.graph)).description

    def texts(self):
        found = glob.glob(self.path('bottlenecks/*/*.txt'))
        return {os.path.basename(path).partition('.jpg_')[2] for path in found}


@pytest.fixture
def bench(tmp_path, photo_dir):
    return Bench(tmp_path, photo_dir)


@pytest.mark.parametrize(
    'channels, pooling, mode', [(3, 'kept', 'weights'), (1, 'mean', 'eightbit')]
)
def test_a_graph_by_path_is_all_that_is_needed(bench, in_process, channels, pooling, mode):
    graph_files.write(pooled(pooling, (None, SIDE, SIDE, channels)), bench.network)
    others = {
        'saved_model_dir': bench.path('saved'),
        'tflite_output_file': bench.path('network.tflite'),
        'report': bench.path('report.html'),
        'flip_left_right': True,
        'random_crop': 10,
        'random_brightness': 10,
    }
    for more in ({}, others):
        ended = in_process(retrain, *bench.flags(**more))
        assert ended.status == 0, ended.err
        assert 'assuming mean 127.5' in ended.err
    described = bench.described()
    assert described.input == description.Input(
        'photos', SIDE, SIDE, 127.5, 127.5, 'ignore', channels
    )
    assert described.network.name.startswith('network.pb-')
    assert bench.texts() == {described.network.name + '.txt'}
    photo = glob.glob(os.path.join(bench.photo_dir, 'Red', '*'))[0]
    labelled = in_process(label_image, '--graph=' + bench.graph, photo)
    assert labelled.status == 0 and not labelled.err, labelled.err
    evaluated = in_process(evaluate, bench.graph, '--report=' + bench.path('evaluation.html'))
    assert evaluated.status == 0 and not evaluated.err, evaluated.err
    small = bench.path('small.pb')
    flags = ['--input=' + bench.graph, '--output=' + small, '--mode=' + mode]
    ended = in_process(quantize_graph, '--output_node_names=final_result', *flags)
    assert ended.status == 0, ended.err
    ended = in_process(label_image, '--graph=' + small, photo)
    assert ended.status == 0 and not ended.err, ended.err
    interpreter = tf.lite.Interpreter(others['tflite_output_file'])
    assert interpreter.get_input_details()[0]['shape'].tolist() == [1, SIDE, SIDE, channels]


def test_flags_of_preprocessing_are_described_kept_and_fingerprinted(bench, in_process, one_error):
    graph_files.write(pooled(), bench.network)
    given = {'input_mean': '123.68,116.78,103.94', 'input_std': 1, 'learning_rate': 1e-3}
    checkpoint = {'checkpoint_path': bench.path('checkpoint'), 'resume': True}
    ended = in_process(retrain, *bench.flags(**given, **checkpoint))
    assert ended.status == 0 and not ended.err, ended.err
    assert bench.described().input[3:5] == ((123.68, 116.78, 103.94), 1.0)
    again = in_process(retrain, *bench.flags(**given))
    assert '72 of 72 bottlenecks found' in again.out
    # Another preprocessing: nothing of it is used, be it kept or in a checkpoint.
    given['input_mean'] = 120
    line = one_error(retrain, *bench.flags(**given, **checkpoint))
    assert 'checkpoint' in line
    other = in_process(retrain, *bench.flags(**given))
    assert '0 of 72 bottlenecks found' in other.out
    # Another size: beside it.
    ended = in_process(retrain, *bench.flags(input_height=48, input_width=48, **given))
    assert '0 of 72 bottlenecks found' in ended.out and len(bench.texts()) == 2
    assert bench.described().input[1:3] == (48, 48)


def test_bottlenecks_without_a_record_are_not_used(bench, in_process):
    graph_files.write(pooled(), bench.network)
    assert in_process(retrain, *bench.flags()).status == 0
    first = files_of(bench)
    for path in glob.glob(bench.path('bottlenecks/*.features')):
        os.remove(path)
    ended = in_process(retrain, *bench.flags())
    assert '0 of 72 bottlenecks found' in ended.out
    assert ended.err.count('no record') == 10 and '62 more; recomputing' in ended.err
    assert files_of(bench) == first


def files_of(bench):
    found = {}
    for path in glob.glob(bench.path('bottlenecks/*/*.txt')):
        with open(path) as file:
            found[path] = file.read()
    return found


def test_three_numbers_are_fed_by_label_image(bench, in_process):
    """The mean of red, green and blue that a graph is fed, as its scores."""
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 8, 8, 3], name='photos')
        tf.reduce_mean(images, [1, 2], name='colours')
    graph_files.write(graph.as_graph_def(), bench.graph)
    with open(bench.path('labels.txt'), 'w') as file:
        file.write('red\ngreen\nblue\n')
    photo = glob.glob(os.path.join(bench.photo_dir, 'Red', '*'))[0]
    flags = ['--graph=' + bench.graph, '--labels=' + bench.path('labels.txt'), photo]

    def scores(mean, std):
        ended = in_process(label_image, '--input_mean=' + mean, '--input_std=' + std, *flags)
        assert ended.status == 0, ended.err
        lines = [line.split(' (score=') for line in ended.out.splitlines() if '(score' in line]
        return np.array([float(dict(lines)[name][:-1]) for name in ('red', 'green', 'blue')])

    plain = scores('0', '1')
    np.testing.assert_allclose(
        scores('10,20,30', '1,2,4'), (plain - [10, 20, 30]) / [1, 2, 4], atol=1e-3
    )


@pytest.mark.parametrize(
    'module, flag, words',
    [
        (retrain, '--input_mean=1,2', 'one number, or three with commas'),
        (retrain, '--input_std=1,0,2', '--input_std=0'),
        (label_image, '--input_std=nan', 'one number, or three with commas'),
        (evaluate, '--input_mean=', 'one number, or three with commas'),
        (evaluate, '--input_std=0', '--input_std=0'),
        (retrain, '--architecture=there/is/none.pb', 'there is no such file'),
        (retrain, '--input_height=0', 'input_height'),
    ],
)
def test_flags_that_make_no_sense_are_one_line(one_error, module, flag, words):
    assert words in one_error(module, flag)
