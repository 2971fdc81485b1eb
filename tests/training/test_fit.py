"""The new layer: what it learns, what its graph and summaries are called."""

import contextlib
import itertools
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.dataset import split
from scripts.dataset.photos import Photo
from scripts.graphs import search
from scripts.images.settings import Distortions
from scripts.training import checkpoint
from scripts.training import fit as training
from scripts.training import settings as settings_lib
from scripts.training.batches import Examples

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


def train(trainer, validation=VALIDATION, path=''):
    """Trains, with a checkpoint at `path` where that is given."""
    examples = {split.TRAINING: TRAINING, split.VALIDATION: validation, split.TESTING: TESTING}
    trainer.train(examples, None, checkpoint.Keeper(path, {}))


def events(folder):
    """Returns the events in a summary folder's one file."""
    (name,) = os.listdir(folder)
    return list(tf.train.summary_iterator(os.path.join(folder, name)))


def steps_and_tags(folder):
    values = [
        (event.step, {value.tag for value in event.summary.value})
        for event in events(folder)
        if event.summary.value
    ]
    return [step for step, _ in values], set().union(*(tags for _, tags in values))


def test_it_learns_and_tests(pretrained, settings):
    with training.Trainer(pretrained, 3, settings) as trainer:
        train(trainer)
        result = trainer.test(TESTING)
    assert result.accuracy > 0.9
    assert (result.scores.argmax(axis=1) == TESTING.labels).mean() == pytest.approx(result.accuracy)
    assert list(result.photos) == TESTING.photos


def test_summaries_have_the_classic_tags_steps_and_graph(pretrained, settings):
    with training.Trainer(pretrained, 3, settings) as trainer:
        train(trainer)
    train_dir = os.path.join(settings.summaries_dir, 'train')
    validation = os.path.join(settings.summaries_dir, 'validation')
    assert steps_and_tags(train_dir) == (list(range(25)), SCALAR_TAGS | HISTOGRAM_TAGS)
    assert steps_and_tags(validation) == ([0, 10, 20, 24], SCALAR_TAGS | HISTOGRAM_TAGS)
    graphs = [event.graph_def for event in events(train_dir) if event.graph_def]
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
        train(trainer, validation=NOTHING)
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
            train(trainer, validation=validation)
            frozen.append(trainer.frozen_graph())
    assert frozen[0] == frozen[1] == frozen[2]


def test_another_seed_trains_another_graph(pretrained, settings):
    frozen = []
    for seed in (4, 4, 5):
        with training.Trainer(pretrained, 3, settings._replace(random_seed=seed)) as trainer:
            train(trainer, validation=NOTHING)
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
        train(trainer, validation=NOTHING)
    assert 'lower --learning_rate (it is 3e+38)' in str(raised.value)


@pytest.mark.parametrize('what', ['_checkpoint', 'intermediate'])
def test_weights_that_are_no_numbers_are_kept_nowhere(pretrained, settings, what):
    settings = settings._replace(intermediate_store_frequency=1)
    with training.Trainer(pretrained, 3, settings) as trainer:
        good = trainer._checkpoint()
        broken = {name: np.full_like(value, np.nan) for name, value in good.variables.items()}
        trainer.restore(good._replace(variables=broken, steps_done=8))
        with pytest.raises(UserError, match='diverged at step 7: the weights are not finite'):
            if what == '_checkpoint':
                trainer._checkpoint()
            else:
                trainer._store_intermediate(7)
    assert not os.path.exists(settings.intermediate_output_graphs_dir)


def test_a_name_that_the_network_has_is_refused(pretrained):
    training.check_final_tensor_name(pretrained, 'final_result')
    for name in (
        'input',
        'Input',
        'MobilenetV1',
        'final_training_ops',
        'final_training_ops/Wx_plus_b/add',
        'final_training_ops/biases/final_biases',
        'cross_entropy',
        'accuracy/mine',
    ):
        with pytest.raises(UserError, match='has a node or a scope of that name already'):
            training.check_final_tensor_name(pretrained, name)


@pytest.mark.parametrize('name', ['final_result', 'a/b', '.x', 'softmax', 'activations', 'init'])
def test_the_output_has_the_name_that_was_asked_for(pretrained, settings, name):
    training.check_final_tensor_name(pretrained, name)
    with training.Trainer(pretrained, 3, settings._replace(final_tensor_name=name)) as trainer:
        frozen = trainer.frozen_graph()
    assert frozen.node[-1].name == name and frozen.node[-1].op == 'Softmax'


@pytest.mark.parametrize(
    'changes',
    [
        {},
        {'optimizer': 'momentum', 'learning_rate': 0.01},
        {'optimizer': 'adam', 'learning_rate': 0.001},
        {'dropout': 0.5},
        {'early_stopping_steps': 8, 'eval_step_interval': 2},
    ],
    ids=lambda changes: '-'.join(changes) or 'plain',
)
@pytest.mark.parametrize('stop', [1, 7, 20])
def test_a_resumed_run_ends_as_one_that_was_not_stopped(
    pretrained, settings, tmp_path, monkeypatch, changes, stop
):
    settings = settings._replace(**changes)
    with training.Trainer(pretrained, 3, settings) as trainer:
        train(trainer)
        whole = trainer.frozen_graph()
    path = str(tmp_path / 'checkpoint')
    monkeypatch.setattr(checkpoint, 'SECONDS_BETWEEN', 0)
    with training.Trainer(pretrained, 3, settings) as trainer:
        step = training.Trainer._train_step

        def stopping(self, number, *batch):
            if number == stop:
                raise KeyboardInterrupt
            return step(self, number, *batch)

        monkeypatch.setattr(training.Trainer, '_train_step', stopping)
        with contextlib.suppress(KeyboardInterrupt):  # Early stopping may come first.
            train(trainer, path=path)
        monkeypatch.setattr(training.Trainer, '_train_step', step)
    saved = checkpoint.load(path, {})
    assert saved.steps_done == stop or saved.stopped_early
    with training.Trainer(pretrained, 3, settings) as trainer:
        trainer.restore(saved)
        train(trainer, path=path)
        assert trainer.frozen_graph() == whole


@pytest.mark.parametrize('first', [5, 6, 15])
def test_a_run_that_goes_on_with_more_steps_ends_as_one_of_as_many(
    pretrained, settings, tmp_path, monkeypatch, first
):
    """The first run's last evaluation is none of the second one's, however good it was."""
    validate = training.Trainer._validate

    def best_in_the_end(self, step, batch):
        summary, _ = validate(self, step, batch)
        return summary, 0.9 if step == first - 1 else 0.5 + step / 1000

    monkeypatch.setattr(training.Trainer, '_validate', best_in_the_end)
    settings = settings._replace(early_stopping_steps=100)
    path, graphs = str(tmp_path / 'checkpoint'), []
    for steps in (first, 25, 25):
        changed = settings._replace(how_many_training_steps=steps)
        with training.Trainer(pretrained, 3, changed) as trainer:
            if graphs:
                trainer.restore(checkpoint.load(path, {}))
            train(trainer, path=path)
            graphs.append(trainer.frozen_graph())
    with training.Trainer(pretrained, 3, settings) as trainer:
        train(trainer)
        unbroken = trainer.frozen_graph()
        assert trainer._best.step == 24
    assert graphs[1] == unbroken != graphs[0]
    assert graphs[2] == unbroken  # All steps were done: the last evaluation is made again.


@pytest.mark.parametrize(
    'changes',
    [
        {'optimizer': 'momentum', 'learning_rate': 0.01},
        {'optimizer': 'adam', 'learning_rate': 0.01},
        {'dropout': 0.3},
    ],
)
def test_what_is_off_by_default_learns_something_else(pretrained, settings, changes):
    results = []
    for each in ({}, changes):
        with training.Trainer(pretrained, 3, settings._replace(**each)) as trainer:
            train(trainer)
            assert trainer.test(TESTING).accuracy > 0.7
            results.append(trainer.frozen_graph())
    assert results[0] != results[1]
    assert [node.name for node in results[0].node] == [node.name for node in results[1].node]


def test_early_stopping_judges_by_every_validation_photo(pretrained, settings, monkeypatch):
    batches = []
    validate = training.Trainer._validate

    def recording(self, step, batch):
        batches.append(batch[1])
        return validate(self, step, batch)

    monkeypatch.setattr(training.Trainer, '_validate', recording)
    settings = settings._replace(early_stopping_steps=100, validation_batch_size=15)
    with training.Trainer(pretrained, 3, settings) as trainer:
        train(trainer)
    assert len(batches) == 4
    for labels in batches:
        assert (labels == VALIDATION.labels).all()


@pytest.mark.parametrize('size, expected', [(15, 15), (39, 39), (40, 40), (100, 40), (-1, 40)])
def test_a_category_smaller_than_its_batch_is_evaluated_whole(
    pretrained, settings, monkeypatch, size, expected
):
    counts = []
    monkeypatch.setattr(
        training, '_log_step', lambda step, text, *values: counts.append(values[1:])
    )
    settings = settings._replace(
        how_many_training_steps=1, validation_batch_size=size, test_batch_size=size
    )
    with training.Trainer(pretrained, 3, settings) as trainer:
        train(trainer)
        result = trainer.test(VALIDATION)
    assert counts[-1] == (expected,)
    assert len(result.photos) == expected
    if expected == 40:
        assert list(result.photos) == VALIDATION.photos


def test_early_stopping_keeps_the_best(pretrained, settings):
    settings = settings._replace(
        how_many_training_steps=400, eval_step_interval=1, early_stopping_steps=30
    )
    with training.Trainer(pretrained, 3, settings) as trainer:
        train(trainer)
        best = trainer._best
        weights = trainer._session.run('final_training_ops/weights/final_weights:0')
        assert trainer._steps_done < 400
    assert (weights == best.variables['final_training_ops/weights/final_weights']).all()
    steps, _ = steps_and_tags(os.path.join(settings.summaries_dir, 'validation'))
    assert steps[-1] == best.step + 30
    with training.Trainer(
        pretrained,
        3,
        settings._replace(how_many_training_steps=best.step + 1, early_stopping_steps=0),
    ) as trainer:
        train(trainer)
        unstopped = trainer._session.run('final_training_ops/weights/final_weights:0')
    assert (weights == unstopped).all()


def test_a_resumed_distorted_run_reads_the_batches_of_an_unbroken_one(
    pretrained, settings, monkeypatch
):
    streams = []

    class Recorder:
        """Stands in for the stream; keeps what it is to read, and what is taken."""

        def __init__(self, _, __, choices):
            self.choices = [path for path, _ in itertools.islice(choices, 200)]
            self.taken = []
            streams.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            """Nothing to close."""

        def take(self, count):
            self.taken.append(count)
            return np.zeros((count, 1001), np.float32)

    monkeypatch.setattr(training.extract, 'DistortedStream', Recorder)
    examples = {split.TRAINING: TRAINING, split.VALIDATION: NOTHING, split.TESTING: NOTHING}
    for steps_done in (0, 3):
        with training.Trainer(pretrained, 3, settings) as trainer:
            trainer._steps_done = steps_done
            trainer.train(examples, Distortions(flip_left_right=True), checkpoint.Keeper('', {}))
    whole, resumed = streams
    # 60 photos are done: a batch of 32, and 28 of the next, which is read whole again.
    assert resumed.choices[:100] == whole.choices[32:132]
    assert whole.taken == [0] + [20] * 25 and resumed.taken == [28] + [20] * 22


def test_a_checkpoint_of_another_layer_is_one_line(pretrained, settings, tmp_path):
    settings = settings._replace(checkpoint_path=str(tmp_path / 'checkpoint'))
    with training.Trainer(pretrained, 3, settings) as trainer:
        saved = trainer._checkpoint()
        name = sorted(saved.variables)[0]
        for change in (lambda old: old.pop(name), lambda old: old.update({name: old[name][:1]})):
            variables = dict(saved.variables)
            change(variables)
            with pytest.raises(UserError, match='checkpoint is damaged: delete it'):
                trainer.restore(saved._replace(variables=variables, steps_done=3))
