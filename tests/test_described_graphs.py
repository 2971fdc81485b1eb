"""Graphs that say what they are: what retrain writes, what tools keep, what commands read."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

from scripts import evaluate, label_image, quantize_graph, retrain
from scripts.graphs import description, graph_files
from tests import pictures, stand_ins, tools

NAME = 'mobilenet_0.25_128'
pytestmark = [
    pytest.mark.each_tensorflow,
    pytest.mark.xdist_group('described graphs'),
]  # For its fixture.
MODES = ['round', 'quantize', 'eightbit', 'weights', 'weights_rounded']


def retrain_flags(folder, **changes):
    values = dict(
        image_dir='photos',
        architecture=NAME,
        model_dir='models',
        output_graph='out_graph.pb',
        output_labels='out_labels.txt',
        bottleneck_dir='bottlenecks',
        summaries_dir='summaries',
        intermediate_output_graphs_dir='intermediate',
        intermediate_store_frequency=8,
        saved_model_dir='serving/1',
        how_many_training_steps=12,
        learning_rate=0.00001,
        testing_percentage=25,
        validation_percentage=20,
        random_seed=1,
    )
    values.update(changes)
    return ['--%s=%s' % item for item in values.items()]


def draw_mixed(folder):
    """Draws photos of which some stand in a wrong class, so that no accuracy is 100%."""
    pictures.draw_classes(folder, 30)
    first, second = sorted(os.listdir(folder))[:2]
    for number in range(6):
        names = [os.path.join(folder, name, '%03d.jpg' % number) for name in (first, second)]
        os.rename(names[0], names[0] + '.moving')
        os.rename(names[1], names[0])
        os.rename(names[0] + '.moving', names[1])


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder with photos, in which a graph was trained by retrain, as a user would."""
    folder = str(tmp_path_factory.mktemp('described'))
    draw_mixed(os.path.join(folder, 'photos'))
    stand_ins.install(NAME, os.path.join(folder, 'models'))
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    subprocess.run(
        [sys.executable, '-m', 'scripts.retrain'] + retrain_flags(folder),
        cwd=folder,
        env=dict(os.environ, PYTHONPATH=root),
        check=True,
        stdout=subprocess.PIPE,
    )
    return folder


@pytest.fixture
def inside(trained, tmp_path, monkeypatch):
    """Stands in a copy of that folder, which a test may change."""
    copy = str(tmp_path / 'copy')
    shutil.copytree(trained, copy)
    monkeypatch.chdir(copy)
    return copy


def said(path):
    return description.find(graph_files.read(path))


def test_a_trained_graph_says_what_it_is(inside):
    output_name, value = said('out_graph.pb')
    assert output_name == 'final_result'
    with open('out_labels.txt') as file:
        assert list(value.labels) == file.read().splitlines()
    assert value.input == description.Input('input', 128, 128, 127.5, 127.5, 'ignore')
    assert value.network.name == NAME and re.match('[0-9a-f]{64}$', value.network.fingerprint)
    assert value.photos == description.Photos(
        'photos', 'path', 25, 20, ('jpg', 'jpeg', 'JPG', 'JPEG')
    )
    assert value.tensorflow == tf.VERSION


def test_it_tells_the_accuracy_that_training_printed(inside, in_process):
    ended = in_process(retrain, *retrain_flags(inside))
    percent, count = re.search(r'Final test accuracy = ([\d.]+)% \(N=(\d+)\)', ended.out).groups()
    test = said('out_graph.pb').description.test
    assert '%.1f' % (100 * test.accuracy) == percent and test.photos == int(count)
    assert 0 < test.accuracy < 1


def test_an_intermediate_graph_and_one_without_test_photos_tell_no_accuracy(inside, in_process):
    assert said('intermediate/intermediate_8.pb').description.test is None
    assert in_process(retrain, *retrain_flags(inside, testing_percentage=0)).status == 0
    assert said('out_graph.pb').description.test is None


def test_paths_are_left_out_on_request(inside, in_process):
    assert in_process(retrain, '--nodescribe_paths', *retrain_flags(inside)).status == 0
    assert said('out_graph.pb').description.photos.image_dir is None
    with open('out_graph.pb', 'rb') as file:
        assert b'photos/' not in file.read()


@pytest.mark.parametrize('mode', MODES)
def test_quantizing_keeps_it(inside, in_process, mode):
    for output in ('final_result', 'final_training_ops/Wx_plus_b/MatMul,final_result'):
        ended = in_process(
            quantize_graph,
            '--input=out_graph.pb',
            '--output=small_graph.pb',
            '--output_node_names=' + output,
            '--mode=' + mode,
        )
        assert ended.status == 0, ended.err
        assert said('small_graph.pb') == said('out_graph.pb')


@pytest.mark.parametrize('mode', MODES)
def test_a_pass_that_renames_the_output_node_moves_it(inside, in_process, mode):
    """A layer as the output: the passes put a node of its name behind the layer itself."""
    graph_def = graph_files.read('out_graph.pb')
    layer = 'final_training_ops/Wx_plus_b/MatMul'
    moved = said('out_graph.pb').description
    for node in graph_def.node:
        node.attr.pop('_classifier', None)
    description.attach(graph_def, layer, moved)
    graph_files.write(graph_def, 'layer_graph.pb')
    flags = ['--input=layer_graph.pb', '--output=small.pb', '--output_node_names=' + layer]
    assert in_process(quantize_graph, '--mode=' + mode, *flags).status == 0
    assert said('small.pb') == (layer, moved)


@pytest.mark.parametrize('mode', MODES)
def test_a_graph_with_a_quantized_input_is_fed_and_labels_as_before(inside, in_process, mode):
    flags = ['--input=out_graph.pb', '--output=small_graph.pb', '--output_node_names=final_result']
    flags += ['--quantized_input', '--quantized_input_min=-1', '--quantized_input_max=1']
    assert in_process(quantize_graph, '--mode=' + mode, *flags).status == 0

    def scores(graph, image):
        ended = in_process(label_image, '--graph=' + graph, '--output_format=json', image)
        assert ended.status == 0 and ended.err == '', ended.err
        return {
            (photo['image'], each['label']): each['score']
            for photo in json.loads(ended.out)
            for each in photo['labels']
        }

    for image in ('photos/Red/010.jpg', 'photos/Red'):
        plain, small = scores('out_graph.pb', image), scores('small_graph.pb', image)
        assert small == pytest.approx(plain, abs=0.1)
    assert in_process(evaluate, 'out_graph.pb', 'small_graph.pb').status == 0


def test_the_tools_of_the_ecosystem_keep_it_or_pass_over_it(inside):
    subprocess.run(
        [sys.executable, '-m', 'tensorflow.python.tools.optimize_for_inference']
        + ['--input=out_graph.pb', '--output=optimized.pb']
        + ['--input_names=input', '--output_names=final_result'],
        check=True,
        stderr=subprocess.PIPE,
    )
    assert said('optimized.pb') == said('out_graph.pb')
    converted = tools.tflite_convert('out_graph.pb', 'graph.tflite', 'final_result')
    assert converted.returncode == 0, converted.stderr


def test_the_saved_model_holds_it_too(inside):
    with tf.Session(graph=tf.Graph()) as session:
        tf.saved_model.load(session, ['serve'], 'serving/1')
        graph_def = session.graph.as_graph_def()
    assert description.find(graph_def).description.labels == said('out_graph.pb').description.labels


# Labels.


def labels_of(ended):
    return [line.split(' (score=')[0] for line in ended.out.splitlines() if ' (score=' in line]


PHOTO = '--image=photos/Red/010.jpg'


@pytest.mark.once
def test_labels_come_with_the_graph_and_not_from_another_model(inside, in_process):
    os.makedirs('tf_files')
    with open('tf_files/retrained_labels.txt', 'w') as file:
        file.write('cat\ndog\nmouse\n')
    os.remove('out_labels.txt')
    ended = in_process(label_image, '--graph=out_graph.pb', PHOTO)
    assert ended.status == 0 and ended.err == ''
    assert sorted(labels_of(ended)) == sorted(pictures.LABELS)


@pytest.mark.once
def test_without_a_description_the_labels_beside_the_graph_come_first(inside, in_process):
    os.makedirs('tf_files')
    for name in ('tf_files/retrained_labels.txt', 'plain_labels.txt'):
        with open(name, 'w') as file:
            file.write('cat\ndog\nmouse\n' if 'tf_files' in name else 'b\ng\nr\n')
    graph_def = graph_files.read('out_graph.pb')
    for node in graph_def.node:
        node.attr.pop('_classifier', None)
    graph_files.write(graph_def, 'plain_graph.pb')
    graph_files.write(graph_def, 'plain.pb')
    assert sorted(labels_of(in_process(label_image, '--graph=plain_graph.pb', PHOTO))) == [
        'b',
        'g',
        'r',
    ]
    assert 'cat' in labels_of(in_process(label_image, '--graph=plain.pb', PHOTO))


@pytest.mark.once
def test_labels_that_contradict_the_graph_are_one_warning(inside, in_process):
    with open('others.txt', 'w') as file:
        file.write('cat\ndog\nmouse\n')
    ended = in_process(label_image, '--graph=out_graph.pb', '--labels=others.txt', PHOTO)
    assert 'cat' in labels_of(ended)  # The flag wins.
    (warning,) = ended.err.splitlines()
    assert 'others.txt are not those that out_graph.pb was trained with' in warning
    shutil.copy('others.txt', 'out_labels.txt')
    ended = in_process(label_image, '--graph=out_graph.pb', PHOTO)
    assert sorted(labels_of(ended)) == sorted(pictures.LABELS)
    (warning,) = ended.err.splitlines()
    assert "the graph's are used; to use the file's, add --labels=out_labels.txt" in warning


# How it is fed.


@pytest.mark.parametrize('mean', [10.0, (10.0, 20.0, 30.0)])
def test_the_graph_is_fed_as_it_says(inside, in_process, mean):
    """Fed at a node of any name, in any size and with any mean, a graph labels as it should."""
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [None, None, None, 3], name='photos')
        size = tf.cast(tf.shape(images)[1:3], tf.float32)
        tf.concat([0 * images[:, 0, 0, :2] + size, images[:, 0, 0, :1]], 1, name='scores')
    graph_def = graph.as_graph_def()
    value = said('out_graph.pb').description
    value = value._replace(
        labels=('height', 'width', 'value'),
        input=description.Input('photos', 20, 30, mean, 50.0, 'ignore'),
    )
    graph_files.write(graph_def, 'plain.pb')
    description.attach(graph_def, 'scores', value)
    graph_files.write(graph_def, 'fed.pb')
    from PIL import Image

    Image.new('RGB', (40, 50), (200, 200, 200)).save('photo.png')

    def scores(*flags):
        ended = in_process(label_image, '--image=photo.png', *flags)
        assert ended.status == 0, ended.err
        pairs = [line.split(' (score=') for line in ended.out.splitlines()[3:]]
        return {name: float(score.rstrip(')')) for name, score in pairs}, ended.err

    assert scores('--graph=fed.pb') == ({'height': 20, 'width': 30, 'value': 3.8}, '')
    given, err = scores('--graph=fed.pb', '--input_mean=0', '--input_height=7')
    assert given == {'height': 7, 'width': 30, 'value': 4.0}
    (warning,) = err.splitlines()
    assert 'flags override what the graph says of itself: ' in warning
    assert '--input_mean=0' in warning and '--input_height=7 (described: 20)' in warning
    with open('three.txt', 'w') as file:
        file.write('height\nwidth\nvalue\n')
    _, err = scores('--graph=plain.pb', '--labels=three.txt')
    (warning,) = err.splitlines()
    assert 'is fed at photos, and does not say how: assuming mean 127.5' in warning
    _, err = scores('--graph=plain.pb', '--labels=three.txt', '--input_mean=0', '--input_std=1')
    assert err == ''


# The split.


def accuracy(ended):
    assert ended.status == 0, ended.err
    return re.match(r'Accuracy: ([\d.]+)\n', ended.out).group(1), ended.out.splitlines()[3]


def ways(folder):
    """The photos, typed in five ways."""
    os.symlink('photos', 'link')
    shutil.copytree('photos', 'elsewhere/moved')
    return ['photos', './photos', os.path.join(folder, 'photos'), 'link', 'elsewhere/moved']


@pytest.mark.once
def test_the_test_photos_are_the_same_however_the_folder_is_typed(inside, in_process):
    found = [
        accuracy(in_process(evaluate, 'out_graph.pb', '--image_dir=' + way)) for way in ways(inside)
    ]
    assert len({figure for figure, _ in found}) == 1
    assert found[0][1] == re.sub('elsewhere/moved', 'photos', found[-1][1])
    assert re.match(r'Photos: \d+ of the 90 in photos are for testing$', found[0][1])
    test = said('out_graph.pb').description.test
    assert found[0][0] == '%.2f' % test.accuracy
    assert ' %d of the 90 ' % test.photos in found[0][1]
    # Nothing but the graph: the folder is the one that it was trained on.
    assert accuracy(in_process(evaluate, 'out_graph.pb')) == found[0]


@pytest.mark.once
def test_without_a_description_one_line_says_what_the_split_depends_on(inside, in_process):
    graph_def = graph_files.read('out_graph.pb')
    for node in graph_def.node:
        node.attr.pop('_classifier', None)
    graph_files.write(graph_def, 'plain_graph.pb')
    flags = ['plain_graph.pb', '--labels=out_labels.txt']
    flags += ['--testing_percentage=25', '--validation_percentage=20']
    found = set()
    for way in ways(inside):
        ended = in_process(evaluate, '--image_dir=' + way, *flags)
        found.add(accuracy(ended)[1].split(' of ')[0])
        (warning,) = ended.err.splitlines()
        assert 'the split depends on how the folder was typed' in warning
    assert len(found) > 1
    for more in ('--category=all', '--split_key=name', '--split_image_dir=photos'):
        ended = in_process(evaluate, '--image_dir=link', more, *flags)
        assert ended.status == 0 and ended.err == ''
    described = accuracy(in_process(evaluate, 'out_graph.pb', '--image_dir=link'))
    assert accuracy(ended) == described


@pytest.mark.once
def test_without_paths_the_folder_as_typed_in_training_is_asked_for(inside, in_process, one_error):
    assert in_process(retrain, '--nodescribe_paths', *retrain_flags(inside)).status == 0
    line = one_error(evaluate, 'out_graph.pb', '--image_dir=photos')
    assert 'give --split_image_dir=FOLDER as --image_dir was typed in training' in line
    assert in_process(evaluate, 'out_graph.pb', '--image_dir=photos', '--category=all').status == 0
    ended = in_process(evaluate, 'out_graph.pb', '--image_dir=./photos', '--split_image_dir=photos')
    assert ended.err == ''
    test = said('out_graph.pb').description.test
    assert accuracy(ended)[0] == '%.2f' % test.accuracy
    assert (
        in_process(retrain, '--nodescribe_paths', '--split_key=name', *retrain_flags(inside)).status
        == 0
    )
    assert in_process(evaluate, 'out_graph.pb', '--image_dir=photos').status == 0


@pytest.mark.once
def test_a_split_that_contradicts_the_graph_is_one_warning(inside, in_process):
    ended = in_process(evaluate, 'out_graph.pb', '--image_dir=photos', '--testing_percentage=40')
    (warning,) = ended.err.splitlines()
    assert '--testing_percentage=40 (described: 25)' in warning
    assert accuracy(ended)[1] != accuracy(in_process(evaluate, 'out_graph.pb'))[1]
    ended = in_process(evaluate, 'out_graph.pb', '--testing_percentage=25')
    assert ended.err == ''


@pytest.mark.once
def test_graphs_that_were_split_apart_are_compared_with_a_warning(inside, in_process, one_error):
    flags = retrain_flags(inside, output_graph='other_graph.pb', split_key='name')
    assert in_process(retrain, *flags).status == 0
    ended = in_process(evaluate, 'out_graph.pb', 'other_graph.pb')
    assert ended.status == 0
    assert 'do not say that their photos were split in the same way' in ended.err
    ended = in_process(evaluate, 'out_graph.pb', 'out_graph.pb')
    assert ended.status == 0 and ended.err == ''
    graph_def = graph_files.read('out_graph.pb')
    value = said('out_graph.pb').description
    description.attach(graph_def, 'final_result', value._replace(labels=('a', 'b', 'c')))
    graph_files.write(graph_def, 'renamed.pb')
    line = one_error(evaluate, 'out_graph.pb', 'renamed.pb')
    assert 'the labels of out_graph.pb and renamed.pb differ (' in line


@pytest.mark.once
def test_the_classic_folder_is_taken_where_nothing_says_another(inside, in_process):
    os.makedirs('tf_files')
    os.rename('photos', 'tf_files/flower_photos')
    assert accuracy(in_process(evaluate, 'out_graph.pb'))[1].endswith(
        'in tf_files/flower_photos are for testing'
    )


def test_what_is_default_is_not_written():
    """So that descriptions have the bytes that earlier versions wrote."""
    graph_def = tf.GraphDef(node=[tf.NodeDef(name='output')])
    description.attach(graph_def, 'output', stand_ins.DESCRIPTION)
    data = graph_def.node[0].attr['_classifier'].s
    assert b'channels' not in data and b'bottleneck' not in data
    assert description.find(graph_def).description == stand_ins.DESCRIPTION


def test_an_imported_network_has_no_labels_and_no_photos(warnings_of):
    grey = stand_ins.DESCRIPTION.input._replace(mean=1.5, channels=1)
    network = description.Network('mine', 'ab', 'avg_pool/Mean')
    imported = stand_ins.DESCRIPTION._replace(
        labels=(), photos=None, test=None, input=grey, network=network
    )
    graph_def = tf.GraphDef(node=[tf.NodeDef(name='output')])
    description.attach(graph_def, 'output', imported)
    assert description.find(graph_def).description == imported
    for wrong in (
        imported._replace(labels=('a',)),
        stand_ins.DESCRIPTION._replace(photos=None),
        imported._replace(input=grey._replace(channels=2)),
        imported._replace(input=grey._replace(channels=True)),
        imported._replace(network=network._replace(bottleneck='')),
    ):
        description.attach(graph_def, 'output', wrong)
        (warning,) = warnings_of(lambda: description.find(graph_def))
        assert 'is corrupt' in warning
