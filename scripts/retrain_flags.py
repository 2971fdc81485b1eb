"""The flags of `scripts.retrain`."""

import logging

from scripts.common import flags
from scripts.common.errors import UserError
from scripts.dataset import extensions, listing
from scripts.dataset import groups as groups_lib
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.features import parquet
from scripts.images import bad_images
from scripts.images.settings import DECODINGS, EXACT, EXIF_ROTATIONS, IGNORE
from scripts.networks import registry
from scripts.training import settings as settings_lib

_LOG = logging.getLogger(__name__)

SEEDS = 2**31  # TensorFlow's seeds are no larger.

# Of gradients when fine-tuning. Without it, two blocks of mobilenet_1.0_224 at the default rate go
# from 96% of the validation flowers to 20%, and so do four blocks at a third of that rate.
_CLIP_NORM = 1.0

# Flags that mean nothing, or need pixels, where features come from elsewhere.
_OF_PHOTOS = (
    'image_dir',
    'test_dir',
    'groups',
    'bad_images',
    'report_photos',
    'fine_tune_blocks',
    'fine_tune_from',
    'flip_left_right',
    'random_crop',
    'random_scale',
    'random_brightness',
    'distorted_copies',
)


def define_all(define):
    """Defines the flags of `scripts.retrain` with a `Definer`."""
    photos = define.group('Photos')
    define_photos(photos)
    flags.define_groups(photos, '')
    photos.string(
        'features',
        '',
        'Train on the features in this folder, which extract_on_spark wrote, without the photos; '
        'it says which network and split they are of. Needs pip install -r requirements-spark.txt.',
    )
    define_network(define.group('Network'))
    _define_training(define.group('Training'))
    _define_fine_tuning(define.group('Fine-tuning: training more than the last layer'))
    _define_distortions(
        define.group('Distortions: each step then runs the network, but for copies')
    )
    _define_outputs(define.group('Outputs'))


def apply_recipe(values, recipe):
    """Gives flags that are not on the command line the values that suit a network.

    Args:
      values: the parsed `FlagValues`.
      recipe: a mapping from names of flags to values.
    """
    for name, value in recipe.items():
        if values[name].using_default_value:
            setattr(values, name, value)


def take_features(values):
    """Opens the features that --features names, and sets the flags that they decide.

    Args:
      values: the parsed `FlagValues`.

    Returns:
      The `features.parquet.Folder`, or None without --features.

    Raises:
      UserError: it is none, or another flag contradicts it.
    """
    if not values.features:
        return None
    for name in _OF_PHOTOS:
        if values[name].present and values[name].value:
            raise UserError(
                '--%s needs the photos, and --features=%s is trained on without them: leave one of '
                'the two out' % (name, values.features)
            )
    folder = parquet.Folder(values.features)
    for name, value in folder.about.flags.items():
        if values[name].present and values[name].value != value:
            raise UserError(
                '--%s=%s: the features in %s are of %s: leave the flag out, or compute others'
                % (name, values[name].value, values.features, _as_typed(name, value))
            )
        values[name].value = value
    return folder


def _as_typed(name, value):
    return 'its default' if value is None else '--%s=%s' % (name, value)


def dataset_of(values, groups=''):
    """Lists and splits photos as flags say.

    Args:
      values: the parsed `FlagValues`.
      groups: the path of a file of groups, or ''.

    Returns:
      The `Dataset`.
    """
    image_dir, test_dir, split, image_extensions = split_of(values, groups)
    return photos_lib.load(image_dir, split, image_extensions, test_dir)


def split_of(values, groups=''):
    """Returns the folders of photos, how they are split and which files are photos, as flags say.

    Args:
      values, groups: as for `dataset_of`.

    Returns:
      --image_dir, --test_dir or None, the `Split`, and extensions as of `extensions.of`.
    """
    image_dir, test_dir = values.image_dir, values.test_dir
    pair = None if test_dir is not None else listing.train_and_test(image_dir)
    if pair is not None:
        _LOG.info('--image_dir=%s is taken as --image_dir=%s --test_dir=%s', image_dir, *pair)
        image_dir, test_dir = pair
    split_lib.check_not_given(flags.given(values, 'testing_percentage'), test_dir)
    testing_percentage = values.testing_percentage if test_dir is None else 0
    split = split_lib.Split(testing_percentage, values.validation_percentage, values.split_key)
    split_lib.check(split)
    if groups:
        split = split._replace(groups=groups_lib.read(groups))
    return image_dir, test_dir, split, extensions.parse(values.image_extensions)


def fine_tunes(values):
    """Returns whether more than the last layer is trained."""
    return bool(values.fine_tune_blocks or values.fine_tune_from)


def stages(values, epoch):
    """Returns how to train, of the parsed flags, without a seed.

    Args:
      values: the parsed `FlagValues`.
      epoch: int, how many steps an epoch has.

    Returns:
      A pair of `settings.Training`: that of the head alone, or None where there is no such stage,
      and that of all that is trained.
    """
    hidden_units = settings_lib.parse_hidden_units(values.hidden_units)
    training = flags.settings(
        values, settings_lib.Training, identity=None, hidden_units=hidden_units
    )
    if not fine_tunes(values):
        return None, training
    head = training._replace(
        how_many_training_steps=values.head_steps,
        learning_rate_decay=settings_lib.CONSTANT,
        warmup_steps=0,
        early_stopping_steps=0,
    )
    defaults = {
        'optimizer': settings_lib.NESTEROV,
        'learning_rate_decay': settings_lib.COSINE,
        'warmup_steps': epoch,
        'eval_step_interval': epoch,
    }
    training = training._replace(
        learning_rate=values.fine_tune_learning_rate,
        learning_rate_flag='fine_tune_learning_rate',
        first_step=values.head_steps,
        keep_best=True,
        clip_norm=_CLIP_NORM,
        **{name: each for name, each in defaults.items() if values[name].using_default_value},
    )
    return head if values.head_steps else None, training


def define_photos(define, with_policy=True):
    """Defines which photos there are, how they are split and read, and what if one is not."""
    flags.define_photos(define, '', extensions.DECODED, [split_lib.BY_PATH, split_lib.BY_NAME])
    flags.define_exif_rotation(define, EXIF_ROTATIONS, IGNORE)
    flags.define_decode(define, DECODINGS, EXACT)
    if with_policy:
        define.choice(
            'bad_images',
            bad_images.SKIP,
            bad_images.POLICIES,
            'What to do with an unreadable photo: skip names it and leaves it out, stop names it '
            'and ends the run.',
        )


def define_network(define, with_folder=True):
    """Defines which network there is, and where its features are kept."""
    define.string(
        'architecture',
        'inception_v3',
        'The pretrained network: %s. _quantized is 8-bit; sample needs no download.'
        % registry.FORM,
    )
    if with_folder:
        define_folders(define)
    else:
        flags.define_model_dir(define)
    flags.define_pixels(
        define,
        "the network's own, for a path as the graph declares, otherwise 224",
        "the network's own, for a path as the graph says, otherwise 127.5",
        "the network's own, for a path the only placeholder",
    )
    flags.define_bottleneck_layer(define)


def define_folders(define):
    """Defines where networks and features are."""
    flags.define_model_dir(define)
    define.string('bottleneck_dir', '/tmp/bottleneck', 'The folder of bottlenecks.')


def define_result(define):
    """Defines where the trained graph and its labels are written."""
    define.string('output_graph', '/tmp/output_graph.pb', 'The file of the trained graph.')
    define.string('output_labels', '/tmp/output_labels.txt', 'The file of labels, one per line.')
    define.string('final_tensor_name', 'final_result', 'The name of the output node.')


def define_describe_paths(define):
    """Defines whether a graph names the folder of its photos."""
    define.boolean(
        'describe_paths',
        True,
        'Store the folder of the photos in the graph, so that evaluate finds the split. A path '
        "can contain a person's name.",
    )


def define_random_seed(define):
    """Defines what chance depends on."""
    define.integer(
        'random_seed',
        None,
        'An integer: the same one gives the same graph, byte for byte. Default: a new one for '
        'each run.',
        (0, SEEDS - 1),
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
        'The number of steps from one evaluation to the next. When fine-tuning, one epoch unless '
        'given.',
        flags.POSITIVE,
    )
    define_random_seed(define)
    _define_optimization(define)
    _define_stopping(define)


def _define_optimization(define):
    define.choice(
        'optimizer',
        settings_lib.GRADIENT_DESCENT,
        settings_lib.OPTIMIZERS,
        'The optimizer; all but gradient_descent need lower learning rates. When fine-tuning, '
        'nesterov (momentum) unless given.',
    )
    define.string(
        'hidden_units',
        '',
        'The widths of dense ReLU layers before the softmax, separated by commas, such as '
        '1024,512.',
    )
    define.float(
        'dropout',
        0.0,
        'The fraction of each bottleneck that is dropped at random in training, 0 to below 1. '
        'Hidden layers drop nothing.',
        flags.NOT_NEGATIVE,
    )
    define.choice(
        'learning_rate_decay',
        settings_lib.CONSTANT,
        settings_lib.DECAYS,
        'How the learning rate changes; cosine lets it fall to 0 at the last step, and a run is '
        'then resumed with the same number of steps. When fine-tuning, cosine unless given.',
    )
    define.integer(
        'warmup_steps',
        0,
        'The number of steps in which the learning rate grows to its full value. When '
        'fine-tuning, one epoch unless given.',
        flags.NOT_NEGATIVE,
    )
    define.float(
        'weight_decay',
        0.0,
        'This times each weight is added to its gradient: weights of convolutions and dense '
        'layers, not biases and batch norms.',
        flags.NOT_NEGATIVE,
    )


def _define_stopping(define):
    define.integer(
        'early_stopping_steps',
        0,
        'Stop when the accuracy on all validation photos has not improved for this number of '
        'steps, and keep the best; 0: train all steps. When fine-tuning, this is about the steps '
        'of fine-tuning, of which the best is kept in any case.',
        flags.NOT_NEGATIVE,
    )
    define.string('checkpoint_path', '', 'Save the training to this file as it goes.')
    define.boolean(
        'resume',
        False,
        'Continue from --checkpoint_path if it exists. The result is the same, byte for byte, as '
        'without the interruption.',
    )


def _define_fine_tuning(define):
    define.integer(
        'fine_tune_blocks',
        0,
        "The number of the network's last blocks that are trained with the new layers; -1: all of "
        'the network.',
        (-1, None),
    )
    define.string(
        'fine_tune_from',
        '',
        'The node of the network behind which everything is trained: another way to give '
        '--fine_tune_blocks.',
    )
    define.float('fine_tune_learning_rate', 0.003, 'The learning rate of fine-tuning.')
    define.integer(
        'head_steps',
        500,
        'The number of steps, with --learning_rate, in which only the new layers are trained, '
        'before the --how_many_training_steps of fine-tuning.',
        flags.NOT_NEGATIVE,
    )


def _define_distortions(define):
    define.boolean('flip_left_right', False, 'Flip half of the training photos at random.')
    for name, meaning, bounds in (
        ('random_crop', 'Crop training photos at random, by', flags.NOT_NEGATIVE),
        ('random_scale', 'Enlarge training photos at random, by up to', flags.NOT_NEGATIVE),
        ('random_brightness', 'Brighten or darken training photos, by up to', flags.PERCENT),
    ):
        define.integer(name, 0, meaning + ' this percentage.', bounds)
    define.integer(
        'distorted_copies',
        0,
        'The number of distorted versions of each training photo that go through the network '
        'once, are kept in --bottleneck_dir and drawn from; 0: a new one each time.',
        flags.NOT_NEGATIVE,
    )


def _define_outputs(define):
    define_result(define)
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
    _define_exports(define)
    flags.define_report(define, '')
    define.boolean(
        'report_photos',
        False,
        'Show in the report which photos are near-duplicates and which labels are doubtful, as '
        'check_photos finds them.',
    )
    define_describe_paths(define)


def _define_exports(define):
    define.string(
        'saved_model_dir', '', 'Write a SavedModel for TensorFlow Serving to this folder.'
    )
    define.string(
        'tflite_output_file',
        '',
        'Write a TensorFlow Lite file, with its labels and its description beside it.',
    )
    define.choice(
        'tflite_quantization',
        settings_lib.NONE,
        settings_lib.QUANTIZATIONS,
        'What is smaller in the TensorFlow Lite file: float16, its weights; int8, its weights and '
        'values, whose ranges 100 training photos tell. It takes and gives float32 in any case.',
    )
    define.string(
        'onnx_output_file',
        '',
        'Write an ONNX file, with the description as metadata. It needs '
        'pip install -r requirements-export.txt.',
    )
