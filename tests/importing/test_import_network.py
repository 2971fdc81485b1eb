"""The import_network command: what it imports gives what its source gives."""

import os
import re
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import import_network, label_image, quantize_graph
from scripts import retrain as retrain_command
from scripts.common import command
from scripts.graphs import description, graph_files, search, validation
from scripts.importing import importing, keras_applications, probing
from scripts.sample import draw_flowers
from tests import tools
from tests.importing.conftest import make

pytestmark = pytest.mark.each_tensorflow

IS_1 = tf.VERSION.startswith('1.')


@pytest.fixture
def imported(in_process, tmp_path):
    """Imports with flags; returns the GraphDef and its `Described`."""

    def run(*arguments):
        ended = in_process(
            import_network, '--output_name=net', '--model_dir=%s' % tmp_path, *arguments
        )
        assert ended.status == 0, ended.err
        graph_def = graph_files.read(str(tmp_path / 'net' / 'frozen_graph.pb'))
        check_plain(graph_def)
        return graph_def, description.find(graph_def)

    return run


def check_plain(graph_def):
    """Asserts that a graph is frozen, in inference mode, and made of nodes that all tools know."""
    validation.check_operations(graph_def)
    assert search.placeholders(graph_def) == ['input']
    assert not graph_def.library.function
    for node in graph_def.node:
        assert not [each for each in node.input if each.startswith('^')]
        assert not [key for key in node.attr if key.startswith('_') and key != '_classifier']
        assert 'explicit_paddings' not in node.attr and not node.device
        assert node.op not in ('IdentityN', 'ReadVariableOp', 'VarHandleOp', 'VariableV2', 'Switch')
        if node.op.startswith('FusedBatchNorm'):
            assert not node.attr['is_training'].b


def outputs(graph_def, described, images):
    """Returns what an imported graph gives for images from 0 to 255."""
    fed = (images - np.float32(described.description.input.mean)) / np.float32(
        described.description.input.std
    )
    return importing.run(graph_def, described.output_name, fed)


@pytest.mark.each_python
def test_a_saved_model_gives_what_its_maker_computed(imported, saved_model):
    graph_def, described = imported('--saved_model=' + saved_model)
    given = described.description
    assert given.input == description.Input('input', 32, 32, 0.0, 255.0, 'ignore')
    assert given.network.name == 'net' and given.labels == () and given.photos is None
    expected = np.load(saved_model + '.npy')
    found = outputs(graph_def, described, probing.images(32, 32, 3))
    assert np.abs(found - expected).max() < 1e-4 * probing.largest_difference(expected)


@pytest.mark.each_python
def test_a_keras_file_is_imported(imported, small):
    graph_def, described = imported('--keras_file=' + small)
    assert described.description.input[1:5] == (32, 32, 127.5, 127.5)
    ops = [node.op for node in graph_def.node]
    assert ops.count('Conv2D') == 1 and ops.count('MatMul') == 1 and 'Softmax' in ops


def test_the_layers_of_large_networks_are_imported(imported, folder):
    path = make('small', folder / 'many.h5', 'many')
    graph_def, described = imported('--keras_file=' + path)
    ops = [node.op for node in graph_def.node]
    assert {'DepthwiseConv2dNative', 'AvgPool', 'MaxPool', 'ConcatV2', 'Sigmoid'} < set(ops)
    found = outputs(graph_def, described, probing.images(32, 32, 3))
    assert probing.largest_difference(found) > 0.1


def test_keras_3_files_are_imported(imported, small_zip, small):
    graph_def, described = imported('--keras_file=' + small_zip)
    other, as_well = imported('--keras_file=' + small)
    images = probing.images(32, 32, 3)
    assert np.allclose(outputs(graph_def, described, images), outputs(other, as_well, images))


def test_flags_say_how_a_source_is_fed(imported, small):
    images = probing.images(48, 40, 3)
    plain, described = imported('--keras_file=' + small, '--input_height=48', '--input_width=40')
    assert described.description.input[1:3] == (48, 40)
    swapped, bgr = imported(
        '--keras_file=' + small,
        '--input_height=48',
        '--input_width=40',
        '--input_mean=1,2,3',
        '--input_std=10,20,40',
        '--channel_order=bgr',
    )
    assert bgr.description.input[3:5] == ((1, 2, 3), (10, 20, 40))
    # What the plain graph is fed is the same, in the other order.
    fed = ((images - [1, 2, 3]) / [10, 20, 40])[..., ::-1].astype(np.float32)
    expected = importing.run(plain, described.output_name, fed)
    found = outputs(swapped, bgr, images)
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found - outputs(plain, described, images)).max() > 1e-2


def test_squeezenet_labels_as_it_does_in_keras(imported, squeezenet):
    graph_def, described = imported(
        '--keras_file=' + squeezenet,
        '--channel_order=bgr',
        '--input_mean=123.68,116.779,103.939',
        '--input_std=1',
    )
    assert described.description.input[1:3] == (227, 227)
    found = outputs(graph_def, described, probing.images(227, 227, 3))
    assert found.shape[1:] == (1000,) and probing.largest_difference(found) > 0.1


@pytest.mark.parametrize(
    'name',
    # Each takes half a minute, so each runs in one TensorFlow only. What larger ones have is in
    # test_the_layers_of_large_networks_are_imported.
    ['MobileNetV2'] if IS_1 else ['EfficientNetB0', 'MobileNetV3Small'],
)
@pytest.mark.slow
def test_keras_applications(imported, folder, formats, name):
    weights = make('application', folder / ('%s.%s' % (name, formats[1])), name)
    _, described = imported('--keras_application=' + name, '--keras_weights=' + weights)
    expected = {
        'EfficientNetB0': (0.0, 1.0),
        'MobileNetV3Small': (0.0, 1.0),
    }.get(name, (127.5, 127.5))
    assert described.description.input[1:] == (224, 224) + expected + ('ignore', 3, 'exact')


@pytest.mark.parametrize(
    'module, expected',
    [
        ('resnet50', ((123.68, 116.779, 103.939), 1.0, 'bgr')),
        ('densenet', ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 'rgb')),
        ('xception', (127.5, 127.5, 'rgb')),
    ],
)
def test_the_three_kinds_of_preprocessing_are_told_apart(module, expected):
    prepare = getattr(tf.keras.applications, module).preprocess_input
    found, order = keras_applications.read_preprocessing(prepare, module)
    assert (found.mean, found.std, order) == expected


@pytest.mark.slow
def test_an_application_of_another_size_is_retrained(
    imported, folder, formats, in_process, tmp_path, photo_dir
):
    weights = make('application', folder / ('MobileNet.%s' % formats[1]), 'MobileNet')
    _, described = imported(
        '--keras_application=MobileNet', '--keras_weights=' + weights, '--input_height=96'
    )
    assert described.description.input[1:5] == (96, 96, 127.5, 127.5)
    retrain(in_process, tmp_path, photo_dir)  # Random features: any accuracy will do.


def test_an_imported_graph_can_be_imported_again(imported, small, tmp_path):
    first, described = imported('--keras_file=' + small, '--input_mean=100', '--input_std=50')
    path = str(tmp_path / 'first.pb')
    graph_files.write(first, path)
    second, again = imported('--frozen_graph=' + path)
    assert again.description.input == described.description.input
    images = probing.images(32, 32, 3)
    assert np.allclose(outputs(first, described, images), outputs(second, again, images))


def test_real_frozen_graphs(imported, shared_data):
    path = os.path.join(shared_data, 'networks', 'efficientnet_lite0.pb')
    _, described = imported(
        '--frozen_graph=' + path, '--input_mean=127', '--input_std=128', '--output_layer=feature'
    )
    assert described.output_name == 'feature'
    assert described.description.input[1:5] == (224, 224, 127, 128)


@pytest.mark.parametrize(
    'arguments, words',
    [
        ([], 'no network is given: give one source'),
        (['--keras_file=a', '--saved_model=b'], '--keras_file and --saved_model are given'),
        (['--keras_file=/nowhere.h5'], 'no Keras file at /nowhere.h5'),
        (['--saved_model=/nowhere'], 'no SavedModel at /nowhere/saved_model.pb'),
        (['--frozen_graph=/nowhere.pb'], 'no graph at /nowhere.pb'),
        (['--keras_file=' + __file__], 'it is no HDF5 file'),
        (['--frozen_graph=' + __file__], 'is not a frozen graph'),
        (['--frozen_graph=a', '--keras_weights=b'], 'goes with --keras_application only'),
        (['--keras_application=NoSuchNet'], 'has no such network; it has '),
        (['--keras_file=a', '--input_mean=1,2'], 'expected one number, or three'),
        (['--keras_file=a', '--input_std=0'], 'pixels are divided by it'),
        (['--keras_file=a', '--input_layer=x'], 'goes with --saved_model and --frozen_graph'),
        (['--keras_file=a', '--signature=x'], 'goes with --saved_model only'),
        (['--keras_file=a', '--output_name=../x'], 'expected a name of letters'),
    ],
)
def test_a_user_error_is_one_line(one_error, tmp_path, arguments, words):
    flags = ['--output_name=net', '--model_dir=%s' % tmp_path] + arguments
    assert words in one_error(import_network, *flags)
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.skipif(not IS_1, reason='TensorFlow 2 has it')
def test_what_this_tensorflow_lacks_is_one_line(one_error, tmp_path):
    flags = ['--output_name=net', '--model_dir=%s' % tmp_path]
    line = one_error(import_network, '--keras_application=EfficientNetB0', *flags)
    assert 'the Keras of this TensorFlow has no such network' in line


def test_weights_alone_are_one_line(one_error, shared_data, tmp_path):
    path = os.path.join(shared_data, 'networks', 'squeezenet_1.1.h5')
    flags = ['--output_name=net', '--model_dir=%s' % tmp_path, '--keras_file=' + path]
    assert 'it holds weights and no model' in one_error(import_network, *flags)
    flags[-1:] = ['--keras_application=MobileNet', '--keras_weights=' + path]
    assert 'it is for another network' in one_error(import_network, *flags)
    assert os.listdir(str(tmp_path)) == []


def retrain(in_process, folder, photos):
    """Trains the imported network `net` in a folder on photos; returns its test accuracy."""
    ended = in_process(
        retrain_command,
        '--image_dir=' + photos,
        '--architecture=net',
        '--model_dir=%s' % folder,
        '--bottleneck_dir=%s' % (folder / 'bottlenecks'),
        '--summaries_dir=%s' % (folder / 'summaries'),
        '--output_graph=%s' % (folder / 'graph.pb'),
        '--output_labels=%s' % (folder / 'labels.txt'),
        '--how_many_training_steps=300',
        '--summary_interval=0',
        '--learning_rate=0.1',
        '--random_seed=1',
    )
    assert ended.status == 0, ended.err
    return float(re.search(r'Final test accuracy = ([\d.]+)%', ended.out).group(1))


@pytest.fixture(scope='module')
def flowers(tmp_path_factory):
    """A folder of drawn flowers, of five kinds."""
    photos = str(tmp_path_factory.mktemp('flowers'))
    arguments = ['draw_flowers', '--output_dir=' + photos, '--per_class=40']
    assert command.execute(draw_flowers.main, draw_flowers.FLAGS, arguments) == 0
    return photos


@pytest.mark.slow
@pytest.mark.once
def test_squeezenet_is_retrained(imported, squeezenet, in_process, tmp_path, flowers):
    imported(
        '--keras_file=' + squeezenet,
        '--channel_order=bgr',
        '--input_mean=123.68,116.779,103.939',
        '--input_std=1',
    )
    assert retrain(in_process, tmp_path, flowers) > 60  # Of five kinds: 20% by chance.


@pytest.mark.parametrize('kept', [0, 1, -1])
def test_variables_that_are_cut_are_one_line(saved_model, one_error, tmp_path, kept):
    source = tmp_path / 'source'
    shutil.copytree(saved_model, str(source))
    (path,) = source.glob('variables/variables.data*')
    path.write_bytes(path.read_bytes()[:kept])
    flags = ['--output_name=net', '--model_dir=%s' % tmp_path, '--saved_model=%s' % source]
    line = one_error(import_network, *flags)
    assert 'cannot read the variables' in line or 'object graph of the checkpoint' in line
    assert not (tmp_path / 'net' / 'frozen_graph.pb').exists()


def test_a_saved_model_is_retrained_and_labels(
    imported, saved_model, in_process, tmp_path, photo_dir
):
    imported('--saved_model=' + saved_model)
    assert (
        retrain(in_process, tmp_path, photo_dir) > 60
    )  # Of three kinds, which colour tells apart.
    photo = next(str(path) for path in sorted((tmp_path / photo_dir).glob('*/*')))
    ended = in_process(label_image, '--graph=%s' % (tmp_path / 'graph.pb'), '--image=' + photo)
    assert ended.status == 0 and 'score=' in ended.out
    ended = in_process(
        quantize_graph,
        '--mode=weights',
        '--input=%s' % (tmp_path / 'graph.pb'),
        '--output=%s' % (tmp_path / 'small.pb'),
        '--output_node_names=final_result',
    )
    assert ended.status == 0, ended.err


def test_tensorflow_lite_takes_an_imported_graph(imported, small, tmp_path):
    _, described = imported('--keras_file=' + small, '--channel_order=bgr')
    graph, lite = str(tmp_path / 'net' / 'frozen_graph.pb'), str(tmp_path / 'net.tflite')
    ended = tools.tflite_convert(graph, lite, described.output_name)
    assert ended.returncode == 0, ended.stderr
    assert os.path.getsize(lite) > 1000
