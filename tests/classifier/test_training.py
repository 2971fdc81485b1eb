"""The new layer: what it learns, what its graph and summaries are called."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.classifier import settings as settings_lib
from scripts.classifier import training
from scripts.classifier.sampling import Examples
from scripts.dataset.photos import Photo
from scripts.errors import UserError
from scripts.graphs import search
from scripts.networks import pretrained as pretrained_lib
from scripts.networks import table
from tests import stand_ins

NAME = 'mobilenet_0.25_128'

SCALAR_TAGS = {'accuracy_1', 'cross_entropy_1'} | {
    'final_training_ops/%s/summaries/%s_1' % (variable, statistic)
    for variable in ('weights', 'biases')
    for statistic in ('mean', 'stddev', 'max', 'min')
}
HISTOGRAM_TAGS = {
    'activations',
    'final_training_ops/Wx_plus_b/pre_activations',
    'final_training_ops/weights/summaries/histogram',
    'final_training_ops/biases/summaries/histogram',
}


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp('models'))
    stand_ins.install(NAME, folder)
    return pretrained_lib.load(table.find(NAME), folder)


@pytest.fixture
def settings(tmp_path):
    return settings_lib.Training(
        how_many_training_steps=25,
        learning_rate=0.1,
        eval_step_interval=10,
        train_batch_size=20,
        validation_batch_size=15,
        test_batch_size=-1,
        final_tensor_name='final_result',
        summaries_dir=str(tmp_path / 'summaries'),
        intermediate_output_graphs_dir=str(tmp_path / 'intermediate'),
        intermediate_store_frequency=0,
        random_seed=4,
    )


def separable(count, seed):
    """Examples of 3 classes that a linear layer tells apart."""
    random = np.random.RandomState(seed)
    labels = random.randint(3, size=count)
    bottlenecks = random.randn(count, 1001).astype(np.float32)
    bottlenecks[np.arange(count), labels] += 8
    photos = [Photo('photos/%d' % row, 'photos', str(row), labels[row], '') for row in range(count)]
    return Examples(bottlenecks, labels.astype(np.int64), photos)


TRAINING, VALIDATION, TESTING = separable(200, 0), separable(40, 1), separable(30, 2)
NOTHING = Examples(np.empty((0, 1001), np.float32), np.empty(0, np.int64), [])


def events(folder):
    """Returns the events in a summary folder's one file, through TensorBoard's reader."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (name,) = os.listdir(folder)
    return list(EventFileLoader(os.path.join(folder, name)).Load())


def steps_and_tags(folder):
    values = [
        (event.step, {value.tag for value in event.summary.value})
        for event in events(folder)
        if event.summary.value
    ]
    return [step for step, _ in values], set().union(*(tags for _, tags in values))


def test_it_learns_and_tests(pretrained, settings):
    with training.Trainer(pretrained, 3, settings) as trainer:
        trainer.train(TRAINING, VALIDATION, None)
        result = trainer.test(TESTING)
    assert result.accuracy > 0.9
    assert (result.predictions == TESTING.labels).mean() == pytest.approx(result.accuracy)
    assert list(result.photos) == TESTING.photos


def test_summaries_have_the_classic_tags_steps_and_graph(pretrained, settings):
    with training.Trainer(pretrained, 3, settings) as trainer:
        trainer.train(TRAINING, VALIDATION, None)
    train = os.path.join(settings.summaries_dir, 'train')
    validation = os.path.join(settings.summaries_dir, 'validation')
    assert steps_and_tags(train) == (list(range(25)), SCALAR_TAGS | HISTOGRAM_TAGS)
    assert steps_and_tags(validation) == ([0, 10, 20, 24], SCALAR_TAGS | HISTOGRAM_TAGS)
    graphs = [event.graph_def for event in events(train) if event.graph_def]
    names = search.nodes_by_name(tf.GraphDef.FromString(graphs[0]))
    assert {
        'input',
        'input_1/BottleneckInputPlaceholder',
        'input_1/GroundTruthInput',
        'final_training_ops/Wx_plus_b/add',
        'final_result',
    } <= set(names)


def test_the_exported_graph_is_the_network_and_the_layer(pretrained, settings):
    with training.Trainer(pretrained, 3, settings) as trainer:
        trainer.train(TRAINING, NOTHING, None)
        frozen = trainer.frozen_graph()
        variables = trainer._session.run(
            [
                'final_training_ops/weights/final_weights:0',
                'final_training_ops/biases/final_biases:0',
            ]
        )
    nodes = search.nodes_by_name(frozen)
    for node in pretrained.graph_def.node:
        if node.name != 'MobilenetV1/Predictions/Softmax':
            assert nodes.pop(node.name) == node
    assert {name: node.op for name, node in nodes.items()} == {
        'input_1/BottleneckInputPlaceholder': 'PlaceholderWithDefault',
        'final_training_ops/weights/final_weights': 'Const',
        'final_training_ops/weights/final_weights/read': 'Identity',
        'final_training_ops/biases/final_biases': 'Const',
        'final_training_ops/biases/final_biases/read': 'Identity',
        'final_training_ops/Wx_plus_b/MatMul': 'MatMul',
        'final_training_ops/Wx_plus_b/add': 'Add',
        'final_result': 'Softmax',
    }
    for name, value in zip(('weights', 'biases'), variables):
        constant = nodes['final_training_ops/%s/final_%s' % (name, name)]
        assert (tf.make_ndarray(constant.attr['value'].tensor) == value).all()
    assert frozen.versions == pretrained.graph_def.versions


def test_weights_begin_small_and_biases_at_zero(pretrained, settings):
    with training.Trainer(pretrained, 3, settings) as trainer:
        weights, biases = trainer._session.run(
            [
                'final_training_ops/weights/final_weights:0',
                'final_training_ops/biases/final_biases:0',
            ]
        )
    assert (biases == 0).all()
    assert np.abs(weights).max() <= 0.002  # Truncated at two standard deviations.
    assert 0.0008 < weights.std() < 0.001


def test_evaluating_more_often_trains_the_same(pretrained, settings):
    frozen = []
    for interval, validation in ((10, VALIDATION), (1, VALIDATION), (10, NOTHING)):
        with training.Trainer(
            pretrained, 3, settings._replace(eval_step_interval=interval)
        ) as trainer:
            trainer.train(TRAINING, validation, None)
            frozen.append(trainer.frozen_graph())
    assert frozen[0] == frozen[1] == frozen[2]


def test_another_seed_trains_another_graph(pretrained, settings):
    frozen = []
    for seed in (4, 4, 5):
        with training.Trainer(pretrained, 3, settings._replace(random_seed=seed)) as trainer:
            trainer.train(TRAINING, NOTHING, None)
            frozen.append(trainer.frozen_graph())
    assert frozen[0] == frozen[1] != frozen[2]


@pytest.mark.parametrize(
    'interval, words',
    [(1, 'step 0: the (cross entropy|weights)'), (10, 'step [01]: the (cross entropy|weights)')],
)
def test_divergence_stops_with_the_flag_to_lower(pretrained, settings, interval, words):
    settings = settings._replace(learning_rate=3e38, eval_step_interval=interval)
    trainer = training.Trainer(pretrained, 3, settings)
    with trainer, pytest.raises(UserError, match=words) as raised:
        trainer.train(TRAINING, NOTHING, None)
    assert 'lower --learning_rate (it is 3e+38)' in str(raised.value)


def test_a_name_that_the_network_has_is_refused(pretrained):
    training.check_final_tensor_name(pretrained, 'final_result')
    with pytest.raises(UserError, match='has a node of that name already'):
        training.check_final_tensor_name(pretrained, 'input')
