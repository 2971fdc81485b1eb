"""The main job from end to end: a data set of photos becomes a graph and its labels."""

import logging
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common import files, intervals
from scripts.common.errors import UserError
from scripts.dataset import labels as labels_lib
from scripts.dataset import split
from scripts.export import export
from scripts.features import extract
from scripts.features.cache import Place
from scripts.graphs import description, graph_files
from scripts.images import runner
from scripts.images.graph_input import GraphInput
from scripts.images.settings import APPLY
from scripts.networks import backbone as backbone_lib
from scripts.training import checkpoint, summaries
from scripts.training import fit as training
from scripts.training.batches import Examples
from scripts.training.checkpoint import Keeper

_LOG = logging.getLogger(__name__)


class Trained(typing.NamedTuple):
    """The frozen GraphDef, and its `TestResult`, or None where there are no test photos."""

    graph_def: tf.GraphDef
    tested: typing.Optional[training.TestResult]


def run(settings, dataset):
    """Retrains, tests, and writes the graph and the labels.

    Args:
      settings: a `settings.Retraining`.
      dataset: a `Dataset` with training photos.

    Returns:
      A `Trained`.

    Raises:
      UserError: something is missing, damaged or cannot be written; what is there stays.
    """
    pretrained = _network(settings)
    keeper = Keeper(
        settings.training.checkpoint_path, checkpoint.identity(settings, pretrained, dataset)
    )
    saved = _saved(settings.training, keeper)
    examples = _examples(settings, pretrained, dataset)
    _check_classes(examples[split.TRAINING], dataset.labels)
    if settings.training.early_stopping_steps and not len(examples[split.VALIDATION].labels):
        raise UserError(
            '--early_stopping_steps=%d needs validation photos, and there are none: add photos or '
            'raise --validation_percentage' % settings.training.early_stopping_steps
        )
    if saved is None:
        summaries.empty_dir(settings.training.summaries_dir)
    distortions = settings.distortions if settings.distortions.wanted() else None
    described = _description(settings, pretrained, dataset)
    with training.Trainer(pretrained, len(dataset.labels), settings.training, described) as trainer:
        if saved is not None:
            _LOG.info('Going on after %d steps, from the checkpoint', saved.steps_done)
            trainer.restore(saved)
        trainer.train(examples, distortions, keeper)
        result = None
        if len(examples[split.TESTING].labels):
            result = trainer.test(examples[split.TESTING])
            _log_test(result, dataset.labels, settings.print_misclassified_test_images)
        graph_def = trainer.frozen_graph(result)
    graph_files.write(graph_def, settings.output_graph)
    labels_lib.write(dataset.labels, settings.output_labels)
    return Trained(graph_def, result)


def _network(settings):
    """Returns the `Backbone` network, which has been found to do all that is wanted."""
    if settings.saved_model_dir:
        export.check_saved_model_dir(settings.saved_model_dir)
    pretrained = backbone_lib.load(settings.network, settings.model_dir)
    if settings.tflite_output_file:
        # The network alone: of the new layer TensorFlow Lite has every operation.
        export.to_lite(
            pretrained.graph_def, _graph_input(settings), settings.network.bottleneck_name
        )
    training.check_final_tensor_name(pretrained, settings.training.final_tensor_name)
    return pretrained


def _saved(settings, keeper):
    """Returns the `Checkpoint` that a `settings.Training` goes on from, or None."""
    saved = keeper.load() if settings.resume else None
    if saved is not None and saved.steps_done > settings.how_many_training_steps:
        raise UserError(
            'the checkpoint %s is after step %d, and --how_many_training_steps=%d asks for fewer: '
            'give at least as many, or another --checkpoint_path'
            % (settings.checkpoint_path, saved.steps_done, settings.how_many_training_steps)
        )
    return saved


def _description(settings, pretrained, dataset):
    """Returns the `Description` of the graph that is to be trained."""
    network, split_used = settings.network, dataset.split
    return description.Description(
        labels=tuple(label.strip() for label in dataset.labels),
        input=description.Input(network.input_name, *network.pixels),
        network=description.Network(network.name, pretrained.sha256),
        photos=description.Photos(
            image_dir=files.as_utf8(dataset.image_dir) if settings.describe_paths else None,
            split_key=split_used.key,
            testing_percentage=split_used.testing_percentage,
            validation_percentage=split_used.validation_percentage,
            image_extensions=dataset.extensions,
        ),
        test=None,
        tensorflow=tf.VERSION,
    )


def _check_classes(training_examples, labels):
    counts = np.bincount(training_examples.labels, minlength=len(labels))
    if not counts.all():
        raise UserError(
            'none of the training photos of class %s can be read, so it could not be learned: '
            'replace them, or take the class away' % labels[counts.argmin()]
        )


def write_saved_model(settings, graph_def, labels):
    """Writes the trained graph as a SavedModel."""
    export.write_saved_model(
        graph_def,
        _graph_input(settings),
        settings.training.final_tensor_name,
        labels,
        settings.saved_model_dir,
    )
    _LOG.info('SavedModel written to %s', settings.saved_model_dir)


def write_lite(settings, graph_def, labels):
    """Writes the trained graph for TensorFlow Lite, and its labels beside it."""
    output, path = settings.training.final_tensor_name, settings.tflite_output_file
    files.write(path, export.to_lite(graph_def, _graph_input(settings), output))
    labels_lib.write(labels, labels_lib.path_beside(path))
    _LOG.info('TensorFlow Lite file written to %s', path)


def _graph_input(settings):
    return GraphInput(settings.network.input_name, settings.network.pixels)


def _examples(settings, pretrained, dataset):
    """Returns a dict from category to `Examples`."""
    network = settings.network
    # Bottlenecks of turned photos stand beside the classic ones, never in their place.
    name = network.name + ('_exif' if network.pixels.exif_rotation == APPLY else '')
    place = Place(settings.bottleneck_dir, name)
    photos = dataset.photos
    distorted = 0
    if settings.distortions.wanted():
        distorted = sum(photo.category == split.TRAINING for photo in photos)
    features = extract.compute(pretrained, place, photos[distorted:], settings.bad_images)
    unreadable = runner.report_unreadable(
        [photo.path for photo in photos[:distorted]], settings.bad_images
    )
    readable = np.concatenate(
        [
            np.array([photo.path not in unreadable for photo in photos[:distorted]], np.bool_),
            features.readable,
        ]
    )
    if not readable.all():
        _LOG.warning(
            '%d of %d photos cannot be read and are left out', (~readable).sum(), len(photos)
        )
    return {
        category: _of_category(category, photos, features, readable)
        for category in split.CATEGORIES
    }


def _of_category(category, photos, bottlenecks, readable):
    """Returns the `Examples` of a category, without a copy: `bottlenecks` may exceed the memory.

    Where `bottlenecks` has fewer rows than there are photos, the first ones, those of training,
    have none.
    """
    rows = np.array([row for row in np.flatnonzero(readable) if photos[row].category == category])
    kept = [photos[row] for row in rows]
    labels = np.array([photo.label_index for photo in kept], np.int64)
    rows = rows.astype(np.int64) - (len(photos) - len(bottlenecks))
    if (rows < 0).any():
        return Examples(None, labels, kept)
    return Examples(bottlenecks, labels, kept, rows)


def _log_test(result, labels, print_misclassified):
    _LOG.info('Final test accuracy = %.1f%% (N=%d)', result.accuracy * 100, len(result.photos))
    _LOG.info(intervals.as_text(result.right, len(result.photos)))
    if not print_misclassified:
        return
    _LOG.info('=== MISCLASSIFIED TEST IMAGES ===')
    for photo, prediction in zip(result.photos, result.scores.argmax(axis=1)):
        if prediction != photo.label_index:
            _LOG.info('%70s  %s', photo.path, labels[prediction])
