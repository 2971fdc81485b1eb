"""The training loop: what is learned, evaluated, written, stopped and resumed."""

import contextlib
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import search
from scripts.training import checkpoint, evaluating
from scripts.training import fit as fit_lib
from scripts.training import settings as settings_lib
from scripts.training.batches import KeptBatches
from scripts.training.model import Model
from tests.training.examples import NOTHING, TESTING, TRAINING, VALIDATION

pytestmark = pytest.mark.each_tensorflow

WEIGHTS = 'final_training_ops/weights/final_weights'

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


class Fitted:
    """What `fit` left: the history, the variables and the frozen graph."""

    def __init__(self, backbone, settings, validation=VALIDATION, on_evaluation=None):
        with Model(backbone, 3, settings) as model, KeptBatches(TRAINING, settings) as batches:
            self.history = fit_lib.fit(model, batches, validation, settings, on_evaluation)
            self.values, self.graph_def = model.values(), model.frozen_graph()
            self.tested = evaluating.test(model, TESTING, np.arange(len(TESTING.labels)))


@contextlib.contextmanager
def stopping_at(stop, monkeypatch):
    """Makes training raise KeyboardInterrupt at a step, while the block runs."""
    train = Model.train

    def stopping(self, step, batch, summarize):
        if step == stop:
            raise KeyboardInterrupt
        return train(self, step, batch, summarize)

    with monkeypatch.context() as patched:
        patched.setattr(Model, 'train', stopping)
        yield


def saving_to(path, settings):
    """Returns settings with a checkpoint, from which a run goes on where there is one."""
    return settings._replace(checkpoint_path=str(path), resume=True, identity={})


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


def test_it_learns(pretrained, settings):
    fitted = Fitted(pretrained, settings)
    assert fitted.tested.accuracy > 0.9


def test_the_history_has_each_evaluation(pretrained, settings):
    history = Fitted(pretrained, settings).history
    assert [each.step for each in history.evaluations] == [0, 10, 20, 24]
    assert history.steps_done == 25 and not history.stopped_early and history.best_step is None
    first, last = history.evaluations[0], history.evaluations[-1]
    assert first.training.photos == 20 and first.validation.photos == 15
    assert last.validation.cross_entropy < first.validation.cross_entropy
    assert last.validation.accuracy > 0.9


def test_without_validation_photos_there_is_no_validation(pretrained, settings):
    history = Fitted(pretrained, settings, validation=NOTHING).history
    assert [each.validation for each in history.evaluations] == [None] * 4


def test_by_default_all_validation_photos_are_evaluated_and_nothing_is_written(
    pretrained, settings, tmp_path, monkeypatch
):
    """As for a trial of a search; the flags of the command ask for 100 photos and for summaries."""
    monkeypatch.chdir(str(tmp_path))
    defaults = settings_lib.Training(how_many_training_steps=12, learning_rate=0.1, random_seed=1)
    history = Fitted(pretrained, defaults).history
    assert {each.validation.photos for each in history.evaluations} == {len(VALIDATION.labels)}
    assert os.listdir(str(tmp_path)) == []


def test_the_callback_may_stop_the_training(pretrained, settings):
    seen = []

    def stop_after_step_10(evaluation):
        seen.append(evaluation)
        return evaluation.step == 10

    fitted = Fitted(pretrained, settings, on_evaluation=stop_after_step_10)
    assert fitted.history.evaluations == seen and [each.step for each in seen] == [0, 10]
    assert fitted.history.stopped_early and fitted.history.steps_done == 11
    shorter = Fitted(pretrained, settings._replace(how_many_training_steps=11))
    assert fitted.graph_def == shorter.graph_def


def test_a_callback_that_stops_after_the_last_step_stops_nothing(pretrained, settings):
    fitted = Fitted(pretrained, settings, on_evaluation=lambda evaluation: evaluation.step == 24)
    assert fitted.history.steps_done == 25 and not fitted.history.stopped_early


def test_summaries_have_the_classic_tags_steps_and_graph(pretrained, settings):
    Fitted(pretrained, settings)
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


def test_summaries_are_written_where_they_are_wanted(pretrained, settings):
    every_step = Fitted(pretrained, settings)
    rare = settings._replace(summary_interval=7, summaries_dir=settings.summaries_dir + '_rare')
    none = settings._replace(summary_interval=0, summaries_dir=settings.summaries_dir + '_none')
    fitted = Fitted(pretrained, rare), Fitted(pretrained, none)
    assert steps_and_tags(os.path.join(rare.summaries_dir, 'train'))[0] == [0, 7, 14, 21]
    assert steps_and_tags(os.path.join(rare.summaries_dir, 'validation'))[0] == [0, 10, 20, 24]
    assert not os.path.exists(none.summaries_dir)
    for each in fitted:
        assert each.graph_def == every_step.graph_def
        assert each.history == every_step.history


def test_evaluating_more_often_trains_the_same(pretrained, settings):
    frozen = [
        Fitted(pretrained, settings._replace(eval_step_interval=interval), validation).graph_def
        for interval, validation in ((10, VALIDATION), (1, VALIDATION), (10, NOTHING))
    ]
    assert frozen[0] == frozen[1] == frozen[2]


def test_another_seed_trains_another_graph(pretrained, settings):
    frozen = [
        Fitted(pretrained, settings._replace(random_seed=seed)).graph_def for seed in (4, 4, 5)
    ]
    assert frozen[0] == frozen[1] != frozen[2]


@pytest.mark.parametrize('summary_interval', [0, 1])
@pytest.mark.parametrize(
    'interval, words',
    [(1, 'step 0: the (cross entropy|weights)'), (10, 'step [01]: the (cross entropy|weights)')],
)
def test_divergence_stops_with_the_flag_to_lower(
    pretrained, settings, interval, words, summary_interval
):
    settings = settings._replace(learning_rate=3e38, eval_step_interval=interval)
    with pytest.raises(UserError, match=words) as raised:
        Fitted(pretrained, settings._replace(summary_interval=summary_interval), NOTHING)
    assert 'lower --learning_rate (it is 3e+38)' in str(raised.value)


@pytest.mark.parametrize('what', ['checkpoint', 'intermediate'])
def test_weights_that_are_not_finite_are_kept_nowhere(
    pretrained, settings, tmp_path, monkeypatch, what
):
    path = str(tmp_path / 'checkpoint')
    monkeypatch.setattr(checkpoint, 'SECONDS_BETWEEN', 0)
    monkeypatch.setattr(Model, 'train', lambda self, step, batch, summarize: None)
    values = Model.values
    monkeypatch.setattr(
        Model,
        'values',
        lambda self: {name: np.full_like(each, np.nan) for name, each in values(self).items()},
    )
    changes = {'intermediate_store_frequency': 1, 'checkpoint_path': path}
    changes.pop('checkpoint_path' if what == 'intermediate' else 'intermediate_store_frequency')
    settings = settings._replace(summary_interval=0, **changes)
    with pytest.raises(UserError, match='diverged at step [01]: the weights are not finite'):
        Fitted(pretrained, settings)
    assert not os.path.exists(settings.intermediate_output_graphs_dir)
    assert not os.path.exists(path)


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
    uninterrupted = Fitted(pretrained, settings)
    monkeypatch.setattr(checkpoint, 'SECONDS_BETWEEN', 0)
    settings = saving_to(tmp_path / 'checkpoint', settings)
    # Early stopping may come first.
    with stopping_at(stop, monkeypatch), contextlib.suppress(KeyboardInterrupt):
        Fitted(pretrained, settings)
    saved = checkpoint.load(settings.checkpoint_path, {})
    assert saved.steps_done == stop or saved.stopped_early
    resumed = Fitted(pretrained, settings)
    assert resumed.graph_def == uninterrupted.graph_def
    assert resumed.history.steps_done == uninterrupted.history.steps_done
    done = [each for each in uninterrupted.history.evaluations if each.step >= saved.steps_done]
    assert resumed.history.evaluations == done


@pytest.mark.parametrize('first', [5, 6, 15])
def test_a_run_that_goes_on_with_more_steps_ends_as_one_of_as_many(
    pretrained, settings, tmp_path, monkeypatch, first
):
    """The first run's last evaluation is none of the second one's, however good it was."""
    validate, evaluate = fit_lib._Run._validate, evaluating.evaluate
    at = []

    def note_step(self, step, training):
        at.append(step)
        validate(self, step, training)

    def best_in_the_end(model, examples, rows, summarize=False):
        result = evaluate(model, examples, rows, summarize)
        return result._replace(accuracy=0.9 if at[-1] == first - 1 else 0.5 + at[-1] / 1000)

    monkeypatch.setattr(fit_lib._Run, '_validate', note_step)
    monkeypatch.setattr(evaluating, 'evaluate', best_in_the_end)
    settings = settings._replace(early_stopping_steps=100)
    kept = saving_to(tmp_path / 'checkpoint', settings)
    graphs = [
        Fitted(pretrained, kept._replace(how_many_training_steps=steps)).graph_def
        for steps in (first, 25, 25)
    ]
    uninterrupted = Fitted(pretrained, settings)
    assert uninterrupted.history.best_step == 24
    assert graphs[1] == uninterrupted.graph_def != graphs[0]
    assert graphs[2] == uninterrupted.graph_def  # All steps were done: it is evaluated again.


@pytest.mark.parametrize(
    'changes',
    [
        {'optimizer': 'momentum', 'learning_rate': 0.01},
        {'optimizer': 'adam', 'learning_rate': 0.01},
        {'dropout': 0.3},
    ],
)
def test_what_is_off_by_default_learns_something_else(pretrained, settings, changes):
    results = [Fitted(pretrained, settings._replace(**each)) for each in ({}, changes)]
    assert all(each.tested.accuracy > 0.7 for each in results)
    first, second = [each.graph_def for each in results]
    assert first != second
    assert [node.name for node in first.node] == [node.name for node in second.node]


def test_early_stopping_judges_by_every_validation_photo(pretrained, settings):
    settings = settings._replace(early_stopping_steps=100, validation_batch_size=15)
    history = Fitted(pretrained, settings).history
    assert [each.validation.photos for each in history.evaluations] == [40] * 4


@pytest.mark.parametrize('size, expected', [(15, 15), (39, 39), (40, 40), (100, 40), (-1, 40)])
def test_a_category_smaller_than_its_batch_is_evaluated_as_a_whole(
    pretrained, settings, size, expected
):
    settings = settings._replace(how_many_training_steps=1, validation_batch_size=size)
    history = Fitted(pretrained, settings).history
    assert history.evaluations[-1].validation.photos == expected


def test_early_stopping_keeps_the_best(pretrained, settings):
    settings = settings._replace(
        how_many_training_steps=400, eval_step_interval=1, early_stopping_steps=30
    )
    fitted = Fitted(pretrained, settings)
    best = fitted.history.best_step
    assert fitted.history.stopped_early and fitted.history.steps_done == best + 31 < 400
    steps, _ = steps_and_tags(os.path.join(settings.summaries_dir, 'validation'))
    assert steps[-1] == best + 30
    shorter = Fitted(
        pretrained,
        settings._replace(how_many_training_steps=best + 1, early_stopping_steps=0),
    )
    assert (fitted.values[WEIGHTS] == shorter.values[WEIGHTS]).all()


def test_a_checkpoint_of_another_model_is_one_line(pretrained, settings, tmp_path):
    settings = saving_to(tmp_path / 'checkpoint', settings)
    Fitted(pretrained, settings)
    path = settings.checkpoint_path
    saved = checkpoint.load(path, {})
    name = sorted(saved.variables)[0]
    for change in (lambda old: old.pop(name), lambda old: old.update({name: old[name][:1]})):
        variables = dict(saved.variables)
        change(variables)
        checkpoint.save(path, saved._replace(variables=variables), {})
        with pytest.raises(UserError, match='checkpoint is corrupt: delete it'):
            Fitted(pretrained, settings)


def test_steps_go_on_counting_where_the_stage_before_ended(pretrained, settings):
    later = settings._replace(first_step=500, summaries_dir=settings.summaries_dir + '_later')
    first, second = Fitted(pretrained, settings), Fitted(pretrained, later)
    assert [each.step for each in second.history.evaluations] == [500, 510, 520, 524]
    assert second.history.steps_done == 525 and not second.history.stopped_early
    assert second.graph_def == first.graph_def
    train = os.path.join(later.summaries_dir, 'train')
    assert steps_and_tags(train)[0] == list(range(500, 525))
    assert [each.session_log.status for each in events(train) if each.step == 500][0] == (
        tf.SessionLog.START
    )


def of_accuracies(monkeypatch, measured):
    """Makes what is measured on validation photos these pairs: accuracy, cross entropy."""
    evaluate, left = evaluating.evaluate, iter(measured)

    def measure(model, examples, rows, summarize=False):
        result = evaluate(model, examples, rows, summarize)
        if examples is not VALIDATION:
            return result
        accuracy, cross_entropy = next(left)
        return result._replace(accuracy=accuracy, cross_entropy=cross_entropy)

    monkeypatch.setattr(evaluating, 'evaluate', measure)


KEEPING = {'keep_best': True, 'eval_step_interval': 5, 'how_many_training_steps': 12}


@pytest.mark.parametrize(
    'measured, best',
    [
        ([(0.5, 1), (0.4, 0.1), (0.5, 1), (0.5, 2)], -1),
        ([(0.5, 1), (0.6, 9), (0.5, 0.1), (0.6, 9)], 4),
        ([(0.5, 1), (0.6, 2), (0.6, 1.5), (0.6, 1.5)], 9),
        ([(0.5, 1), (0.6, 2), (0.6, 3), (0.7, 3)], 11),
    ],
)
@pytest.mark.parametrize('first_step', [0, 100])
def test_the_best_evaluation_is_kept_the_one_before_the_first_step_too(
    pretrained, settings, monkeypatch, measured, best, first_step
):
    settings = settings._replace(first_step=first_step, **KEEPING)
    of_accuracies(monkeypatch, measured)
    fitted = Fitted(pretrained, settings)
    history = fitted.history
    steps = [each.step - first_step for each in history.evaluations]
    assert steps == [-1, 4, 9, 11]
    assert history.best_step == first_step + best and not history.stopped_early
    assert [each.training is None for each in history.evaluations] == [True, False, False, False]
    assert {each.validation.photos for each in history.evaluations} == {len(VALIDATION.labels)}
    monkeypatch.undo()
    if best >= 0:
        shorter = settings._replace(how_many_training_steps=best + 1, keep_best=False)
        expected = Fitted(pretrained, shorter).values[WEIGHTS]
    else:
        with Model(pretrained, 3, settings) as model:
            expected = model.values()[WEIGHTS]
    assert (fitted.values[WEIGHTS] == expected).all()


def test_early_stopping_counts_from_before_the_first_step(pretrained, settings, monkeypatch):
    settings = settings._replace(early_stopping_steps=10, **KEEPING)
    of_accuracies(monkeypatch, [(0.5, 1)] * 4)
    history = Fitted(pretrained, settings).history
    assert history.stopped_early and history.steps_done == 10 and history.best_step == -1


def test_without_keep_best_cross_entropy_decides_nothing(pretrained, settings, monkeypatch):
    settings = settings._replace(early_stopping_steps=100, eval_step_interval=5)
    of_accuracies(monkeypatch, [(0.5, 2), (0.5, 1), (0.5, 0.5), (0.5, 0.1), (0.5, 0.1), (0.5, 0.1)])
    assert Fitted(pretrained, settings).history.best_step == 0


def test_divergence_names_the_flag_of_the_stage(pretrained, settings):
    settings = settings._replace(
        learning_rate=3e38, learning_rate_flag='fine_tune_learning_rate', first_step=500
    )
    with pytest.raises(UserError, match='diverged at step 50.*lower --fine_tune_learning_rate'):
        Fitted(pretrained, settings, NOTHING)


SECOND = {
    'first_step': 30,
    'keep_best': True,
    'eval_step_interval': 4,
    'optimizer': 'nesterov',
    'learning_rate': 0.01,
    'learning_rate_decay': 'cosine',
    'warmup_steps': 6,
    'weight_decay': 0.001,
    'clip_norm': 1.0,
    'hidden_units': (8,),
    'dropout': 0.2,
}


@pytest.mark.parametrize('stop', [31, 38, 54])
def test_a_later_stage_resumes_to_the_byte(pretrained, settings, tmp_path, monkeypatch, stop):
    settings = settings._replace(**SECOND)
    uninterrupted = Fitted(pretrained, settings)
    monkeypatch.setattr(checkpoint, 'SECONDS_BETWEEN', 0)
    settings = saving_to(tmp_path / 'checkpoint', settings)
    with stopping_at(stop, monkeypatch), pytest.raises(KeyboardInterrupt):
        Fitted(pretrained, settings)
    assert checkpoint.load(settings.checkpoint_path, {}).steps_done == stop
    resumed = Fitted(pretrained, settings)
    assert resumed.graph_def == uninterrupted.graph_def
    assert resumed.history.best_step == uninterrupted.history.best_step


def test_the_checkpoint_of_the_stage_before_is_no_place_to_resume_from(
    pretrained, settings, tmp_path
):
    kept = saving_to(tmp_path / 'checkpoint', settings)
    Fitted(pretrained, kept)
    assert checkpoint.load(kept.checkpoint_path, {}).steps_done == 25
    later = kept._replace(**dict(SECOND, first_step=25))
    again = later._replace(checkpoint_path='')
    assert Fitted(pretrained, later).graph_def == Fitted(pretrained, again).graph_def
    assert checkpoint.load(kept.checkpoint_path, {}).steps_done == 50


def test_what_takes_long_to_save_is_saved_less_often(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, 'monotonic', lambda: now[0])

    def save(path, saved, identity):
        now[0] += 0.5

    monkeypatch.setattr(checkpoint, 'save', save)
    manager = checkpoint.CheckpointManager(str(tmp_path / 'checkpoint'), {})
    now[0] += checkpoint.SECONDS_BETWEEN
    assert manager.due()
    manager.save(None)
    now[0] += 9 * checkpoint.SECONDS_BETWEEN
    assert not manager.due()
    now[0] += checkpoint.SECONDS_BETWEEN
    assert manager.due()
