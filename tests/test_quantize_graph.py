"""The command quantize_graph."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import label_image, quantize_graph
from scripts.graphs import graph_files
from tests import pictures, stand_ins, tools
from tests.conftest import REPOSITORY
from tests.quantization import small_graphs

OUTPUT = 'MobilenetV1/Predictions/Softmax'
MODES = ['round', 'quantize', 'eightbit', 'weights', 'weights_rounded']


@pytest.fixture
def paths(tmp_path):
    """A float graph on disk and where the quantized one goes."""
    graph_files.write(stand_ins.mobilenet(length=30), str(tmp_path / 'float.pb'))
    return str(tmp_path / 'float.pb'), str(tmp_path / 'out.pb')


def flags(paths, *more):
    """Returns the flags that every run has, and more."""
    names = ['--input=' + paths[0], '--output=' + paths[1], '--output_node_names=' + OUTPUT]
    return names + list(more)


@pytest.mark.parametrize('mode', MODES)
def test_writes_a_graph_that_labels_and_a_table(in_process, paths, tmp_path, mode):
    ended = in_process(quantize_graph, *flags(paths, '--mode=' + mode))
    assert ended.status == 0, ended.err
    for word in ('before', 'after', 'gzip bytes', 'Conv2D', 'differ by at most'):
        assert word in ended.out
    with open(str(tmp_path / 'labels.txt'), 'w') as file:
        file.write(''.join('label %d\n' % index for index in range(30)))
    folder = pictures.draw_classes(str(tmp_path / 'photos'), 1)
    photo = next(os.path.join(top, names[0]) for top, _, names in os.walk(folder) if names)
    labelled = in_process(
        label_image,
        '--graph=' + paths[1],
        '--labels=' + str(tmp_path / 'labels.txt'),
        '--image=' + photo,
        '--output_layer=' + OUTPUT,
    )
    assert labelled.status == 0, labelled.err
    assert labelled.out.count('(score=') == 5
    loaded = graph_files.read(paths[1])
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(loaded, name='')
        assert graph.get_tensor_by_name('input:0').shape == [1, 128, 128, 3]
        writer = tf.summary.FileWriter(str(tmp_path / 'logs'), graph)
        writer.close()
    events = [name for name in os.listdir(str(tmp_path / 'logs'))]
    summary = list(tf.train.summary_iterator(str(tmp_path / 'logs' / events[0])))
    assert any(event.graph_def for event in summary)


def test_default_mode_is_round(in_process, paths):
    assert in_process(quantize_graph, *flags(paths)).status == 0
    assert 'FakeQuantWithMinMaxVars' in small_graphs.ops(graph_files.read(paths[1]))


def test_print_nodes(in_process, paths):
    ended = in_process(quantize_graph, *flags(paths, '--print_nodes'))
    assert 'input Placeholder()' in ended.out.splitlines()


def test_calibration_images_make_ranges_constant(in_process, paths, photo_dir):
    ended = in_process(
        quantize_graph, *flags(paths, '--mode=eightbit', '--calibration_images=' + photo_dir)
    )
    assert ended.status == 0, ended.err
    assert 'calibrated on 72 photos' in ended.out
    ops = small_graphs.ops(graph_files.read(paths[1]))
    assert not ops & {'Min', 'Max', 'RequantizationRange'}


@pytest.mark.parametrize(
    'flag, found',
    [
        ('--mode=eight', 'eightbit'),
        ('--mode=', 'eightbit'),
        ('--output_node_names=MobilenetV1/Predictions/Softma', OUTPUT),
        ('--output_node_names=', OUTPUT),
        ('--input=/nowhere.pb', 'no graph at /nowhere.pb'),
        ('--input=', '--input is not set'),
        ('--output=/proc/nowhere/x.pb', 'permission'),
        ('--bitdepth=1', '2 to 16'),
        ('--bitdepth=eight', 'bitdepth'),
        ('--test_input_dims=1,224,224,3', '[1, 128, 128, 3]'),
        ('--test_input_dims=1,x', 'expected integers'),
        ('--quantized_fallback_min=0', 'both or none'),
        ('--calibration_images=/tmp', 'eightbit only'),
    ],
)
def test_user_errors_end_in_one_line_and_write_nothing(one_error, paths, flag, found):
    if flag.startswith('--output=/proc') and os.access('/proc', os.W_OK):
        found = 'nowhere'
    assert found in one_error(quantize_graph, *flags(paths, flag))
    assert not os.path.exists(paths[1])


@pytest.mark.parametrize(
    'low, high', [('-1e39', '1'), ('1e39', '1e40'), ('-3e38', '3e38'), ('-inf', 'inf')]
)
@pytest.mark.parametrize('name', ['fallback', 'input'])
def test_a_range_that_float32_cannot_hold(one_error, paths, name, low, high):
    ends = ['--quantized_%s_min=%s' % (name, low), '--quantized_%s_max=%s' % (name, high)]
    more = ['--mode=eightbit'] + ['--quantized_input'] * (name == 'input')
    assert 'float32' in one_error(quantize_graph, *flags(paths, *more, *ends))
    assert not os.path.exists(paths[1])


@pytest.mark.parametrize(
    'name, found',
    [('none', 'no image at'), ('empty', 'has no photos'), ('unreadable', 'photos are unreadable')],
)
def test_calibration_needs_photos(one_error, paths, tmp_path, name, found):
    for folder in ('empty', 'unreadable'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'unreadable' / 'photo.jpg').write_bytes(b'<html>')
    photos = '--calibration_images=' + str(tmp_path / name)
    assert found in one_error(quantize_graph, *flags(paths, '--mode=eightbit', photos))
    assert not os.path.exists(paths[1])


def test_empty_and_quantized_graphs_are_refused(one_error, in_process, paths, tmp_path):
    (tmp_path / 'empty.pb').write_bytes(b'')
    assert 'without nodes' in one_error(
        quantize_graph, *flags(paths, '--input=' + str(tmp_path / 'empty.pb'))
    )
    assert in_process(quantize_graph, *flags(paths, '--mode=eightbit')).status == 0
    again = ['--input=' + paths[1], '--output=' + str(tmp_path / 'again.pb')]
    assert 'quantized already' in one_error(quantize_graph, *flags(paths, *again))
    assert not (tmp_path / 'again.pb').exists()


def test_no_output_takes_the_place_of_an_input(one_error, paths, tmp_path):
    (tmp_path / 'photos').mkdir()
    photo = str(tmp_path / 'photos' / '1.jpg')
    pictures.draw(photo, pictures.COLOURS['Red'], 1)
    os.symlink(paths[0], str(tmp_path / 'link.pb'))
    wanted = ['--mode=eightbit', '--calibration_images=%s' % (tmp_path / 'photos')]
    for output in (paths[0], str(tmp_path / 'link.pb'), str(tmp_path / '.' / 'float.pb'), photo):
        with open(output, 'rb') as file:
            before = file.read()
        line = one_error(quantize_graph, *flags((paths[0], output), *wanted))
        assert '--output is the same file as ' in line
        with open(output, 'rb') as file:
            assert file.read() == before


@pytest.mark.slow
@pytest.mark.once
def test_killed_at_any_moment_leaves_the_old_output_or_the_new_one(in_process, paths):
    in_process(quantize_graph, *flags(paths, '--mode=weights'))
    with open(paths[1], 'rb') as file:
        new = file.read()
    command = [sys.executable, '-m', 'scripts.quantize_graph'] + flags(paths, '--mode=weights')
    for moment in (0.5, 1.2, 1.6, 2.0):
        with open(paths[1], 'wb') as file:
            file.write(b'old')
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with open(paths[1], 'rb') as file:
            assert file.read() in (b'old', new)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.each_tensorflow
def test_tflite_convert_takes_the_weight_modes_only(in_process, paths, tmp_path, mode):
    assert in_process(quantize_graph, *flags(paths, '--mode=' + mode)).status == 0
    lite = str(tmp_path / 'graph.tflite')
    converted = tools.tflite_convert(paths[1], lite, OUTPUT)
    if not mode.startswith('weights'):
        # TensorFlow Lite has neither the 8-bit kernels nor dynamic ranges.
        assert converted.returncode != 0
        return
    assert converted.returncode == 0, converted.stderr
    image = np.random.RandomState(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)
    interpreter = tf.lite.Interpreter(lite)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]['index'], image)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]['index'])
    expected = small_graphs.run(graph_files.read(paths[1]), OUTPUT, {'input': image})
    np.testing.assert_allclose(found, expected, atol=1e-5)
