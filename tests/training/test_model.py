"""The trained part: the head's nodes and first values, the tail, and the frozen graph."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import extract
from scripts.features.place import Place
from scripts.graphs import build, rewrite, search
from scripts.graphs.importing import import_graph
from scripts.images import runner
from scripts.networks import backbone as backbone_lib
from scripts.training import evaluating, tail
from scripts.training import fit as fit_lib
from scripts.training.batches import Examples, KeptBatches
from scripts.training.model import Model, check_final_tensor_name
from tests import stand_ins
from tests.training.examples import NOTHING, TRAINING

pytestmark = pytest.mark.each_tensorflow

WEIGHTS, BIASES = [
    'final_training_ops/%s/final_%s' % (name, name) for name in ('weights', 'biases')
]


def test_the_frozen_graph_is_the_network_and_the_head(pretrained, settings):
    with Model(pretrained, 3, settings) as model, KeptBatches(TRAINING, settings) as batches:
        fit_lib.fit(model, batches, NOTHING, settings)
        frozen, values = model.frozen_graph(), model.values()
    nodes = search.nodes_by_name(frozen)
    for node in pretrained.graph_def.node:
        if node.name != 'MobilenetV1/Predictions/Softmax':
            assert nodes.pop(node.name) == node
    assert {name: node.op for name, node in nodes.items()} == {
        'input_1/BottleneckInputPlaceholder': 'PlaceholderWithDefault',
        WEIGHTS: 'Const',
        WEIGHTS + '/read': 'Identity',
        BIASES: 'Const',
        BIASES + '/read': 'Identity',
        'final_training_ops/Wx_plus_b/MatMul': 'MatMul',
        'final_training_ops/Wx_plus_b/add': 'Add',
        'final_result': 'Softmax',
    }
    for name in (WEIGHTS, BIASES):
        assert (tf.make_ndarray(nodes[name].attr['value'].tensor) == values[name]).all()
    assert frozen.versions == pretrained.graph_def.versions


def test_weights_begin_small_and_biases_at_zero(pretrained, settings):
    with Model(pretrained, 3, settings) as model:
        values = model.values()
    assert (values[BIASES] == 0).all()
    assert np.abs(values[WEIGHTS]).max() <= 0.002  # Truncated at two standard deviations.
    assert 0.0008 < values[WEIGHTS].std() < 0.001


def test_values_are_set_as_they_were(pretrained, settings):
    with Model(pretrained, 3, settings) as model:
        values = {name: value + 1 for name, value in model.values().items()}
        model.set_values(values)
        assert model.shapes() == {name: value.shape for name, value in values.items()}
        for name, value in model.values().items():
            assert (value == values[name]).all()


def test_a_name_that_the_network_has_is_refused(pretrained):
    check_final_tensor_name(pretrained, 'final_result')
    for name in (
        'input',
        'Input',
        'MobilenetV1',
        'final_training_ops',
        'final_training_ops/Wx_plus_b/add',
        BIASES,
        'cross_entropy',
        'accuracy/mine',
    ):
        with pytest.raises(UserError, match='has a node or a scope of that name already'):
            check_final_tensor_name(pretrained, name)


@pytest.mark.parametrize('name', ['final_result', 'a/b', '.x', 'softmax', 'activations', 'init'])
def test_the_output_has_the_name_that_was_asked_for(pretrained, settings, name):
    check_final_tensor_name(pretrained, name)
    with Model(pretrained, 3, settings._replace(final_tensor_name=name)) as model:
        frozen = model.frozen_graph()
    assert frozen.node[-1].name == name and frozen.node[-1].op == 'Softmax'


BOUNDARY = 'Block_1/Relu6'
TAIL = ['Block_2/weights', 'Logits/weights', 'Logits/biases']


@pytest.fixture
def network(pretrained):
    """A backbone of a network with convolutions behind some inner node, up to its bottleneck."""
    return pretrained._replace(graph_def=stand_ins.mobilenet_of_blocks())


def test_what_is_behind_the_boundary_is_the_tail(network):
    assert [each.name for each in tail.find(network).constants] == []
    cut = backbone_lib.cut(network, BOUNDARY)
    assert cut.shape == (8, 8, 12) and cut.fingerprint != network.fingerprint
    assert [each.name for each in tail.find(cut).constants] == TAIL
    assert [each.name for each in tail.find(backbone_lib.cut(network, 'Pool')).constants] == [
        'Block_1/weights'
    ] + TAIL


def test_a_node_that_is_passed_by_is_no_boundary(network):
    graph_def = tf.GraphDef()
    graph_def.CopyFrom(network.graph_def)
    nodes = search.nodes_by_name(graph_def)
    # A shortcut around the first block.
    graph_def.node.add(
        name='Shortcut', op='Identity', input=['Pool'], attr=nodes['Block_2/weights/read'].attr
    )
    joined = graph_def.node.add(name='Joined', op='ConcatV2', input=[BOUNDARY, 'Shortcut', 'axis'])
    joined.attr['N'].i = 2
    joined.attr['T'].type = joined.attr['Tidx'].type = tf.float32.as_datatype_enum
    joined.attr['Tidx'].type = tf.int32.as_datatype_enum
    graph_def.node.add(name='axis', op='Const').attr['dtype'].type = tf.int32.as_datatype_enum
    nodes['Block_2/convolution'].input[0] = 'Joined'
    cut = network._replace(graph_def=graph_def, boundary=BOUNDARY, shape=(8, 8, 12))
    with pytest.raises(UserError, match='Block_1/Relu6 is no boundary: there is a path from input'):
        tail.find(cut)


def test_the_nodes_of_a_trained_tail_come_in_the_order_that_opencv_reads(network, settings):
    backwards = tf.GraphDef(versions=network.graph_def.versions, node=network.graph_def.node[::-1])
    cut = backbone_lib.cut(network._replace(graph_def=backwards), BOUNDARY)
    with Model(cut, 3, settings) as model:
        frozen = model.frozen_graph()
    names = [node.name for node in frozen.node]
    assert names == [node.name for node in build.needed(frozen.node, ['final_result'])]
    assert set(names) > {node.name for node in backwards.node if node.name in TAIL}


def examples_of(backbone, photo_dir, folder):
    """Returns `Examples` of all photos, with the features that are kept in a folder."""
    photos = photos_lib.load(photo_dir, Split(key='name')).photos
    features = extract.compute(backbone, Place(str(folder), 'blocks'), photos)
    labels = np.array([photo.label_index for photo in photos], np.int64)
    return Examples(features, labels, photos, np.arange(len(photos)))


@pytest.mark.parametrize('optimizer, rate', [('gradient_descent', 0.01), ('momentum', 0.003)])
def test_a_tail_is_trained_from_kept_features(
    network, settings, photo_dir, tmp_path, optimizer, rate
):
    """The last layer and two convolutions learn more than the last layer alone, by the same code.

    What comes out is the network as it was, with new values behind the boundary.
    """
    settings = settings._replace(
        optimizer=optimizer, learning_rate=rate, how_many_training_steps=40
    )
    losses = {}
    for boundary in (network.boundary, BOUNDARY):
        cut = backbone_lib.cut(network, boundary)
        examples = examples_of(cut, photo_dir, tmp_path / 'features')
        with Model(cut, 3, settings) as model, KeptBatches(examples, settings) as batches:
            history = fit_lib.fit(model, batches, examples, settings)
            result = evaluating.evaluate(model, examples, np.arange(len(examples.labels)))
            losses[boundary] = result.cross_entropy
            frozen = model.frozen_graph()
    assert losses[BOUNDARY] < 0.7 * losses[network.boundary]
    assert history.evaluations[-1].validation.accuracy > 0.9
    nodes, changed = search.nodes_by_name(frozen), []
    for node in network.graph_def.node:
        if nodes[node.name] != node:
            changed.append(node.name)
    assert changed == TAIL
    added = [name for name in nodes if name not in search.nodes_by_name(network.graph_def)]
    assert all(name.startswith(('input', 'final_')) for name in added)

    # The whole frozen graph, from photos on, gives what the model gives from features.
    def whole(pixels_tensor):
        freed = rewrite.allow_any_batch(frozen, 'input')
        return import_graph(freed, ['final_result:0'], {'input:0': pixels_tensor})[0]

    paths = [[photo.path for photo in examples.photos]]
    ((scores, _),) = runner.run(network.network.pixels, whole, paths)
    np.testing.assert_allclose(scores, result.scores, atol=1e-5)


@pytest.mark.parametrize('stop', [1, 13])
def test_a_resumed_tail_ends_as_one_that_was_not_stopped(
    network, settings, photo_dir, tmp_path, stop
):
    settings = settings._replace(
        checkpoint_path=str(tmp_path / 'checkpoint'), resume=True, identity={}
    )
    cut = backbone_lib.cut(network, BOUNDARY)
    examples = examples_of(cut, photo_dir, tmp_path / 'features')
    graphs = []
    for steps in ([stop, 25], [25]):
        for count in steps:
            run = settings._replace(how_many_training_steps=count, learning_rate=0.01)
            with Model(cut, 3, run) as model, KeptBatches(examples, run) as batches:
                fit_lib.fit(model, batches, examples, run)
                graphs.append(model.frozen_graph())
        os.remove(settings.checkpoint_path)
    assert graphs[1] == graphs[2] != graphs[0]


HIDDEN = ['final_training_ops/hidden_%d/weights/hidden_weights' % number for number in (1, 2)]


def test_hidden_layers_stand_before_the_last_one_which_keeps_its_names(pretrained, settings):
    with Model(pretrained, 3, settings) as model:
        plain = search.nodes_by_name(model.frozen_graph())
    settings = settings._replace(hidden_units=(64, 16))
    with Model(pretrained, 3, settings) as model:
        nodes, values = search.nodes_by_name(model.frozen_graph()), model.values()
    assert set(plain) < set(nodes)
    assert {name: nodes[name].op for name in set(nodes) - set(plain)} == {
        'final_training_ops/hidden_%d/%s' % (number, name): op
        for number in (1, 2)
        for name, op in (
            ('weights/hidden_weights', 'Const'),
            ('weights/hidden_weights/read', 'Identity'),
            ('biases/hidden_biases', 'Const'),
            ('biases/hidden_biases/read', 'Identity'),
            ('MatMul', 'MatMul'),
            ('add', 'Add'),
            ('Relu', 'Relu'),
        )
    }
    shapes = [values[name].shape for name in HIDDEN + [WEIGHTS]]
    assert shapes == [(1001, 64), (64, 16), (16, 3)]
    for name in HIDDEN:
        assert values[name].std() == pytest.approx((2 / len(values[name])) ** 0.5, rel=0.2)
    assert values[HIDDEN[0]][:64, :16].tolist() != values[HIDDEN[1]].tolist()


@pytest.mark.parametrize('changes', [{}, {'dropout': 0.3}])
def test_hidden_layers_learn(pretrained, settings, changes):
    settings = settings._replace(hidden_units=(32, 16), learning_rate=0.05, **changes)
    with Model(pretrained, 3, settings) as model, KeptBatches(TRAINING, settings) as batches:
        before = model.values()
        fit_lib.fit(model, batches, NOTHING, settings)
        after = model.values()
        result = evaluating.evaluate(model, TRAINING, np.arange(len(TRAINING.labels)))
    assert all((before[name] != after[name]).any() for name in HIDDEN + [WEIGHTS])
    assert result.accuracy > 0.8


def test_weight_decay_shrinks_weights_and_nothing_else(network, settings, photo_dir, tmp_path):
    """The difference to a step without it is the decay of each weight."""
    cut = backbone_lib.cut(network, BOUNDARY)
    examples = examples_of(cut, photo_dir, tmp_path / 'features')
    values = []
    for decay in (0, 0.5):
        changed = settings._replace(
            weight_decay=decay, hidden_units=(8,), learning_rate=0.01, train_batch_size=5
        )
        with Model(cut, 3, changed) as model, KeptBatches(examples, changed) as batches:
            before = model.values()
            model.train(0, batches.next(), summarize=False)
            values.append(model.values())
    for name, value in before.items():
        shrunk = 0.01 * 0.5 * value * (not name.endswith('biases'))
        np.testing.assert_allclose(values[0][name] - values[1][name], shrunk, atol=1e-6)
        assert name.endswith('biases') or np.abs(shrunk).max() > 5e-6


def test_the_histograms_of_large_layers_are_those_of_evaluations(
    network, settings, photo_dir, tmp_path
):
    cut = backbone_lib.cut(network, BOUNDARY)
    examples = examples_of(cut, photo_dir, tmp_path / 'features')
    settings = settings._replace(
        hidden_units=(8,), learning_rate_decay='cosine', learning_rate=0.001
    )
    tags = []
    for each in (network, cut):
        examples = examples_of(each, photo_dir, tmp_path / 'features')
        with Model(each, 3, settings) as model, KeptBatches(examples, settings) as batches:
            batch = batches.next()
            both = model.train(24, batch, summarize=True), model.evaluate(batch, True).summaries
        parsed = [tf.Summary.FromString(each) for each in both]
        tags.append([{value.tag for value in each.value} for each in parsed])
        rates = [each.simple_value for each in parsed[0].value if each.tag == 'learning_rate']
        assert rates == [0]
    for of_steps, of_evaluations in tags:
        assert of_steps - of_evaluations == {'learning_rate'}
    hidden = {'final_training_ops/hidden_1/%s/histogram' % name for name in ('weights', 'biases')}
    assert tags[0][1] - tags[0][0] == hidden
    assert tags[1][1] - tags[1][0] == hidden | {'tail/' + name for name in TAIL}


def test_a_model_takes_over_the_head_of_another_one(network, settings):
    settings = settings._replace(hidden_units=(8,), optimizer='adam')
    with Model(network, 3, settings) as model:
        head = {name: value + 1 for name, value in model.head_values().items()}
    assert sorted(head) == sorted(
        [WEIGHTS, BIASES, HIDDEN[0], HIDDEN[0].replace('weights', 'biases')]
    )
    with Model(backbone_lib.cut(network, BOUNDARY), 3, settings) as model:
        model.set_values(head)
        values = model.values()
    for name, value in head.items():
        assert (values[name] == value).all()


def test_a_tail_is_evaluated_in_parts_no_larger_than_it_is_trained_in(
    network, settings, photo_dir, tmp_path
):
    cut = backbone_lib.cut(network, BOUNDARY)
    for size, most in ((20, 20), (-1, None)):
        with Model(cut, 3, settings._replace(train_batch_size=size)) as model:
            assert model.most_at_once == most
    with Model(network, 3, settings) as model:
        assert model.most_at_once is None
