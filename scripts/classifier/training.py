"""Training the new layer."""

import contextlib
import datetime
import functools
import logging
import math
import os
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.bottlenecks import extract
from scripts.classifier import export, sampling
from scripts.classifier import layer as layer_lib
from scripts.dataset.photos import Photo
from scripts.errors import UserError
from scripts.graphs import graph_files, search
from scripts.graphs.session import open_session
from scripts.images import distort
from scripts.networks import pretrained as pretrained_lib
from scripts.progress import Progress

_LOG = logging.getLogger(__name__)

# Each use of chance draws from a stream of its own: evaluating more often, say, trains the same.
_TRAINING_STREAM, _VALIDATION_STREAM, _TEST_STREAM, _DISTORTION_STREAM = range(4)


def check_final_tensor_name(pretrained, name):
    """Raises UserError where a pretrained network has a node of that name already."""
    if name in search.nodes_by_name(pretrained.graph_def):
        raise UserError(
            '--final_tensor_name=%s: %s has a node of that name already; choose '
            'another' % (name, pretrained.network.name)
        )


class TestResult(typing.NamedTuple):
    """accuracy: 0 to 1. photos: those tested. predictions: int64 `[n]`, label indices."""

    accuracy: float
    photos: typing.Sequence[Photo]
    predictions: np.ndarray


class Trainer:
    """The training graph and its session; used as a context manager.

    Args:
      pretrained: the `Pretrained` network behind the layer.
      label_count: int.
      settings: a `settings.Training`.
    """

    def __init__(self, pretrained, label_count, settings):
        self._pretrained, self._settings = pretrained, settings
        graph = tf.Graph()
        with graph.as_default():
            tf.set_random_seed(settings.random_seed)
            bottleneck_tensor = pretrained_lib.import_into_graph(pretrained)
            self._layer = layer_lib.add(
                bottleneck_tensor, label_count, settings.final_tensor_name, settings.learning_rate
            )
        self._session = open_session(graph)
        self._session.run(self._layer.initializer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session.close()

    def train(self, training, validation, distortions):
        """Runs the training steps, with a log line at each evaluation.

        Args:
          training, validation: `Examples`; validation may be empty.
          distortions: `Distortions`, for which `training` needs no bottlenecks, or None.

        Raises:
          UserError: the cross entropy is not a number any more, or a file cannot be written.
        """
        settings = self._settings
        steps = settings.how_many_training_steps
        validation_sampler = self._sampler(validation, _VALIDATION_STREAM)
        with contextlib.ExitStack() as stack:
            draw = stack.enter_context(self._training_batches(training, distortions))
            train_writer = stack.enter_context(
                tf.summary.FileWriter(
                    os.path.join(settings.summaries_dir, 'train'), self._session.graph
                )
            )
            validation_writer = stack.enter_context(
                tf.summary.FileWriter(os.path.join(settings.summaries_dir, 'validation'))
            )
            progress = stack.enter_context(Progress('Training', steps, 'steps'))
            for step in range(steps):
                feeds = self._feeds(*draw())
                train_writer.add_summary(self._train_step(step, feeds), step)
                if step % settings.eval_step_interval == 0 or step + 1 == steps:
                    self._log_training(step, feeds)
                    self._log_validation(step, validation, validation_sampler, validation_writer)
                self._store_intermediate(step)
                progress.advance(1)

    def test(self, testing):
        """Returns the `TestResult` on `Examples`, which are not empty."""
        rows = self._sampler(testing, _TEST_STREAM).draw(self._settings.test_batch_size)
        accuracy, predictions = self._session.run(
            [self._layer.accuracy, self._layer.prediction], self._feeds(*testing.take(rows))
        )
        return TestResult(accuracy, [testing.photos[row] for row in rows], predictions)

    def frozen_graph(self):
        """Returns the network and the layer as trained so far as one frozen GraphDef."""
        return export.freeze(self._session, self._pretrained, self._settings.final_tensor_name)

    @contextlib.contextmanager
    def _training_batches(self, training, distortions):
        """Gives a function that returns the next bottlenecks and labels to train on."""
        sampler = self._sampler(training, _TRAINING_STREAM)
        draw_rows = functools.partial(sampler.draw, self._settings.train_batch_size)
        if distortions is None:
            yield lambda: training.take(draw_rows())
            return

        def draw_distorted():
            rows = draw_rows()
            return stream.take(len(rows)), training.labels[rows]

        choices = self._distorted_choices(training)
        with extract.DistortedStream(self._pretrained, distortions, choices) as stream:
            yield draw_distorted

    def _distorted_choices(self, training):
        """Yields what to read for a `DistortedStream`: the rows that training will draw.

        The stream reads ahead of the training, so these come from a sampler of their own.
        """
        sampler = self._sampler(training, _TRAINING_STREAM)
        random_state = self._settings.random_state(_DISTORTION_STREAM)
        while True:
            rows = sampler.draw(self._settings.train_batch_size)
            draws = distort.draw(random_state, len(rows))
            for row, numbers in zip(rows, draws):
                yield training.photos[row].path, numbers

    def _sampler(self, examples, stream):
        if not len(examples.labels):
            return None
        return sampling.Sampler(examples.labels, self._settings.random_state(stream))

    def _feeds(self, bottlenecks, labels):
        return {self._layer.bottleneck_input: bottlenecks, self._layer.ground_truth_input: labels}

    def _train_step(self, step, feeds):
        """Trains one step and returns its summaries."""
        try:
            summary, _ = self._session.run([self._layer.summaries, self._layer.train_step], feeds)
        except tf.errors.InvalidArgumentError as error:
            if 'summary histogram' not in error.message:
                raise
            raise self._diverged(step, 'weights are')  # A histogram takes no NaN.
        return summary

    def _diverged(self, step, what):
        return UserError(
            'training diverged at step %d: the %s not finite; lower --learning_rate (it is %g)'
            % (step, what, self._settings.learning_rate)
        )

    def _log_training(self, step, feeds):
        accuracy, cross_entropy = self._session.run(
            [self._layer.accuracy, self._layer.cross_entropy], feeds
        )
        _log_step(step, 'Train accuracy = %.1f%%', accuracy * 100)
        _log_step(step, 'Cross entropy = %f', cross_entropy)
        if not math.isfinite(cross_entropy):
            raise self._diverged(step, 'cross entropy is')

    def _log_validation(self, step, validation, sampler, writer):
        if sampler is None:
            return
        rows = sampler.draw(self._settings.validation_batch_size)
        summary, accuracy = self._session.run(
            [self._layer.summaries, self._layer.accuracy], self._feeds(*validation.take(rows))
        )
        writer.add_summary(summary, step)
        _log_step(step, 'Validation accuracy = %.1f%% (N=%d)', accuracy * 100, len(rows))

    def _store_intermediate(self, step):
        frequency = self._settings.intermediate_store_frequency
        if frequency > 0 and step > 0 and step % frequency == 0:
            path = os.path.join(
                self._settings.intermediate_output_graphs_dir, 'intermediate_%d.pb' % step
            )
            graph_files.write(self.frozen_graph(), path)
            _LOG.info('Intermediate graph written to %s', path)


def _log_step(step, text, *values):
    _LOG.info('%s: Step %d: ' + text, datetime.datetime.now(), step, *values)
