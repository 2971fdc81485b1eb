"""The flags of `scripts.retrain`."""

from scripts.common import flags
from scripts.dataset import extensions
from scripts.dataset import split as split_lib
from scripts.images import bad_images
from scripts.images.settings import EXIF_ROTATIONS, IGNORE
from scripts.networks import registry
from scripts.training import settings as settings_lib

SEEDS = 2**31  # TensorFlow's seeds are no larger.


def define_all(define):
    """Defines the flags of `scripts.retrain` with a `Definer`."""
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
    flags.define_pixels(
        define,
        "the network's own, for a path as the graph declares, otherwise 224",
        "the network's own, for a path as the graph says, otherwise 127.5",
        "the network's own, for a path the only placeholder",
    )
    define.string(
        'bottleneck_layer',
        None,
        'The node whose output is the bottleneck. Default: that of the network, for a path the '
        'last global pooling.',
    )


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
        (0, SEEDS - 1),
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
