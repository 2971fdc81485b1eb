"""The contract on real photos, networks, bottlenecks and graphs that others made."""

import os
import re
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import label_image, retrain
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.graphs import graph_files, search
from tests import stand_ins

NAME = 'mobilenet_0.25_128'


def read_tsv(path):
    with open(path, encoding='utf-8') as file:
        return [line.rstrip('\n').split('\t') for line in file if not line.startswith('#')]


def vectors(folder, architecture):
    """Returns a dict from `<folder>/<photo>` to the values that the classic script would read."""
    suffix = '_%s.txt' % architecture
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(suffix):
                with open(os.path.join(place, name)) as file:
                    values = np.array([float(value) for value in file.read().split(',')])
                found['%s/%s' % (os.path.basename(place), name[: -len(suffix)])] = values
    return found


def file_bytes(folder):
    """Returns a dict from the path of each text file below a folder to its bytes."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith('.txt'):
                with open(os.path.join(place, name), 'rb') as file:
                    found[os.path.join(place, name)] = file.read()
    return found


@pytest.fixture
def classic_split(shared_data):
    """A dict from `<folder>/<photo>` to the category that the classic script puts it in."""
    split = dict(read_tsv(os.path.join(shared_data, 'classic', 'split.tsv')))
    assert len(split) == 600
    return split


@pytest.fixture
def flags(shared_data, tmp_path, beside_shared):
    """Returns a function that gives retrain's flags, with the classic path of the photos."""
    models = tmp_path / 'models'
    models.mkdir()
    shutil.copy(
        os.path.join(shared_data, 'models', 'mobilenet_v1_0.25_128_frozen.tgz'), str(models)
    )

    def make(**changes):
        values = dict(
            image_dir='../shared/data/flower_photos',
            architecture=NAME,
            model_dir=models,
            bottleneck_dir=tmp_path / 'bottlenecks',
            summaries_dir=tmp_path / 'summaries',
            output_graph=tmp_path / 'graph.pb',
            output_labels=tmp_path / 'labels.txt',
            how_many_training_steps=500,
            random_seed=1,
        )
        values.update(changes)
        return ['--%s=%s' % item for item in values.items()]

    return make


@pytest.fixture
def classic_cache(shared_data, tmp_path):
    """A copy of the bottlenecks that others made."""
    folder = str(tmp_path / 'classic_bottlenecks')
    shutil.copytree(os.path.join(shared_data, 'bottlenecks'), folder)
    return folder


def final_test_accuracy(ended):
    return float(re.search(r'Final test accuracy = ([\d.]+)% \(N=69\)', ended.out).group(1))


def test_the_split_is_the_classic_one(classic_split, beside_shared):
    dataset = photos_lib.load('../shared/data/flower_photos', Split())
    split = {'%s/%s' % (photo.folder, photo.file_name): photo.category for photo in dataset.photos}
    assert split == classic_split


def test_bottlenecks_made_from_nothing_are_the_classic_ones(
    shared_data, flags, tmp_path, in_process
):
    ended = in_process(retrain, *flags())
    assert ended.status == 0, ended.err
    assert final_test_accuracy(ended) > 70  # The classic script: 76.8%.
    ours = vectors(str(tmp_path / 'bottlenecks'), NAME)
    classic = vectors(os.path.join(shared_data, 'bottlenecks'), NAME)
    assert ours.keys() == classic.keys() and len(ours) == 600
    assert max(np.abs(ours[name] - classic[name]).max() for name in classic) < 1e-4

    nodes = graph_files.read(str(tmp_path / 'graph.pb')).node
    theirs = graph_files.read(os.path.join(shared_data, 'classic', 'retrained_graph.pb')).node
    assert len(nodes) == 560
    # Their `add` is an AddV2, which older TensorFlow and OpenCV do not know.
    assert {node.name: node.op for node in theirs} == {
        node.name: 'AddV2' if node.name.endswith('Wx_plus_b/add') else node.op for node in nodes
    }


def test_classic_bottlenecks_are_used_and_stay(flags, classic_cache, in_process, monkeypatch):
    from scripts.features import extract

    monkeypatch.setattr(extract, '_fill', None)  # Nothing is computed.
    before = file_bytes(classic_cache)
    ended = in_process(retrain, *flags(bottleneck_dir=classic_cache))
    assert ended.status == 0, ended.err
    assert '600 of 600 bottlenecks found' in ended.out
    assert file_bytes(classic_cache) == before
    assert final_test_accuracy(ended) > 70


@pytest.mark.each_tensorflow
def test_a_real_quantized_network_gives_batches(flags, in_process):
    ended = in_process(retrain, *flags(architecture=NAME + '_quantized'))
    assert ended.status == 0, ended.err
    assert final_test_accuracy(ended) > 60


@pytest.mark.each_tensorflow
def test_inception_with_real_bottlenecks(shared_data, flags, classic_cache, tmp_path, in_process):
    stand_ins.install('inception_v3', str(tmp_path / 'models'))
    ended = in_process(
        retrain,
        *flags(
            architecture='inception_v3', bottleneck_dir=classic_cache, how_many_training_steps=4000
        ),
    )
    assert ended.status == 0, ended.err
    assert final_test_accuracy(ended) >= 85
    nodes = search.nodes_by_name(graph_files.read(str(tmp_path / 'graph.pb')))
    assert nodes['Mul'].op == 'Placeholder'
    arguments = [
        '--graph=%s' % (tmp_path / 'graph.pb'),
        '--labels=%s' % (tmp_path / 'labels.txt'),
        '--image='
        + os.path.join(shared_data, 'flower_photos', 'daisy', '2649404904_b7a91991bb_n.jpg'),
    ]
    plain = in_process(label_image, *arguments)
    classic = in_process(
        label_image, '--input_layer=Mul', '--input_height=299', '--input_width=299', *arguments
    )
    assert plain.status == classic.status == 0
    assert plain.out.splitlines()[3:] == classic.out.splitlines()[3:]
    assert len(plain.out.splitlines()) == 8


def labelled(in_process, shared_data, photo, *flags):
    """Returns what label_image prints for a photo with the classic graph."""
    ended = in_process(
        label_image,
        '--graph=' + os.path.join(shared_data, 'classic', 'retrained_graph.pb'),
        '--labels=' + os.path.join(shared_data, 'classic', 'retrained_labels.txt'),
        '--image=' + os.path.join(shared_data, 'flower_photos', photo),
        *flags,
    )
    assert ended.status == 0, ended.err
    return [
        (label, float(score))
        for label, score in re.findall(r'^(.*) \(score=([\d.]+)\)$', ended.out, re.MULTILINE)
    ]


@pytest.mark.each_tensorflow
def test_classic_scores_come_out_again(shared_data, in_process):
    rows = read_tsv(os.path.join(shared_data, 'classic', 'label_image.tsv'))
    assert len(rows) == 12
    for photo, *expected in rows:
        scores = labelled(in_process, shared_data, photo, '--input_mean=128', '--input_std=128')
        classic = dict(pair.split(' ') for pair in expected)
        assert scores[0][0] == expected[0].split(' ')[0]
        for label, score in scores:
            assert abs(score - float(classic[label])) < 5e-5, photo


def test_size_mean_and_std_are_found_on_the_classic_graph(shared_data, in_process):
    photo = 'daisy/5109508979_68e3530791_m.jpg'
    given = [
        '--input_height=128',
        '--input_width=128',
        '--input_mean=127.5',
        '--input_std=127.5',
        '--input_layer=input',
        '--output_layer=final_result',
    ]
    plain = labelled(in_process, shared_data, photo)
    assert plain == labelled(in_process, shared_data, photo, *given)
    assert plain != labelled(in_process, shared_data, photo, '--input_mean=128')


def test_a_real_network_takes_batches_as_it_takes_one(shared_data, flags, in_process, tmp_path):
    from scripts.networks import backbone as pretrained
    from scripts.networks import registry

    flags()  # Puts the archive in place.
    loaded = pretrained.load(registry.find(NAME), str(tmp_path / 'models'))
    images = np.random.RandomState(0).uniform(-1, 1, (3, 128, 128, 3)).astype(np.float32)
    graph = tf.Graph()
    with graph.as_default():
        images_tensor = tf.placeholder(tf.float32, [None, 128, 128, 3])
        bottleneck_tensor = pretrained.import_into_graph(loaded, images_tensor)
    with tf.Session(graph=graph) as session:
        together = session.run(bottleneck_tensor, {images_tensor: images})
        alone = [
            session.run(bottleneck_tensor, {images_tensor: image[np.newaxis]})[0]
            for image in images
        ]
    np.testing.assert_allclose(together, alone, atol=1e-4)
