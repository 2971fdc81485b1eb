"""The main job from end to end: a data set of photos becomes a trained, frozen graph."""

import contextlib
import logging
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common import encodings, intervals
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.dataset import split
from scripts.features import extract, kept_photos
from scripts.features.place import Place
from scripts.graphs import description
from scripts.images.settings import Copying
from scripts.training import batches as batches_lib
from scripts.training import checkpoint, evaluating, summaries
from scripts.training import fit as fit_lib
from scripts.training import settings as settings_lib
from scripts.training import stages as stages_lib
from scripts.training.batches import Examples, Sampler
from scripts.training.model import Model, check_final_tensor_name

_LOG = logging.getLogger(__name__)


class Trained(typing.NamedTuple):
    """What a run gives.

    graph_def: the frozen GraphDef.
    tested: its `evaluating.TestResult`, or None where there are no test photos.
    history: the `fit.History`.
    """

    graph_def: tf.GraphDef
    tested: typing.Optional[evaluating.TestResult]
    history: fit_lib.History


class Ready(typing.NamedTuple):
    """A model that is trained, as long as its block runs.

    model: the `Model`.
    examples: a dict from category to the `Examples` of the last stage.
    history: the `fit.History`, with the evaluations of all stages.
    """

    model: Model
    examples: typing.Dict[str, Examples]
    history: fit_lib.History


def run(settings, backbone, dataset, examples_of=None):
    """Computes features, trains, and tests.

    Args:
      settings: a `settings.Retraining`.
      backbone: the `Backbone` of its network.
      dataset: a `Dataset` with training photos.
      examples_of: as `trained` takes it.

    Returns:
      A `Trained`.

    Raises:
      UserError: something is missing, corrupt or cannot be written; what is there stays.
    """
    with trained(settings, backbone, dataset, examples_of) as (model, examples, history):
        tested = _test(model, examples[split.TESTING], settings.training)
        if tested is not None:
            _log_test(tested, dataset.labels, settings.print_misclassified_test_images)
        return Trained(model.frozen_graph(tested and tested.described), tested, history)


@contextlib.contextmanager
def trained(settings, backbone, dataset, examples_of=None, on_evaluation=None):
    """Computes features and trains, and yields what is `Ready` then.

    Args:
      settings, backbone, dataset: as `run` takes them.
      examples_of: takes the same three, those of a stage, and returns a dict from category to
        `Examples`; None: `compute_examples`.
      on_evaluation: as `fit` takes it, of the last stage; or None.

    Raises:
      UserError: as `run`.
      DeadlineError: there is a `Progress.until`, and its moment is over.
    """
    check_final_tensor_name(backbone, settings.training.final_tensor_name)
    stages = stages_lib.of(settings, backbone, dataset)
    saved = _saved(stages[-1].settings)
    left = [stage for stage in stages if saved is None or saved.steps_done <= stage.training.end]
    described = _description(settings, backbone, dataset)
    evaluations, head = [], {}
    for stage in left:
        examples = (examples_of or compute_examples)(stage.settings, stage.backbone, dataset)
        if stage is left[0]:
            _check_examples(settings.training, examples, dataset.labels)
            _begin(saved, stage.training)
        is_last = stage is left[-1]
        Progress.raise_if_stopped()  # To make a graph takes seconds.
        with contextlib.ExitStack() as stack:
            model = Model(stage.backbone, len(dataset.labels), stage.training, described)
            stack.enter_context(model).set_values(head)
            batches = _batches(stage.settings, stage.backbone, examples[split.TRAINING])
            stack.enter_context(batches)
            history = fit_lib.fit(
                model,
                batches,
                examples[split.VALIDATION],
                stage.training,
                on_evaluation if is_last else None,
            )
            evaluations += history.evaluations
            if is_last:
                yield Ready(model, examples, history._replace(evaluations=evaluations))
            else:
                head = model.head_values()


def _begin(saved, training):
    """Says where the run begins; empties the folder of summaries where that is the first step."""
    if saved is not None:
        _LOG.info('Resuming after %d steps, from the checkpoint', saved.steps_done)
    elif training.summary_interval:
        summaries.empty_dir(training.summaries_dir)


def _saved(settings):
    """Returns the `Checkpoint` from which a run resumes, or None."""
    training = settings.training
    if not training.resume:
        return None
    saved = checkpoint.load(training.checkpoint_path, training.identity)
    if saved is not None and saved.steps_done > training.end:
        raise UserError(
            'the checkpoint %s is after step %d, and --how_many_training_steps=%d asks for fewer: '
            'give at least as many, or another --checkpoint_path'
            % (
                training.checkpoint_path,
                saved.steps_done - training.first_step,
                training.how_many_training_steps,
            )
        )
    return saved


def _description(settings, backbone, dataset):
    """Returns the `Description` of the graph that is to be trained."""
    network, split_used = backbone.network, dataset.split
    image_dir, test_dir = encodings.as_utf8(dataset.image_dir), dataset.test_dir
    if not settings.describe_paths:
        image_dir, test_dir = None, test_dir and description.LEFT_OUT
    return description.Description(
        labels=tuple(label.strip() for label in dataset.labels),
        input=description.Input(network.input_name, *network.pixels),
        network=description.Network(network.name, backbone.sha256),
        photos=description.Photos(
            image_dir=image_dir,
            split_key=split_used.key,
            testing_percentage=split_used.testing_percentage,
            validation_percentage=split_used.validation_percentage,
            image_extensions=dataset.extensions,
            test_dir=test_dir and encodings.as_utf8(test_dir),
            groups=split_used.groups and split_used.groups.sha256,
        ),
        test=None,
        tensorflow=tf.VERSION,
    )


def _check_examples(training, examples, labels):
    counts = np.bincount(examples[split.TRAINING].labels, minlength=len(labels))
    if not counts.all():
        raise UserError(
            'all training photos of class %s are unreadable, so it cannot be learned: '
            'replace them, or take the class away' % labels[counts.argmin()]
        )
    if training.early_stopping_steps and not len(examples[split.VALIDATION].labels):
        raise UserError(
            '--early_stopping_steps=%d needs validation photos, and there are none: add photos or '
            'raise --validation_percentage' % training.early_stopping_steps
        )
    if training.keep_best and not len(examples[split.VALIDATION].labels):
        _LOG.warning(
            'There are no validation photos: the graph is that of the last step of fine-tuning, '
            'not of the best'
        )


def _batches(settings, backbone, examples):
    """Returns the batches to train on."""
    if settings.distortions.wanted() and settings.distorted_copies:
        return batches_lib.CopiedBatches(examples, settings.training)
    if settings.distortions.wanted():
        return batches_lib.DistortedBatches(
            backbone, examples, settings.distortions, settings.training
        )
    return batches_lib.KeptBatches(examples, settings.training)


def _test(model, examples, training):
    """Returns the `TestResult` on test examples, or None where there are none."""
    if not len(examples.labels):
        return None
    sampler = Sampler(examples.labels, training.random_state(settings_lib.TEST_STREAM))
    count = evaluating.count_of(examples, training.test_batch_size)
    return evaluating.test(model, examples, sampler.draw(count))


def compute_examples(settings, backbone, dataset):
    """Returns a dict from category to `Examples`."""
    place = Place(settings.bottleneck_dir, backbone.network.cache_name)
    photos = dataset.photos
    distorted = 0
    if settings.distortions.wanted():
        distorted = sum(photo.category == split.TRAINING for photo in photos)
    features = extract.compute(backbone, place, photos[distorted:], settings.bad_images)
    examples = {
        category: _of_category(category, photos[distorted:], features)
        for category in split.CATEGORIES
    }
    if distorted:
        examples[split.TRAINING] = _distorted_examples(
            settings, backbone, place, photos[:distorted]
        )
    unreadable = len(photos) - sum(len(each.photos) for each in examples.values())
    if unreadable:
        _LOG.warning('%d of %d photos are unreadable and are left out', unreadable, len(photos))
    return examples


def examples_of_table(photos, features):
    """Returns a dict from category to `Examples`, without a list of objects for all photos.

    Args:
      photos: a `PhotoTable`, all of whose photos are readable.
      features: their `Features`.
    """
    examples = {}
    for category in split.CATEGORIES:
        rows = photos.of_category(category)
        labels = photos.label_indices[rows].astype(np.int64)
        numbers = np.arange(rows.start, rows.stop)
        examples[category] = Examples(features, labels, photos[rows], numbers)
    return examples


def _distorted_examples(settings, backbone, place, photos):
    """Returns the `Examples` of photos that are distorted: each time, or as copies."""
    if settings.distorted_copies:
        copying = Copying(settings.distortions, settings.distorted_copies)
        features = extract.compute_copies(backbone, place, photos, copying, settings.bad_images)
        return _of_category(split.TRAINING, photos, features)
    spec = settings.distortions.enlarged(backbone.network.pixels)
    kept = kept_photos.keep(place.folder, photos, spec, settings.bad_images)
    return _of_category(split.TRAINING, photos, kept)._replace(features=None, decoded=kept)


def _of_category(category, photos, features):
    """Returns the `Examples` of those readable photos that are of a category."""
    rows = [row for row in np.flatnonzero(features.readable) if photos[row].category == category]
    kept = [photos[row] for row in rows]
    labels = np.array([photo.label_index for photo in kept], np.int64)
    return Examples(features, labels, kept, np.array(rows, np.int64))


def _log_test(result, labels, print_misclassified):
    _LOG.info('Final test accuracy = %.1f%% (N=%d)', result.accuracy * 100, len(result.photos))
    _LOG.info(intervals.as_text(result.right, len(result.photos)))
    if not print_misclassified:
        return
    _LOG.info('=== MISCLASSIFIED TEST IMAGES ===')
    for photo, prediction in zip(result.photos, result.scores.argmax(axis=1)):
        if prediction != photo.label_index:
            _LOG.info('%70s  %s', photo.path, labels[prediction])
