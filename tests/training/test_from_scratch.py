"""Networks from random weights: their layers against Keras', and the command that trains them."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import label_image, quantize_graph, retrain
from scripts.common.errors import UserError
from scripts.graphs import graph_files, search
from scripts.images.settings import GREY, PixelSpec
from scripts.networks import backbone as backbone_lib
from scripts.networks import registry
from scripts.networks.scratch import making
from scripts.networks.scratch.layers import InferenceLayers, TrainingLayers
from scripts.training import checkpoint, settings
from scripts.training.batches import Batch
from scripts.training.model import Model
from tests.test_retrain import Bench

pytestmark = pytest.mark.each_tensorflow

SMALL = 'small'
SIZE = 16

# In a process of its own: this one has no eager mode.
_KERAS = """
import sys
import numpy as np, tensorflow as tf
if tf.__version__.startswith('1.'):
    tf.compat.v1.enable_eager_execution()
keras = tf.keras
given = np.load(sys.argv[1])
layers = [
    keras.layers.Conv2D(4, 3, strides=2, padding='same', activation='relu'),
    keras.layers.MaxPooling2D(2, 2),
    keras.layers.BatchNormalization(),
    keras.layers.Conv2D(6, 5, padding='same', activation='relu'),
    keras.layers.MaxPooling2D(3, 2),
    keras.layers.BatchNormalization(),
    keras.layers.Flatten(),
    keras.layers.Dense(8, activation='relu'),
    keras.layers.Dense(3),
]
model = keras.Sequential(layers)
images = tf.constant(given['images'])
model(images)
for number, layer in enumerate(layer for layer in layers if layer.weights):
    layer.set_weights([given['%d_%d' % (number, i)] for i in range(len(layer.weights))])
with tf.GradientTape() as tape:
    logits = model(images, training=True)
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=given['labels'], logits=logits))
gradients = tape.gradient(loss, model.trainable_variables)
norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
np.savez(
    sys.argv[2],
    *[each.numpy() for each in gradients],
    statistics=np.concatenate([np.ravel(norm.get_weights()[2:]) for norm in norms]))
"""

# By layer, in the order of Keras.
PARAMETERS = [
    ['convolution_1/weights', 'convolution_1/biases'],
    ['batch_norm_1/' + part for part in ('scale', 'offset', 'moving_mean', 'moving_variance')],
    ['convolution_2/weights', 'convolution_2/biases'],
    ['batch_norm_2/' + part for part in ('scale', 'offset', 'moving_mean', 'moving_variance')],
    ['dense_1/weights', 'dense_1/biases'],
]
HEAD = ['final_training_ops/weights/final_weights', 'final_training_ops/biases/final_biases']


def small(layers, pixels):
    """All layers but dropout: what Keras drops depends on its own seeds."""
    values = layers.convolution(pixels, 4, size=3, stride=2)
    values = layers.max_pool(values, size=2, stride=2)
    values = layers.batch_norm(values)
    values = layers.convolution(values, 6, size=5)
    values = layers.max_pool(values, size=3, stride=2)
    values = layers.batch_norm(values)
    values = layers.flatten(values)
    return layers.dense(values, 8)


def with_dropout(layers, pixels):
    return layers.dropout(small(layers, pixels), 0.25)


@pytest.fixture
def install(monkeypatch):
    """Returns a function that makes a network that is registered as SMALL."""

    def installed(function, channels=3):
        network = registry.NETWORKS['alexnet_32']._replace(
            name=SMALL,
            pixels=PixelSpec(SIZE, SIZE, 127.5, 127.5, channels=channels),
            recipe={'eval_step_interval': 20},
        )
        monkeypatch.setitem(registry.NETWORKS, SMALL, network)
        monkeypatch.setitem(making.FUNCTIONS, SMALL, function)
        return network

    return installed


def trained_by_hand(network, batch, **changes):
    """Returns the values of variables before and after a step, and the model's graph."""
    backbone = backbone_lib.load(network, '')
    training = settings.Training(1, 1.0, 5)._replace(**changes)
    with Model(backbone, 3, training) as model:
        # As large as the others: the new layer begins with weights close to 0.
        model.set_values({HEAD[0]: np.random.RandomState(4).randn(8, 3)})
        before = model.values()
        model.train(0, batch, False)
        return before, model.values(), model.frozen_graph()


def batch_of(count=40):
    random = np.random.RandomState(3)
    images = random.randn(count, SIZE, SIZE, 3).astype(np.float32)
    return Batch(images, random.randint(3, size=count))


def test_a_step_is_that_of_keras(install, tmp_path):
    batch = batch_of()
    before, after, _ = trained_by_hand(install(small), batch)
    layers = [['trained_tail/' + name for name in names] for names in PARAMETERS] + [HEAD]
    weights = {
        '%d_%d' % (number, i): before[name]
        for number, names in enumerate(layers)
        for i, name in enumerate(names)
    }
    paths = [str(tmp_path / name) for name in ('given.npz', 'found.npz')]
    np.savez(paths[0], images=batch.features, labels=batch.labels, **weights)
    subprocess.run([sys.executable, '-c', _KERAS] + paths, check=True, stderr=subprocess.DEVNULL)
    found = np.load(paths[1])
    trained = [name for names in layers for name in names if 'moving' not in name]
    for number, name in enumerate(trained):
        gradient = found['arr_%d' % number]
        # A batch norm takes most of the biases before it away.
        assert np.abs(gradient).max() > 0.01 or 'biases' in name
        np.testing.assert_allclose(before[name] - after[name], gradient, atol=2e-6, err_msg=name)
    statistics = [name for names in layers for name in names if 'moving' in name]
    expected = np.split(found['statistics'], [4, 8, 14])
    for name, value, count in zip(statistics, expected, (640, 640, 40, 40)):
        # Keras 3 divides the squares by their number, its predecessors, and we, by one less.
        biased = name.endswith('variance') and not tf.VERSION.startswith('1.')
        shifted = 0.99 + (value - 0.99) * count / (count - 1) if biased else value
        np.testing.assert_allclose(after[name], shifted, atol=1e-6, err_msg=name)


def test_the_graph_is_in_inference_mode(install):
    before, after, graph_def = trained_by_hand(install(with_dropout), batch_of())
    nodes = search.nodes_by_name(graph_def)
    ops = {node.op for node in graph_def.node}
    assert 'FusedBatchNorm' in ops and not {each for each in ops if 'Random' in each}
    for node in graph_def.node:
        assert node.op != 'FusedBatchNorm' or not node.attr['is_training'].b
    assert (before['trained_tail/batch_norm_1/moving_variance'] == 1).all()
    for name in ('batch_norm_1/moving_mean', 'dense_1/weights'):
        value = tf.make_ndarray(nodes[name].attr['value'].tensor)
        assert (value == after['trained_tail/' + name]).all()
        assert (value != before['trained_tail/' + name]).any()


def test_what_is_dropped_depends_on_the_seed_and_the_step():
    def dropped(seed, step):
        with tf.Graph().as_default(), tf.Session() as session:
            layers = TrainingLayers({}, seed, tf.constant(step))
            first = layers.dropout(tf.ones([4, 1000]), 0.25)
            return session.run([first, layers.dropout(tf.ones([4, 1000]), 0.25)])

    values, others = dropped(1, 2)
    assert abs((values == 0).mean() - 0.25) < 0.05 and abs(values.mean() - 1) < 0.05
    assert (values != others).any()
    assert (values == dropped(1, 2)[0]).all()
    assert (values != dropped(1, 3)[0]).any() and (values != dropped(2, 2)[0]).any()


class CountingLayers(InferenceLayers):
    """Layers whose parameters take no memory."""

    count = 0

    def _parameter(self, name, shape, initial):
        self.count += np.prod(shape)
        return tf.placeholder(tf.float32, shape)


@pytest.mark.parametrize(
    'name, labels, parameters',
    [
        # The figures of Keras' summaries.
        ('dense_128', 10, 101770),
        ('dense_128_128', 10, 118282),
        ('alexnet_32', 200, 22370760),
    ],
)
def test_the_networks_have_as_many_parameters_as_their_sources(name, labels, parameters):
    pixels, layers = registry.find(name).pixels, CountingLayers(0)
    with tf.Graph().as_default():
        shape = [None, pixels.height, pixels.width, pixels.channels]
        bottleneck = making.FUNCTIONS[name](layers, tf.placeholder(tf.float32, shape))
    assert layers.count + (bottleneck.shape.as_list()[1] + 1) * labels == parameters


def test_cnn_32_has_dense_layers_on_each_position():
    network = registry.find('cnn_32')._replace(given=registry.Given(input_height=8, input_width=8))
    network, graph_def = making.make(network)
    assert network.bottleneck_length == 512
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [None, 8, 8, 3])
        (last,) = tf.import_graph_def(graph_def, {'input': images}, ['flatten_1/Reshape:0'])
    assert last.shape.as_list() == [None, 4 * 4 * 512]


def test_seeds_give_other_weights():
    def digest(seed):
        network = registry.find('dense_128')._replace(seed=seed)
        return backbone_lib.load(network, '').sha256

    assert digest(1) == digest(1) != digest(2)


def test_a_size_that_does_not_fit_is_one_line():
    for size, words in ((4, 'does not take pixels of 4 x 4'), (3000, 'parameters: expected fewer')):
        network = registry.find('alexnet_32' if size == 4 else 'cnn_32')
        given = registry.Given(input_height=size, input_width=size)
        with pytest.raises(UserError, match=words):
            backbone_lib.load(network._replace(given=given), '')


@pytest.fixture
def bench(tmp_path, photo_dir, install):
    install(with_dropout)
    return Bench(tmp_path, photo_dir)


def flags_of(bench, **changes):
    return bench.flags(**dict(dict(architecture=SMALL, how_many_training_steps=60), **changes))


def test_it_trains_labels_quantizes_and_exports(bench, in_process):
    lite = os.path.join(bench.folder, 'colours.tflite')
    saved_model = os.path.join(bench.folder, 'serving')
    changes = dict(
        optimizer='adam',
        learning_rate=0.005,
        hidden_units='8',
        tflite_output_file=lite,
        saved_model_dir=saved_model,
        flip_left_right=True,
    )
    ended = in_process(retrain, *flags_of(bench, **changes))
    assert ended.status == 0, ended.err
    assert 'Training small from random weights: ' in ended.out
    assert re.findall(r'Step (\d+): Validation', ended.out) == ['0', '20', '40', '59']
    assert float(re.search(r'Final test accuracy = ([\d.]+)%', ended.out).group(1)) > 50
    assert os.path.getsize(lite) and os.listdir(saved_model)
    rounded = os.path.join(bench.folder, 'rounded.pb')
    ended = in_process(
        quantize_graph,
        '--input=' + bench.graph,
        '--output=' + rounded,
        '--mode=eightbit',
        '--output_node_names=final_result',
    )
    assert ended.status == 0, ended.err
    photo = os.path.join(bench.photo_dir, 'Red', '000.jpg')
    ended = in_process(label_image, photo, '--graph=' + rounded, '--labels=' + bench.labels)
    assert ended.status == 0, ended.err


def test_a_run_that_is_stopped_gives_the_same_bytes(bench, in_process, monkeypatch):
    monkeypatch.setattr(checkpoint, 'SECONDS_BETWEEN', 0)
    changes = dict(optimizer='momentum', early_stopping_steps=40, random_crop=10)
    assert in_process(retrain, *flags_of(bench, **changes)).status == 0
    whole = bench.graph_bytes()
    os.remove(bench.graph)
    flags = flags_of(
        bench, checkpoint_path=os.path.join(bench.folder, 'checkpoint'), resume=True, **changes
    )
    train = Model.train

    def stopping(self, step, batch, summarize):
        if step == 33:
            raise KeyboardInterrupt
        return train(self, step, batch, summarize)

    monkeypatch.setattr(Model, 'train', stopping)
    assert in_process(retrain, *flags).status == 130
    monkeypatch.setattr(Model, 'train', train)
    ended = in_process(retrain, *flags)
    assert 'Resuming after 33 steps' in ended.out
    assert bench.graph_bytes() == whole


def test_another_seed_begins_with_other_weights(bench, in_process):
    weights = []
    for seed in (1, 2):
        # So low a rate changes no weight.
        flags = flags_of(bench, learning_rate=1e-12, how_many_training_steps=1, random_seed=seed)
        assert in_process(retrain, *flags).status == 0
        nodes = search.nodes_by_name(graph_files.read(bench.graph))
        weights.append(tf.make_ndarray(nodes['dense_1/weights'].attr['value'].tensor))
    assert np.abs(weights[0] - weights[1]).max() > 0.01


def test_grey_networks_take_photos_in_colour(bench, install, in_process):
    install(with_dropout, GREY)
    ended = in_process(retrain, *flags_of(bench))
    assert ended.status == 0, ended.err
    assert 'pixels of 16 x 16 x 1' in ended.out
    photo = os.path.join(bench.photo_dir, 'Red', '000.jpg')
    assert in_process(label_image, photo, '--graph=' + bench.graph).status == 0


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'fine_tune_blocks': 2}, 'is trained as a whole, from random weights: leave'),
        ({'fine_tune_from': 'input'}, 'is trained as a whole, from random weights: leave'),
        ({'head_steps': 10}, '--head_steps is about fine-tuning'),
        ({'bottleneck_layer': 'dense_1/Relu'}, '--bottleneck_layer is about pretrained networks'),
        ({'input_layer': 'input'}, '--input_layer is about pretrained networks'),
        ({'input_height': 2}, 'small does not take pixels of 2 x 16'),
    ],
)
def test_a_user_error_is_one_line(bench, one_error, changes, words):
    assert words in one_error(retrain, *flags_of(bench, **changes))
