"""Trains a new last layer on top of a pretrained network, on your own photos.

  python -m scripts.retrain --image_dir=tf_files/flower_photos --architecture=mobilenet_0.50_224 \\
      --bottleneck_dir=tf_files/bottlenecks --model_dir=tf_files/models \\
      --summaries_dir=tf_files/training_summaries --how_many_training_steps=500 \\
      --output_graph=tf_files/retrained_graph.pb --output_labels=tf_files/retrained_labels.txt

The image folder holds one sub-folder of photos per class; its name is the label. Each photo goes
through the pretrained network once; the output, its bottleneck, is kept as a text file in the
bottleneck folder. python -m scripts.label_image labels photos with the trained graph.
"""

import datetime
import logging
import os
import random
import shlex

from scripts.common import command, files, flags
from scripts.common.errors import UserError
from scripts.dataset import extensions
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.export import outputs
from scripts.images import bad_images, exif
from scripts.images.settings import EXIF_ROTATIONS, IGNORE, Distortions
from scripts.networks import registry
from scripts.training import checkpoint, summaries
from scripts.training import settings as settings_lib

_LOG = logging.getLogger('scripts.retrain')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()
_SEEDS = 2**31  # TensorFlow's seeds are no larger.


def _define_flags(define):
    _define_photos(define.group('Photos'))
    _define_network(define.group('Network'))
    _define_training(define.group('Training'))
    _define_distortions(define.group('Distortions: each step then runs the network'))
    _define_outputs(define.group('Outputs'))


def _define_photos(define):
    flags.define_photos(define, '', extensions.DECODED, [split_lib.BY_PATH, split_lib.BY_NAME])
    flags.define_exif_rotation(define, EXIF_ROTATIONS, IGNORE)
    define.choice(
        'bad_images',
        bad_images.SKIP,
        bad_images.POLICIES,
        'What to do with an unreadable photo: skip names it and leaves it out, stop names it and '
        'ends the run.',
    )


def _define_network(define):
    define.string(
        'architecture',
        'inception_v3',
        'The pretrained network: %s. _quantized is 8-bit; sample needs no download.'
        % registry.FORM,
    )
    define.string('model_dir', '/tmp/imagenet', 'The folder of pretrained networks.')
    define.string('bottleneck_dir', '/tmp/bottleneck', 'The folder of bottlenecks.')


def _define_training(define):
    define.integer('how_many_training_steps', 4000, 'The number of steps.', flags.POSITIVE)
    define.float('learning_rate', 0.01, 'The learning rate.')
    define.integer('train_batch_size', 100, 'The number of photos per step; -1: all.')
    define.integer('validation_batch_size', 100, 'The number of photos per evaluation; -1: all.')
    define.integer('test_batch_size', -1, 'The number of photos in the final test; -1: all.')
    define.integer(
        'eval_step_interval',
        10,
        'The number of steps from one evaluation to the next.',
        flags.POSITIVE,
    )
    define.integer(
        'random_seed',
        None,
        'An integer: the same one gives the same graph, byte for byte. Default: a new one for '
        'each run.',
        (0, _SEEDS - 1),
    )
    define.choice(
        'optimizer',
        settings_lib.GRADIENT_DESCENT,
        settings_lib.OPTIMIZERS,
        'The optimizer. momentum and adam need lower learning rates.',
    )
    define.float(
        'dropout',
        0.0,
        'The fraction of each bottleneck that is dropped at random in training, 0 to below 1.',
        flags.NOT_NEGATIVE,
    )
    define.integer(
        'early_stopping_steps',
        0,
        'Stop when the accuracy on all validation photos has not improved for this number of '
        'steps, and keep the best; 0: train all steps.',
        flags.NOT_NEGATIVE,
    )
    define.string('checkpoint_path', '', 'Save the training to this file as it goes.')
    define.boolean(
        'resume',
        False,
        'Continue from --checkpoint_path if it exists. The result is the same, byte for byte, as '
        'without the interruption.',
    )


def _define_distortions(define):
    define.boolean('flip_left_right', False, 'Flip half of the training photos at random.')
    for name, meaning, bounds in (
        ('random_crop', 'Crop training photos at random, by', flags.NOT_NEGATIVE),
        ('random_scale', 'Enlarge training photos at random, by up to', flags.NOT_NEGATIVE),
        ('random_brightness', 'Brighten or darken training photos, by up to', flags.PERCENT),
    ):
        define.integer(name, 0, meaning + ' this percentage.', bounds)


def _define_outputs(define):
    define.string('output_graph', '/tmp/output_graph.pb', 'The file of the trained graph.')
    define.string('output_labels', '/tmp/output_labels.txt', 'The file of labels, one per line.')
    define.string('final_tensor_name', 'final_result', 'The name of the output node.')
    define.string(
        'summaries_dir',
        '/tmp/retrain_logs',
        'The folder of summaries for TensorBoard. It is emptied at the start.',
    )
    define.integer(
        'intermediate_store_frequency',
        0,
        'Write an intermediate graph whenever this number of steps is done; 0: never.',
        flags.NOT_NEGATIVE,
    )
    define.string(
        'intermediate_output_graphs_dir',
        '/tmp/intermediate_graph/',
        'The folder of intermediate graphs.',
    )
    define.boolean(
        'print_misclassified_test_images', False, 'Print the test photos with a wrong label.'
    )
    define.integer(
        'summary_interval',
        1,
        'The number of steps from one summary of the training to the next; 0: no summaries, '
        'neither of training nor of evaluations.',
        flags.NOT_NEGATIVE,
    )
    define.string(
        'saved_model_dir', '', 'Write a SavedModel for TensorFlow Serving to this folder.'
    )
    define.string(
        'tflite_output_file', '', 'Write a TensorFlow Lite file, with its labels beside it.'
    )
    flags.define_report(define, '')
    define.boolean(
        'describe_paths',
        True,
        'Store the folder of the photos in the graph, so that evaluate finds the split. A path '
        "can contain a person's name.",
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Retrains as the parsed flags say; raises UserError for a user error."""
    command.refuse_arguments(arguments)
    _check_flags(values)
    split = split_lib.Split(
        values.testing_percentage, values.validation_percentage, values.split_key
    )
    dataset = photos_lib.load(values.image_dir, split, extensions.parse(values.image_extensions))
    photos_lib.check_trainable(dataset)
    settings = _settings(values)
    outputs.check(settings, dataset, values.report)
    exif.report_rotated([photo.path for photo in dataset.photos], values.exif_rotation)

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.export import exporting
    from scripts.networks import backbone as backbone_lib
    from scripts.training import retraining

    with summaries.held(settings.training.summaries_dir) as event_files:
        exporting.check_places(settings)
        backbone = backbone_lib.load(settings.network, settings.model_dir)
        exporting.check_convertible(settings, backbone)
        trained = retraining.run(settings, backbone, dataset)
        exporting.write(settings, trained.graph_def, dataset.labels)
        failures = _write_evaluation(values, dataset, trained.tested)
        failures += exporting.write_others(settings, trained.graph_def, dataset.labels)
    seed = settings.training.random_seed
    if values.random_seed is None:
        _LOG.info('To repeat this run to the byte, add --random_seed=%d', seed)
    _LOG.info(
        'The graph is %s, its labels are %s. Label a photo with:\n'
        '  %s --graph=%s --labels=%s --image=PHOTO.jpg',
        settings.output_graph,
        settings.output_labels,
        command.how_to_start('label_image'),
        shlex.quote(settings.output_graph),
        shlex.quote(settings.output_labels),
    )
    if settings.training.summary_interval:
        _LOG.info(
            'See the training in TensorBoard with:\n  tensorboard --logdir %s',
            shlex.quote(settings.training.summaries_dir),
        )
    summaries.check_complete(settings.training.summaries_dir, event_files)
    if failures:
        raise UserError('the graph and its labels are written, but: ' + '; '.join(failures))


def _write_evaluation(values, dataset, tested):
    """Writes what the test got wrong, for TensorBoard and as a page.

    Returns:
      A list of texts on what could not be written: it costs only itself.
    """
    if tested is None:
        return []
    from scripts.evaluation.evaluating import Evaluation

    rotation = values.exif_rotation
    evaluation = Evaluation(dataset.labels, tested.photos, tested.scores, exif_rotation=rotation)
    try:
        _write_summaries(values, evaluation)
        _write_report(values, evaluation)
    except UserError as error:
        return [str(error)]
    return []


def _write_summaries(values, evaluation):
    from scripts.evaluation import tensorboard

    if values.summary_interval:
        tensorboard.write(
            evaluation,
            os.path.join(values.summaries_dir, split_lib.TESTING),
            values.how_many_training_steps,
        )


def _write_report(values, evaluation):
    from scripts.evaluation import curves, report

    if not values.report:
        return
    subject = report.Subject(
        values.output_graph,
        files.read(values.output_graph, 'graph'),
        values.image_dir,
        split_lib.TESTING,
        datetime.datetime.now(),
    )
    learning_curves = curves.read(values.summaries_dir) if values.summary_interval else None
    report.write(values.report, evaluation, subject, learning_curves)
    _LOG.info('The report on the test photos is %s', values.report)


def _check_flags(values):
    split_lib.check(split_lib.Split(values.testing_percentage, values.validation_percentage))
    settings_lib.check(flags.settings(values, settings_lib.Training, identity=None))


def _settings(values):
    training = flags.settings(values, settings_lib.Training, identity=None)
    if training.random_seed is None and training.resume:
        training = training._replace(random_seed=checkpoint.random_seed(training.checkpoint_path))
    if training.random_seed is None:
        training = training._replace(random_seed=random.SystemRandom().randrange(_SEEDS))
    network = registry.find(values.architecture)
    pixels = network.pixels._replace(exif_rotation=values.exif_rotation)
    return flags.settings(
        values,
        settings_lib.Retraining,
        network=network._replace(pixels=pixels),
        distortions=flags.settings(values, Distortions),
        training=training,
    )


if __name__ == '__main__':
    command.run(main, FLAGS)
