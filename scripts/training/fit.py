"""The training loop: the only one, whatever is trained."""

import contextlib
import datetime
import logging
import math
import os
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.graphs import graph_files
from scripts.training import checkpoint, evaluating
from scripts.training import settings as settings_lib
from scripts.training.batches import Sampler
from scripts.training.checkpoint import Best, Checkpoint, CheckpointManager
from scripts.training.event_writer import EventWriter

_LOG = logging.getLogger(__name__)


class Measured(typing.NamedTuple):
    """accuracy: 0 to 1. cross_entropy: mean. photos: int, how many they are of."""

    accuracy: float
    cross_entropy: float
    photos: int


class Evaluation(typing.NamedTuple):
    """What was measured after a step.

    step: int, from 0 on; the one before the first, such as -1, where it was before that.
    training: `Measured` on the batch that was trained on; None where there was none: before the
      first step, or where a run that goes on has no step left to train.
    validation: `Measured`, or None where there are no validation photos.
    """

    step: int
    training: typing.Optional[Measured]
    validation: typing.Optional[Measured]


class History(typing.NamedTuple):
    """How training went.

    evaluations: list of `Evaluation`, those of this call: none of before a resume.
    steps_done: int, those of before a resume and of stages before included.
    stopped_early: whether it ended before the last step.
    best_step: the step whose variables the model has now, where the best are kept; else None.
    """

    evaluations: typing.List[Evaluation]
    steps_done: int
    stopped_early: bool
    best_step: typing.Optional[int]


def fit(model, batches, validation, settings, on_evaluation=None):
    """Trains a model, with a log line at each evaluation.

    With early stopping or `settings.keep_best`, the variables are in the end those of the best
    evaluation. With `settings.resume` it resumes from the checkpoint, where there is one; that of a
    stage before is none.

    Args:
      model: a `Model`.
      batches: what gives batches by `next()` and passes over them by `skip(n)`, which stands before
        its first one.
      validation: `Examples` to evaluate on, which may be empty.
      settings: a `settings.Training`.
      on_evaluation: takes each `Evaluation`; where it returns true, training ends there. Or None.

    Returns:
      A `History`.

    Raises:
      UserError: the cross entropy is not finite any more, the checkpoint is of another run, or a
        file cannot be written.
    """
    run = _Run(model, validation, settings, on_evaluation or (lambda evaluation: False))
    run.resume(batches)
    with run.writing_summaries():
        run.train(batches)
    run.take_best()
    return run.history()


class _Run:
    """One call of `fit`: how far it has come, and what it writes."""

    def __init__(self, model, validation, settings, on_evaluation):
        self._model, self._settings, self._on_evaluation = model, settings, on_evaluation
        self._validation = validation
        self._manager = CheckpointManager(settings.checkpoint_path, settings.identity)
        self._steps_done, self._best = settings.first_step, None
        self._keeps_best = bool(settings.keep_best or settings.early_stopping_steps)
        self._stopped_early = False
        self._evaluations = []
        self._write = {'train': _discard, 'validation': _discard}
        if len(validation.labels):
            stream = settings.random_state(settings_lib.VALIDATION_STREAM)
            self._sampler = Sampler(validation.labels, stream)
            self._count = evaluating.count_of(validation, settings.validation_batch_size)
            if self._keeps_best:
                self._count = settings_lib.ALL  # The best of many small samples is a lucky draw.

    def resume(self, batches):
        """Takes the model, the batches and what is drawn to where the checkpoint is."""
        first_step = self._settings.first_step
        saved = self._manager.load() if self._settings.resume else None
        if saved is None or saved.steps_done <= first_step:
            return
        checkpoint.check_variables(self._settings.checkpoint_path, saved, self._model.shapes())
        self._model.set_values(saved.variables)
        self._steps_done, self._best = saved.steps_done, saved.best
        self._stopped_early = saved.stopped_early
        batches.skip(self._steps_done - first_step)
        if len(self._validation.labels):
            for step in range(first_step, self._steps_done):
                if self._settings.evaluates_in_any_run(step):
                    self._sampler.draw(self._count)

    @contextlib.contextmanager
    def writing_summaries(self):
        """Opens the event files, where summaries are wanted, while the block runs."""
        with contextlib.ExitStack() as stack:
            if self._settings.summary_interval:
                for name in self._write:
                    self._write[name] = stack.enter_context(self._event_writer(name)).add_summary
            yield

    def _event_writer(self, name):
        begin = self._steps_done
        # Event files are named by the second, and one of the same name would be written over.
        writer = EventWriter(
            os.path.join(self._settings.summaries_dir, name), '.from-%d' % begin if begin else ''
        )
        if begin:
            # What an earlier run wrote after its last checkpoint is written again.
            writer.begin_again(begin)
        elif name == 'train':
            writer.add_graph(self._model.graph_def(add_shapes=True))
        return writer

    def train(self, batches):
        """Runs the steps that are not done yet."""
        steps, begin = self._settings.end, self._steps_done
        if self._settings.keep_best and begin == self._settings.first_step:
            self._validate(begin - 1, None)
        training = None  # Where the run goes on after its last step.
        with Progress('Training', steps - begin, 'steps') as progress:
            while self._steps_done < steps and not self._stopped_early:
                training = self._step(self._steps_done, batches.next())
                progress.advance(1)
            if self._steps_done > begin:
                self._manager.save(self._checkpoint())
            # A run of more steps, which may go on from that checkpoint, has no evaluation here.
            if not (self._stopped_early or self._settings.evaluates_in_any_run(steps - 1)):
                self._validate(steps - 1, training)

    def _step(self, step, batch):
        """Trains, evaluates and saves one step; returns the `Measured` of its batch, or None."""
        settings, training = self._settings, None
        self._train(step, batch)
        if settings.evaluates(step):
            training = self._measure_training(step, batch)
        if settings.evaluates_in_any_run(step):
            self._validate(step, training)
        self._store_intermediate(step)
        self._steps_done += 1
        if self._manager.due():
            self._manager.save(self._checkpoint())
        return training

    def _train(self, step, batch):
        interval = self._settings.summary_interval
        summarize = bool(interval) and step % interval == 0
        try:
            summaries = self._model.train(step, batch, summarize)
        except tf.errors.InvalidArgumentError as error:
            # A histogram takes no NaN and no infinity: of each it tells in other words.
            if 'histogram' not in error.message.lower():
                raise
            raise self._diverged(step, 'weights are')
        if summarize:
            self._write['train'](summaries, step)

    def _measure_training(self, step, batch):
        result = self._model.evaluate(batch)
        self._log(step, 'Train accuracy = %.1f%%', result.accuracy * 100)
        self._log(step, 'Cross entropy = %f', result.cross_entropy)
        if not math.isfinite(result.cross_entropy):
            raise self._diverged(step, 'cross entropy is')
        return Measured(result.accuracy, result.cross_entropy, len(batch.labels))

    def _validate(self, step, training):
        """Evaluates on validation photos, where there are any, and judges by what comes out."""
        validation = None
        if len(self._validation.labels):
            rows = self._sampler.draw(self._count)
            wanted = bool(self._settings.summary_interval)
            result = evaluating.evaluate(self._model, self._validation, rows, wanted)
            self._log(step, 'Validation accuracy = %.1f%% (N=%d)', result.accuracy * 100, len(rows))
            if wanted and step >= 0:
                self._write['validation'](result.summaries, step)
            validation = Measured(result.accuracy, result.cross_entropy, len(rows))
            self._judge(step, validation)
        self._evaluations.append(Evaluation(step, training, validation))
        if self._on_evaluation(self._evaluations[-1]):
            self._stopped_early = True

    def _judge(self, step, validation):
        """Keeps the best variables, and stops where nothing has improved for long enough."""
        patience, best = self._settings.early_stopping_steps, self._best
        if not self._keeps_best:
            return
        if not math.isfinite(validation.cross_entropy):
            raise self._diverged(step, 'cross entropy is')
        if best is None or self._is_better(validation, best):
            accuracy, cross_entropy = validation.accuracy, validation.cross_entropy
            self._best = Best(accuracy, cross_entropy, step, self._model.values())
        elif patience and step - best.step >= patience:
            self._log(
                step,
                'Stopped: validation accuracy is no better than the %.1f%% of %s, which is kept',
                best.accuracy * 100,
                self._name(best.step),
            )
            self._stopped_early = True

    def _is_better(self, validation, best):
        if validation.accuracy != best.accuracy:
            return validation.accuracy > best.accuracy
        return self._settings.keep_best and validation.cross_entropy < best.cross_entropy

    def _store_intermediate(self, step):
        frequency = self._settings.intermediate_store_frequency
        if frequency > 0 and step > 0 and step % frequency == 0:
            path = os.path.join(
                self._settings.intermediate_output_graphs_dir, 'intermediate_%d.pb' % step
            )
            self._finite_values(step)
            graph_files.write(self._model.frozen_graph(), path)
            _LOG.info('Intermediate graph written to %s', path)

    def _checkpoint(self):
        values = self._finite_values(self._steps_done - 1)
        return Checkpoint(self._steps_done, values, self._best, self._stopped_early)

    def _finite_values(self, step):
        """Returns the variables' values after a step; raises UserError where one is not finite."""
        values = self._model.values()
        if not all(np.isfinite(value).all() for value in values.values()):
            raise self._diverged(step, 'weights are')
        return values

    def _diverged(self, step, what):
        return UserError(
            'training diverged at step %d: the %s not finite; lower --%s (it is %g)'
            % (step, what, self._settings.learning_rate_flag, self._settings.learning_rate)
        )

    def take_best(self):
        """Gives the model the variables of the best evaluation, where those are kept."""
        best = self._best
        if best is None:
            return
        self._model.set_values(best.variables)
        if self._settings.keep_best:
            accuracy = best.accuracy * 100
            self._log(best.step, 'Kept, with a validation accuracy of %.1f%%', accuracy)

    def _log(self, step, text, *values):
        name = self._name(step)
        name = name[0].upper() + name[1:]
        _LOG.info('%s: %s: ' + text, datetime.datetime.now(), name, *values)

    def _name(self, step):
        first = self._settings.first_step
        return 'step %d' % step if step >= first else 'before step %d' % first

    def history(self):
        """Returns the `History`."""
        best_step = self._best.step if self._best is not None else None
        early = self._steps_done < self._settings.end
        return History(self._evaluations, self._steps_done, early, best_step)


def _discard(summaries, step):
    """Takes the place of an event file where no summaries are wanted."""
