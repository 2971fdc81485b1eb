"""Training the new layer."""

import contextlib
import datetime
import itertools
import logging
import math
import os
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.dataset import split
from scripts.dataset.photos import Photo
from scripts.export import export
from scripts.features import extract
from scripts.graphs import description as description_lib
from scripts.graphs import graph_files, search
from scripts.graphs.session import callable_of, open_session
from scripts.images import distort
from scripts.images.runner import BATCH_SIZE
from scripts.networks import backbone as backbone_lib
from scripts.training import checkpoint
from scripts.training import model as layer_lib
from scripts.training.batches import ALL, Sampler
from scripts.training.checkpoint import Best, Checkpoint
from scripts.training.event_writer import EventWriter

_LOG = logging.getLogger(__name__)

# Each use of chance draws from a stream of its own: evaluating more often, say, trains the same.
_TRAINING_STREAM, _VALIDATION_STREAM, _TEST_STREAM, _DISTORTION_STREAM = range(4)


def check_final_tensor_name(pretrained, name):
    """Raises UserError where a pretrained network has a node of that name already."""
    nodes = {node.lower() for node in search.nodes_by_name(pretrained.graph_def)}
    # TensorFlow tells names apart without their case, and no node has the name of a scope.
    taken = any(node == name.lower() or node.startswith(name.lower() + '/') for node in nodes)
    if taken or name.lower().split('/')[0] in layer_lib.SCOPES:
        raise UserError(
            '--final_tensor_name=%s: %s, or the new layer, has a node or a scope of that name '
            'already; choose another, such as final_result' % (name, pretrained.network.name)
        )


class TestResult(typing.NamedTuple):
    """accuracy: 0 to 1. photos: those tested. scores: float32 `[photos, labels]`."""

    accuracy: float
    photos: typing.Sequence[Photo]
    scores: np.ndarray

    @property
    def right(self):
        """int, how many of the photos got their label."""
        truth = [photo.label_index for photo in self.photos]
        return int((self.scores.argmax(axis=1) == truth).sum())


class Trainer:
    """The training graph and its session; used as a context manager.

    Args:
      pretrained: the `Backbone` network behind the layer.
      label_count: int.
      settings: a `settings.Training`.
      description: the `Description` of the graphs that it gives, or None.
    """

    def __init__(self, pretrained, label_count, settings, description=None):
        self._pretrained, self._settings = pretrained, settings
        self._description = description
        graph = tf.Graph()
        with graph.as_default():
            tf.set_random_seed(settings.random_seed)
            bottleneck_tensor = backbone_lib.import_into_graph(pretrained)
            self._layer = layer_lib.add(bottleneck_tensor, label_count, settings)
            self._variables = {variable.op.name: variable for variable in tf.global_variables()}
        self._session = open_session(graph)
        layer = self._layer
        self._session.run(layer.initializer)
        self._run_step = callable_of(
            self._session,
            [layer.bottleneck_input, layer.ground_truth_input, layer.step_input],
            layer.summaries,
            layer.train_step,
        )
        self._steps_done = 0
        self._best = None
        self._stopped_early = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session.close()

    def restore(self, saved):
        """Goes on from a `checkpoint.Checkpoint`.

        Raises:
          UserError: it is of another graph.
        """
        shapes = {name: tuple(each.shape.as_list()) for name, each in self._variables.items()}
        checkpoint.check_variables(self._settings.checkpoint_path, saved, shapes)
        self._set_variables(saved.variables)
        self._steps_done = saved.steps_done
        self._best = saved.best
        self._stopped_early = saved.stopped_early

    def train(self, examples, distortions, keeper):
        """Runs the steps that are not done yet, with a log line at each evaluation.

        With early stopping, the variables are in the end those of the best evaluation.

        Args:
          examples: a dict from category to `Examples`; those of validation may be empty.
          distortions: `Distortions`, for which training needs no bottlenecks, or None.
          keeper: a `checkpoint.Keeper`.

        Raises:
          UserError: the cross entropy is not a number any more, or a file cannot be written.
        """
        settings = self._settings
        steps, begin = settings.how_many_training_steps, self._steps_done
        training, validation = examples[split.TRAINING], examples[split.VALIDATION]
        with contextlib.ExitStack() as stack:
            draw = stack.enter_context(self._training_batches(training, distortions))
            write_training = stack.enter_context(self._summary_writer('train'))
            write_validation = stack.enter_context(self._summary_writer('validation'))
            validate = self._validator(validation, write_validation)
            progress = stack.enter_context(Progress('Training', steps - begin, 'steps'))
            while self._steps_done < steps and not self._stopped_early:
                step = self._steps_done
                batch = draw()
                write_training(self._train_step(step, *batch), step)
                if settings.evaluates(step):
                    self._log_training(step, batch)
                if settings.evaluates_in_any_run(step):
                    validate(step)
                self._store_intermediate(step)
                self._steps_done += 1
                if keeper.due():
                    keeper.save(self._checkpoint())
                progress.advance(1)
            if self._steps_done > begin:
                keeper.save(self._checkpoint())
            # A run of more steps, which may go on from that checkpoint, has no evaluation here.
            if not (self._stopped_early or settings.evaluates_in_any_run(steps - 1)):
                validate(steps - 1)
        if settings.early_stopping_steps and self._best is not None:
            self._set_variables(self._best.variables)

    def test(self, testing):
        """Returns the `TestResult` on `Examples`, which are not empty."""
        count = _evaluated(testing, self._settings.test_batch_size)
        rows = self._sampler(testing, _TEST_STREAM).draw(count)
        accuracy, scores = self._session.run(
            [self._layer.accuracy, self._layer.scores], self._feeds(*testing.take(rows))
        )
        return TestResult(accuracy, [testing.photos[row] for row in rows], scores)

    def frozen_graph(self, tested=None):
        """Returns the network and the layer as trained so far as one frozen GraphDef.

        Args:
          tested: the `TestResult` that its description tells, or None.
        """
        output = self._settings.final_tensor_name
        graph_def = export.freeze(self._session, self._pretrained, output)
        if self._description is not None:
            test = tested and description_lib.Test(
                tested.right / len(tested.photos), len(tested.photos)
            )
            description_lib.attach(graph_def, output, self._description._replace(test=test))
        return graph_def

    @contextlib.contextmanager
    def _training_batches(self, training, distortions):
        """Gives a function that returns the next bottlenecks and labels to train on."""
        sampler = self._sampler(training, _TRAINING_STREAM)
        count = self._settings.train_batch_size
        for _ in range(self._steps_done):
            sampler.draw(count)
        if distortions is None:
            yield lambda: training.take(sampler.draw(count))
            return

        def draw_distorted():
            rows = sampler.draw(count)
            return stream.take(len(rows)), training.labels[rows]

        done = self._steps_done * (len(training.labels) if count == ALL else count)
        into_batch = done % BATCH_SIZE  # The stream's batches, too, are those of an unbroken run.
        choices = itertools.islice(self._distorted_choices(training), done - into_batch, None)
        with extract.DistortedStream(self._pretrained, distortions, choices) as stream:
            stream.take(into_batch)
            yield draw_distorted

    def _distorted_choices(self, training):
        """Yields what to read for a `DistortedStream`: the rows that training draws, from step 0.

        The stream reads ahead of the training, so these come from a sampler of their own.
        """
        sampler = self._sampler(training, _TRAINING_STREAM)
        random_state = self._settings.random_state(_DISTORTION_STREAM)
        while True:
            rows = sampler.draw(self._settings.train_batch_size)
            draws = distort.draw(random_state, len(rows))
            for row, numbers in zip(rows, draws):
                yield training.photos[row].path, numbers

    def _validator(self, validation, write):
        """Returns a function that evaluates after a step; without photos it does nothing.

        Args:
          validation: `Examples`.
          write: takes the summaries and the step.
        """
        if not len(validation.labels):
            return lambda step: None
        sampler = self._sampler(validation, _VALIDATION_STREAM)
        count = _evaluated(validation, self._settings.validation_batch_size)
        if self._settings.early_stopping_steps:
            count = ALL  # By a few photos, the best of many evaluations is a lucky draw.
        for step in range(self._steps_done):
            if self._settings.evaluates_in_any_run(step):
                sampler.draw(count)

        def validate(step):
            summary, accuracy = self._validate(step, validation.take(sampler.draw(count)))
            write(summary, step)
            self._judge(step, accuracy)

        return validate

    def _sampler(self, examples, stream):
        return Sampler(examples.labels, self._settings.random_state(stream))

    @contextlib.contextmanager
    def _summary_writer(self, name):
        """Gives a function that writes a summary of a step to a folder of `summaries_dir`."""
        folder = os.path.join(self._settings.summaries_dir, name)
        begin = self._steps_done
        # Event files are named by the second, and one of the same name would be written over.
        suffix = '.from-%d' % begin if begin else ''
        with EventWriter(folder, suffix) as writer:
            if begin:
                # What an earlier run wrote after its last checkpoint is written again.
                writer.begin_again(begin)
            elif name == 'train':
                writer.add_graph(self._session.graph)
            yield writer.add_summary

    def _feeds(self, bottlenecks, labels):
        return {self._layer.bottleneck_input: bottlenecks, self._layer.ground_truth_input: labels}

    def _train_step(self, step, bottlenecks, labels):
        """Trains one step and returns its summaries."""
        try:
            return self._run_step(bottlenecks, labels, np.int32(step))
        except tf.errors.InvalidArgumentError as error:
            if 'summary histogram' not in error.message:
                raise
            raise self._diverged(step, 'weights are')  # A histogram takes no NaN.

    def _diverged(self, step, what):
        return UserError(
            'training diverged at step %d: the %s not finite; lower --learning_rate (it is %g)'
            % (step, what, self._settings.learning_rate)
        )

    def _log_training(self, step, batch):
        accuracy, cross_entropy = self._session.run(
            [self._layer.accuracy, self._layer.cross_entropy], self._feeds(*batch)
        )
        _log_step(step, 'Train accuracy = %.1f%%', accuracy * 100)
        _log_step(step, 'Cross entropy = %f', cross_entropy)
        if not math.isfinite(cross_entropy):
            raise self._diverged(step, 'cross entropy is')

    def _validate(self, step, batch):
        """Returns the summaries and the accuracy of a batch (bottlenecks and labels)."""
        summary, accuracy = self._session.run(
            [self._layer.summaries, self._layer.accuracy], self._feeds(*batch)
        )
        _log_step(step, 'Validation accuracy = %.1f%% (N=%d)', accuracy * 100, len(batch[1]))
        return summary, accuracy

    def _judge(self, step, accuracy):
        """Keeps the best variables, and stops where nothing has got better for long enough."""
        patience, best = self._settings.early_stopping_steps, self._best
        if not patience:
            return
        if best is None or accuracy > best.accuracy:
            self._best = Best(float(accuracy), step, self._session.run(self._variables))
        elif step - best.step >= patience:
            _log_step(
                step,
                'Stopped: validation accuracy is no better than the %.1f%% of step %d, which is '
                'kept',
                best.accuracy * 100,
                best.step,
            )
            self._stopped_early = True

    def _store_intermediate(self, step):
        frequency = self._settings.intermediate_store_frequency
        if frequency > 0 and step > 0 and step % frequency == 0:
            path = os.path.join(
                self._settings.intermediate_output_graphs_dir, 'intermediate_%d.pb' % step
            )
            self._finite_variables(step)
            graph_files.write(self.frozen_graph(), path)
            _LOG.info('Intermediate graph written to %s', path)

    def _checkpoint(self):
        variables = self._finite_variables(self._steps_done - 1)
        return Checkpoint(self._steps_done, variables, self._best, self._stopped_early)

    def _finite_variables(self, step):
        """Returns the variables' values after a step; raises UserError where one is no number."""
        values = self._session.run(self._variables)
        if not all(np.isfinite(value).all() for value in values.values()):
            raise self._diverged(step, 'weights are')
        return values

    def _set_variables(self, values):
        for name, variable in self._variables.items():
            variable.load(values[name], self._session)


def _evaluated(examples, batch_size):
    """Returns how many examples to draw: all, where a batch would repeat some of a few."""
    return ALL if len(examples.labels) <= batch_size else batch_size


def _log_step(step, text, *values):
    _LOG.info('%s: Step %d: ' + text, datetime.datetime.now(), step, *values)
