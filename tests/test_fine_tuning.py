"""Training more than the last layer, by the command: two stages, one run."""

import copy
import os
import re
import signal

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import evaluate, label_image, quantize_graph, retrain, retrain_flags
from scripts.graphs import graph_files, search
from scripts.networks import registry
from scripts.training import checkpoint
from scripts.training.model import Model
from tests import stand_ins
from tests.test_retrain import NAME, Bench, run_until

pytestmark = pytest.mark.each_tensorflow

BOUNDARY = 'Block_1/Relu6'
WEIGHTS = 'final_training_ops/weights/final_weights'


@pytest.fixture
def bench(tmp_path, photo_dir):
    """A `Bench` whose network has three blocks."""
    bench = Bench(tmp_path, photo_dir)
    path = os.path.join(bench.models, registry.find(NAME).graph_file)
    graph_files.write(stand_ins.mobilenet_of_blocks(), path)
    return bench


def fine_tuning(bench, **changes):
    """Returns flags, with epochs of three steps wherever the photos are."""
    flags = dict(
        fine_tune_blocks=2,
        head_steps=20,
        how_many_training_steps=12,
        train_batch_size=15,
        split_key='name',
    )
    return bench.flags(**dict(flags, **changes))


def logged(text):
    """Returns the steps of evaluations on validation photos, as what was logged says them."""
    return re.findall(r': (\w+ step \d+|Step \d+): Validation', text)


@pytest.mark.each_python
def test_the_head_is_trained_first_and_then_the_last_blocks(bench, in_process):
    ended = in_process(retrain, *fine_tuning(bench))
    assert ended.status == 0, ended.err
    assert ended.err == ''
    epochs = ['Step 22', 'Step 25', 'Step 28', 'Step 31']
    assert logged(ended.out) == ['Step 0', 'Step 10', 'Step 19', 'Before step 20'] + epochs
    assert ended.out.index('Fine-tuning 2 of 3 blocks') < ended.out.index('Step 0: Train')
    assert re.search(r'(Step \d+|Before step 20): Kept, with a validation accuracy of', ended.out)
    nodes = search.nodes_by_name(graph_files.read(bench.graph))
    network = stand_ins.mobilenet_of_blocks()
    changed = [node.name for node in network.node if nodes[node.name] != node]
    assert set(changed) <= {'Block_2/weights', 'Logits/weights', 'Logits/biases'}
    assert len(changed) == (0 if 'Before step 20: Kept' in ended.out else 3)


def test_the_graph_labels_and_quantizes(bench, in_process):
    flags = fine_tuning(bench, hidden_units='16,8', weight_decay=0.001)
    lite = os.path.join(bench.folder, 'flowers.tflite')
    saved_model = os.path.join(bench.folder, 'serving')
    flags += ['--tflite_output_file=' + lite, '--saved_model_dir=' + saved_model]
    assert in_process(retrain, *flags).status == 0
    assert os.path.getsize(lite) and os.listdir(saved_model)
    photo = os.path.join(bench.photo_dir, 'Red', '000.jpg')
    rounded = os.path.join(bench.folder, 'rounded.pb')
    ended = in_process(
        quantize_graph,
        '--input=' + bench.graph,
        '--output=' + rounded,
        '--mode=weights',
        '--output_node_names=final_result',
    )
    assert ended.status == 0, ended.err
    best = []
    for graph in (bench.graph, rounded):
        ended = in_process(label_image, photo, '--graph=' + graph, '--labels=' + bench.labels)
        assert ended.status == 0, ended.err
        best.append(re.search(r'^(\w+) .*\d', ended.out, re.MULTILINE).group(1))
    assert best[0] == best[1]
    assert in_process(evaluate, bench.graph, '--image_dir=' + bench.photo_dir).status == 0


@pytest.mark.once
def test_two_ways_to_say_the_same_and_all_of_it(bench, in_process):
    graphs = []
    for changes in (
        {},
        {},
        {'fine_tune_blocks': 0, 'fine_tune_from': BOUNDARY},
        {'fine_tune_blocks': 3},
        {'fine_tune_blocks': -1},
    ):
        assert in_process(retrain, *fine_tuning(bench, **changes)).status == 0
        graphs.append(bench.graph_bytes())
    assert graphs[0] == graphs[1] == graphs[2] != graphs[3] == graphs[4]


def test_without_steps_of_the_head_there_is_one_stage(bench, in_process):
    ended = in_process(retrain, *fine_tuning(bench, head_steps=0))
    assert ended.status == 0, ended.err
    assert logged(ended.out) == ['Before step 0', 'Step 2', 'Step 5', 'Step 8', 'Step 11']


def test_without_validation_photos_the_last_step_counts(bench, in_process):
    ended = in_process(retrain, *fine_tuning(bench, validation_percentage=0))
    assert ended.status == 0
    assert 'no validation photos: the graph is that of the last step' in ended.err
    assert 'Kept' not in ended.out and 'Step 31: Train accuracy' in ended.out


def test_summaries_count_on_and_the_graph_is_resumed_anywhere(bench, in_process, monkeypatch):
    """Stopped before each of these steps: in the head, at the seam, and behind it."""
    monkeypatch.setattr(checkpoint, 'SECONDS_BETWEEN', 0)
    changes = {'flip_left_right': True, 'hidden_units': 4, 'dropout': 0.1}
    assert in_process(retrain, *fine_tuning(bench, **changes)).status == 0
    whole = bench.graph_bytes()
    steps = []
    for kind in ('train', 'validation'):
        folder = os.path.join(bench.folder, 'summaries', kind)
        paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        found = [
            each.step
            for path in paths
            for each in tf.train.summary_iterator(path)
            if each.summary.value
        ]
        steps.append(sorted(found))
    assert steps == [list(range(32)), [0, 10, 19, 19, 22, 25, 28, 31]]
    os.remove(bench.graph)
    path = os.path.join(bench.folder, 'checkpoint')
    flags = fine_tuning(bench, checkpoint_path=path, resume=True, **changes)
    train = Model.train
    for stop in (7, 20, 21, 29):

        def stopping(self, step, batch, summarize, stop=stop):
            if step == stop:
                raise KeyboardInterrupt
            return train(self, step, batch, summarize)

        monkeypatch.setattr(Model, 'train', stopping)
        assert in_process(retrain, *flags).status == 130
        monkeypatch.setattr(Model, 'train', train)
        assert not os.path.exists(bench.graph)
    ended = in_process(retrain, *flags)
    assert 'Resuming after 29 steps' in ended.out
    assert bench.graph_bytes() == whole
    os.remove(bench.graph)
    assert in_process(retrain, *flags).status == 0
    assert bench.graph_bytes() == whole


@pytest.mark.once
def test_what_must_be_the_same_to_resume_is_told(bench, in_process, one_error):
    path = os.path.join(bench.folder, 'checkpoint')
    flags = {'checkpoint_path': path, 'resume': True}
    assert in_process(retrain, *fine_tuning(bench, **flags)).status == 0
    for name, value, words in (
        ('how_many_training_steps', 13, 'other how_many_training_steps (the learning rate is 0'),
        ('fine_tune_learning_rate', 0.1, 'other fine_tune_learning_rate:'),
        ('learning_rate', 0.1, 'other learning_rate:'),
        ('head_steps', 21, 'other head_steps'),
        ('fine_tune_blocks', 1, 'other boundary'),
        ('hidden_units', 5, 'other hidden_units'),
    ):
        assert words in one_error(retrain, *fine_tuning(bench, **dict(flags, **{name: value})))
    constant = dict(flags, learning_rate_decay='constant', checkpoint_path=path + '_2')
    assert in_process(retrain, *fine_tuning(bench, **constant)).status == 0
    more = dict(constant, how_many_training_steps=13)
    assert in_process(retrain, *fine_tuning(bench, **more)).status == 0
    line = one_error(retrain, *fine_tuning(bench, **dict(more, how_many_training_steps=11)))
    assert 'is after step 13, and --how_many_training_steps=11 asks for fewer' in line


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'fine_tune_from': BOUNDARY}, 'say the same in two ways'),
        ({'fine_tune_blocks': 0}, '--head_steps is about fine-tuning'),
        ({'fine_tune_blocks': -2}, '--fine_tune_blocks'),
        ({'head_steps': -1}, '--head_steps'),
        ({'fine_tune_learning_rate': 0}, '--fine_tune_learning_rate=0: expected a number above 0'),
        ({'hidden_units': '64,x'}, '--hidden_units=64,x: expected the widths'),
        ({'hidden_units': '64,,8'}, '--hidden_units=64,,8: expected the widths'),
        ({'hidden_units': '0'}, '--hidden_units=0: expected the widths'),
        ({'weight_decay': -1}, '--weight_decay'),
        ({'warmup_steps': -1}, '--warmup_steps'),
        ({'learning_rate_decay': 'linear'}, '--learning_rate_decay'),
        ({'fine_tune_blocks': 4}, 'expected from 0 to 3, or -1 for all; blocks of'),
        ({'fine_tune_blocks': 0, 'fine_tune_from': 'Pool'}, '--fine_tune_from=Pool: not a bound'),
    ],
)
def test_a_user_error_is_one_line_and_nothing_is_computed(bench, one_error, changes, words):
    before = sorted(os.walk(bench.folder))
    assert words in one_error(retrain, *fine_tuning(bench, **changes))
    assert [each for each in sorted(os.walk(bench.folder)) if 'summaries' not in each[0]][1:] == (
        before[1:]
    )


@pytest.mark.once
def test_divergence_is_told_by_stage(bench, one_error):
    line = one_error(retrain, *fine_tuning(bench, learning_rate=3e38))
    assert 'lower --learning_rate (it is 3e+38)' in line
    line = one_error(retrain, *fine_tuning(bench, fine_tune_learning_rate=3e38, warmup_steps=0))
    assert 'lower --fine_tune_learning_rate (it is 3e+38)' in line


def stages_of(*flags):
    values = copy.deepcopy(retrain.FLAGS)
    values(['retrain'] + list(flags))
    return values, retrain_flags.stages(values, 7)


def test_the_defaults_of_fine_tuning_give_way_to_what_is_given():
    _, (head, training) = stages_of('--fine_tune_blocks=2')
    assert head.learning_rate == 0.01 and head.optimizer == 'gradient_descent'
    assert head.how_many_training_steps == 500 == training.first_step
    assert head.learning_rate_decay == 'constant' and head.eval_step_interval == 10
    assert not head.keep_best and training.keep_best
    assert training.learning_rate == 0.003 and training.optimizer == 'nesterov'
    assert training.learning_rate_decay == 'cosine'
    assert training.warmup_steps == training.eval_step_interval == 7
    _, (head, training) = stages_of(
        '--fine_tune_from=x',
        '--optimizer=adam',
        '--warmup_steps=0',
        '--eval_step_interval=3',
        '--learning_rate_decay=constant',
        '--early_stopping_steps=5',
    )
    assert head.optimizer == training.optimizer == 'adam'
    assert head.eval_step_interval == training.eval_step_interval == 3
    assert training.warmup_steps == 0 and training.learning_rate_decay == 'constant'
    assert head.early_stopping_steps == 0 and training.early_stopping_steps == 5
    _, (head, training) = stages_of('--warmup_steps=9', '--learning_rate_decay=cosine')
    assert head is None and training.warmup_steps == 9 and not training.keep_best


def test_the_recipe_of_a_network_gives_way_to_flags():
    values, _ = stages_of('--optimizer=momentum')
    recipe = {'optimizer': 'adam', 'dropout': 0.2, 'fine_tune_blocks': -1, 'warmup_steps': 4}
    retrain_flags.apply_recipe(values, recipe)
    head, training = retrain_flags.stages(values, 7)
    assert values.fine_tune_blocks == -1
    assert head.dropout == training.dropout == 0.2
    assert head.optimizer == training.optimizer == 'momentum'
    assert training.warmup_steps == 4 and training.eval_step_interval == 7


@pytest.mark.slow
@pytest.mark.once
def test_a_run_killed_at_random_ends_as_one_that_was_not(bench, in_process):
    changes = {'head_steps': 3000, 'how_many_training_steps': 1500, 'eval_step_interval': 50}
    assert in_process(retrain, *fine_tuning(bench, **changes)).status == 0
    whole = bench.graph_bytes()
    os.remove(bench.graph)
    path = os.path.join(bench.folder, 'checkpoint')
    flags = fine_tuning(bench, checkpoint_path=path, resume=True, **changes)
    random = np.random.RandomState(0)
    for step in sorted(list(random.randint(0, 4300, size=4)) + [2950]):
        assert run_until(flags, step, signal.SIGKILL) != 0
        assert not os.path.exists(bench.graph)
    ended = in_process(retrain, *flags)
    assert ended.status == 0 and 'from the checkpoint' in ended.out
    assert bench.graph_bytes() == whole
