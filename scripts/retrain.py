"""Trains a new softmax layer on top of a pretrained network, on your own photos.

  python -m scripts.retrain --image_dir=tf_files/flower_photos --architecture=mobilenet_0.50_224 \\
      --bottleneck_dir=tf_files/bottlenecks --model_dir=tf_files/models \\
      --summaries_dir=tf_files/training_summaries --how_many_training_steps=500 \\
      --output_graph=tf_files/retrained_graph.pb --output_labels=tf_files/retrained_labels.txt

The image folder holds one sub-folder of photos for each class; the folder's name is the label.
Each photo goes through the pretrained network once; what comes out, its bottleneck, is kept as a
text file in the bottleneck folder. Label photos with the result by python -m scripts.label_image.
"""

import datetime
import logging
import os
import random
import re
import shlex

from scripts.common import command, files
from scripts.common.command import flags
from scripts.common.errors import UserError
from scripts.dataset import extensions
from scripts.dataset import labels as labels_lib
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.images import bad_images, exif
from scripts.images.settings import EXIF_ROTATIONS, Distortions
from scripts.networks import registry
from scripts.training import checkpoint, summaries
from scripts.training import settings as settings_lib

_LOG = logging.getLogger('scripts.retrain')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()
_SEEDS = 2**31  # TensorFlow's seeds are no larger.


def _text(name, default, meaning):
    flags.DEFINE_string(name, default, meaning, flag_values=FLAGS)


def _whole(name, default, meaning, lowest=None, highest=None):
    flags.DEFINE_integer(
        name, default, meaning, lower_bound=lowest, upper_bound=highest, flag_values=FLAGS
    )


def _yes_or_no(name, meaning, default=False):
    flags.DEFINE_boolean(name, default, meaning, flag_values=FLAGS)


def _one_of(name, choices, meaning):
    flags.DEFINE_enum(name, choices[0], choices, meaning, flag_values=FLAGS)


_text('image_dir', '', 'The folder of class-named sub-folders of photos.')
_text(
    'image_extensions',
    'jpg,jpeg',
    'Which files in them are photos, by their extensions, in any case, with commas between them: '
    'some of %s.' % ', '.join(extensions.DECODED),
)
_text('output_graph', '/tmp/output_graph.pb', 'Where the trained graph is written.')
_text(
    'intermediate_output_graphs_dir',
    '/tmp/intermediate_graph/',
    'Where intermediate graphs are written.',
)
_whole(
    'intermediate_store_frequency',
    0,
    'Write an intermediate graph every so many steps; 0: none.',
    lowest=0,
)
_text('output_labels', '/tmp/output_labels.txt', 'Where the labels are written, one a line.')
_text(
    'summaries_dir',
    '/tmp/retrain_logs',
    'Where the summaries for TensorBoard are written. It is emptied at the start.',
)
_whole(
    'summary_interval',
    1,
    'Write summaries of the training every so many steps, and of each evaluation; 0: none.',
    lowest=0,
)
_whole('how_many_training_steps', 4000, 'How many steps to train.', lowest=1)
flags.DEFINE_float('learning_rate', 0.01, 'The step size of gradient descent.', flag_values=FLAGS)
_whole('testing_percentage', 10, 'How many percent of the photos to test with.', 0, 100)
_whole('validation_percentage', 10, 'How many percent of the photos to validate with.', 0, 100)
_whole('eval_step_interval', 10, 'How often to evaluate, in steps.', lowest=1)
_whole('train_batch_size', 100, 'How many photos to train on in a step; -1: all.')
_whole('test_batch_size', -1, 'How many photos to test with at the end; -1: all.')
_whole('validation_batch_size', 100, 'How many photos to validate with each time; -1: all.')
_yes_or_no('print_misclassified_test_images', 'Print the test photos that get a wrong label.')
_text('model_dir', '/tmp/imagenet', 'Where pretrained networks are kept.')
_text('bottleneck_dir', '/tmp/bottleneck', 'Where bottlenecks are kept.')
_text('final_tensor_name', 'final_result', 'The name of the output node of the trained graph.')
_yes_or_no('flip_left_right', 'Flip half of the training photos, at random.')
_whole('random_crop', 0, 'How many percent to crop off training photos, at random.', lowest=0)
_whole('random_scale', 0, 'Up to how many percent to enlarge training photos, at random.', lowest=0)
_whole(
    'random_brightness',
    0,
    'Up to how many percent to brighten or darken training photos, at random.',
    0,
    100,
)
_one_of(
    'bad_images',
    bad_images.POLICIES,
    'What to do with a photo that cannot be read: skip names it and leaves it out, stop ends the '
    'run with its name.',
)
_one_of(
    'exif_rotation',
    EXIF_ROTATIONS,
    'Whether JPEGs are taken as they are stored, as in the classic script, or turned as their EXIF '
    'asks.',
)
_text(
    'architecture',
    'inception_v3',
    'The pretrained network: inception_v3, mobilenet_<1.0|0.75|0.50|0.25>_<224|192|160|128> '
    '(with _quantized after it for the 8-bit one), or sample, which needs no download.',
)
_one_of(
    'split_key',
    [split_lib.BY_PATH, split_lib.BY_NAME],
    'What decides whether a photo trains, validates or tests: its path as typed, '
    'or only <folder>/<file>, which stays the same when the folder is moved.',
)
_whole(
    'random_seed',
    None,
    'Any whole number: the same one gives the same graph again, to the '
    'byte. Not given: another one each time.',
    0,
    _SEEDS - 1,
)
_one_of(
    'optimizer',
    settings_lib.OPTIMIZERS,
    'How weights are updated. momentum and adam want smaller learning rates.',
)
flags.DEFINE_float(
    'dropout',
    0.0,
    'The share of each bottleneck that is left out at random in training, 0 to below 1.',
    lower_bound=0,
    flag_values=FLAGS,
)
_whole(
    'early_stopping_steps',
    0,
    'Stop when accuracy on all validation photos has not got better for so many steps, and keep '
    'the best; 0: train all steps.',
    lowest=0,
)
_yes_or_no(
    'describe_paths',
    'Let the graph say which folder its photos were in, for evaluate; a path can hold a name.',
    default=True,
)
_text('saved_model_dir', '', 'Where a SavedModel for TensorFlow Serving is written; empty: none.')
_text(
    'tflite_output_file',
    '',
    'Where a TensorFlow Lite file is written, its labels beside it; empty: none.',
)
_text(
    'report',
    '',
    'Where a page about the test photos is written: what is mixed up with what, the worst '
    'mistakes, the learning curves; empty: none.',
)
_text('checkpoint_path', '', 'The file that training is saved to as it goes; empty: none.')
_yes_or_no(
    'resume',
    'Go on from --checkpoint_path where there is one; the result is the same to the byte as '
    'without the stop.',
)


def main(values, arguments):
    """Retrains as the parsed flags say; raises UserError where a person must do something."""
    command.refuse_arguments(arguments)
    _check_flags(values)
    split = split_lib.Split(
        values.testing_percentage, values.validation_percentage, values.split_key
    )
    dataset = photos_lib.load(values.image_dir, split, extensions.parse(values.image_extensions))
    photos_lib.check_trainable(dataset)
    settings = _settings(values)
    _check_outputs(settings, values, dataset)
    exif.report_rotated([photo.path for photo in dataset.photos], values.exif_rotation)

    # TensorFlow takes a second to import: a person's mistakes are told before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.export import outputs
    from scripts.networks import backbone as backbone_lib
    from scripts.training import retraining

    with summaries.held(settings.training.summaries_dir) as event_files:
        outputs.check_places(settings)
        backbone = backbone_lib.load(settings.network, settings.model_dir)
        outputs.check_convertible(settings, backbone)
        trained = retraining.run(settings, backbone, dataset)
        outputs.write(settings, trained.graph_def, dataset.labels)
        failures = _show_mistakes(values, dataset, trained.tested)
        failures += outputs.write_others(settings, trained.graph_def, dataset.labels)
    if values.random_seed is None:
        seed = settings.training.random_seed
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
    summaries.check_whole(settings.training.summaries_dir, event_files)
    if failures:
        raise UserError('the graph and its labels are written, but: ' + '; '.join(failures))


def _show_mistakes(values, dataset, tested):
    """Writes what the test got wrong, for TensorBoard and as a page.

    Returns:
      A list of texts on what could not be written: it costs only itself.
    """
    if tested is None:
        return []
    from scripts.evaluation.evaluating import Evaluation

    evaluation = Evaluation(
        dataset.labels, tested.photos, tested.scores, exif_rotation=values.exif_rotation
    )
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
    subject = report.subject_of(
        values.output_graph,
        files.read(values.output_graph, 'graph'),
        (values.image_dir, split_lib.TESTING),
        datetime.datetime.now(),
    )
    learning_curves = curves.read(values.summaries_dir) if values.summary_interval else None
    report.write(values.report, evaluation, subject, learning_curves)
    _LOG.info('The report on the test photos is %s', values.report)


def _check_flags(values):
    if values.testing_percentage + values.validation_percentage > 100:
        raise UserError(
            '--testing_percentage=%d and --validation_percentage=%d are more than 100 '
            'together: nothing would be left for training'
            % (values.testing_percentage, values.validation_percentage)
        )
    for name in ('train_batch_size', 'test_batch_size', 'validation_batch_size'):
        if values[name].value < 1 and values[name].value != -1:
            raise UserError(
                '--%s=%d: expected a number of photos from 1 on, or -1 for all'
                % (name, values[name].value)
            )
    if not values.learning_rate > 0:
        raise UserError(
            '--learning_rate=%g: expected a number above 0, such as 0.01' % values.learning_rate
        )
    if not values.dropout < 1:
        raise UserError('--dropout=%g: expected a share below 1, such as 0.2' % values.dropout)
    if values.resume and not values.checkpoint_path:
        raise UserError('--resume needs --checkpoint_path, the file to go on from')
    if not re.fullmatch(
        r'[A-Za-z0-9.][A-Za-z0-9_.\-]*(/[A-Za-z0-9_.\-]+)*', values.final_tensor_name
    ):
        raise UserError(
            '--final_tensor_name=%r is no name for a node: expected letters, digits '
            'and _ . -, with / between parts' % values.final_tensor_name
        )


def _settings(values):
    training = settings_lib.Training(
        **{name: values[name].value for name in settings_lib.Training._fields if name in values}
    )
    if training.random_seed is None and training.resume:
        training = training._replace(random_seed=checkpoint.random_seed(training.checkpoint_path))
    if training.random_seed is None:
        training = training._replace(random_seed=random.SystemRandom().randrange(_SEEDS))
    network = registry.find(values.architecture)
    pixels = network.pixels._replace(exif_rotation=values.exif_rotation)
    return settings_lib.Retraining(
        network=network._replace(pixels=pixels),
        model_dir=values.model_dir,
        bottleneck_dir=values.bottleneck_dir,
        distortions=Distortions(
            values.flip_left_right,
            values.random_crop,
            values.random_scale,
            values.random_brightness,
        ),
        training=training,
        output_graph=values.output_graph,
        output_labels=values.output_labels,
        print_misclassified_test_images=values.print_misclassified_test_images,
        saved_model_dir=values.saved_model_dir,
        tflite_output_file=values.tflite_output_file,
        bad_images=values.bad_images,
        describe_paths=values.describe_paths,
    )


def _check_outputs(settings, values, dataset):
    outputs = _outputs(settings, values.report)
    for name, path in outputs:
        if path:
            files.check_writable(path)
        elif name in ('--output_graph', '--output_labels'):
            raise UserError('%s is empty: expected the name of a file to write' % name)
    labels_lib.check_replaceable(_lite_labels(settings), dataset.labels)
    network = os.path.join(settings.model_dir, settings.network.graph_file)
    files.check_distinct(
        outputs,
        [('the pretrained graph', network)]
        + [('the photo', photo.path) for photo in dataset.photos],
    )
    files.check_folder_writable(settings.training.summaries_dir)
    files.for_tensorflow(settings.training.summaries_dir)
    summaries.check_dir(settings.training.summaries_dir)
    summaries.check_outside(
        settings.training.summaries_dir, _folders(settings, values.image_dir) + outputs
    )
    if settings.training.intermediate_store_frequency:
        files.check_folder_writable(settings.training.intermediate_output_graphs_dir)


def _outputs(settings, report):
    """Returns pairs of a name and the path of a file that is written, empty where it is not."""
    saved_model = settings.saved_model_dir
    return [
        ('--output_graph', settings.output_graph),
        ('--output_labels', settings.output_labels),
        ('--report', report),
        ('--checkpoint_path', settings.training.checkpoint_path),
        ('--tflite_output_file', settings.tflite_output_file),
        ('the labels of --tflite_output_file', _lite_labels(settings)),
        # Its name is TensorFlow's, which is not imported yet.
        ('the file of --saved_model_dir', saved_model and saved_model + '/saved_model.pb'),
    ]


def _lite_labels(settings):
    """Returns where the labels beside a TensorFlow Lite file go, empty where --output_labels is."""
    path = settings.tflite_output_file and labels_lib.path_beside(settings.tflite_output_file)
    same = os.path.realpath(path) == os.path.realpath(settings.output_labels)
    return '' if same else path


def _folders(settings, image_dir):
    """Returns pairs of a flag and the folder that it names, empty where it is not used."""
    training = settings.training
    intermediate = training.intermediate_store_frequency and training.intermediate_output_graphs_dir
    return [
        ('--image_dir', image_dir),
        ('--model_dir', settings.model_dir),
        ('--bottleneck_dir', settings.bottleneck_dir),
        ('--intermediate_output_graphs_dir', intermediate),
        ('--saved_model_dir', settings.saved_model_dir),
    ]


if __name__ == '__main__':
    command.run(main, FLAGS)
