"""How to retrain, as settings. No TensorFlow here: commands check these before it loads."""

import math
import re
import typing

import numpy as np

from scripts.common.errors import UserError
from scripts.images import bad_images as bad_images_lib
from scripts.images.settings import Distortions
from scripts.networks.registry import Network

ALL = -1  # As a batch size: every photo of the category.

# Each use of chance draws from a stream of its own: evaluating more often, say, trains the same.
TRAINING_STREAM, VALIDATION_STREAM, TEST_STREAM, DISTORTION_STREAM = range(4)

OPTIMIZERS = GRADIENT_DESCENT, MOMENTUM, ADAM, NESTEROV = (
    'gradient_descent',
    'momentum',
    'adam',
    'nesterov',
)

DECAYS = CONSTANT, COSINE = ('constant', 'cosine')  # Of the learning rate.

QUANTIZATIONS = NONE, FLOAT16, INT8 = ('none', 'float16', 'int8')  # Of a TensorFlow Lite file.

_UNITS = re.compile(r'[1-9][0-9]{0,5}\Z')  # Of a hidden layer: wider than any memory is no use.

_NODE_NAME = re.compile(r'[A-Za-z0-9.][A-Za-z0-9_.\-]*(/[A-Za-z0-9_.\-]+)*\Z')


class Training(typing.NamedTuple):
    """How to train; the fields are the flags of `scripts.retrain` of the same names, but for five.

    The same random_seed repeats a run to the byte. A program that calls `fit` need not set what has
    a default here: all photos are evaluated, and no file is written.

    hidden_units: the widths of dense layers before the softmax.
    learning_rate_decay: over how_many_training_steps, after the warm-up.
    weight_decay: times the sum of squares of the weights that are trained, halved, in the loss.
    train_batch_size, validation_batch_size, test_batch_size: photos, or ALL.
    summary_interval: steps between summaries of training; 0: no summaries at all.
    early_stopping_steps, intermediate_store_frequency: steps; 0: none.
    identity: what a run must have in common with another one to go on from its checkpoint, a dict
      of JSON values, as `checkpoint.identity` makes it; None where there is no checkpoint.
    first_step: the number of the first step: how many the stages before this one have.
    keep_best: whether the variables are in the end those of the best evaluation, without early
      stopping too. There is then one before the first step, and one whenever eval_step_interval
      steps are done.
    clip_norm: the norm, over all variables, that a longer gradient is scaled down to; 0: none is.
    learning_rate_flag: the flag that learning_rate comes from.
    """

    how_many_training_steps: int
    learning_rate: float
    random_seed: int
    optimizer: str = GRADIENT_DESCENT
    hidden_units: typing.Tuple[int, ...] = ()
    dropout: float = 0
    learning_rate_decay: str = CONSTANT
    warmup_steps: int = 0
    weight_decay: float = 0
    train_batch_size: int = 100
    eval_step_interval: int = 10
    validation_batch_size: int = ALL
    test_batch_size: int = ALL
    early_stopping_steps: int = 0
    final_tensor_name: str = 'final_result'
    summary_interval: int = 0
    summaries_dir: str = ''
    intermediate_store_frequency: int = 0
    intermediate_output_graphs_dir: str = ''
    checkpoint_path: str = ''
    resume: bool = False
    identity: typing.Optional[typing.Dict[str, typing.Any]] = None
    first_step: int = 0
    keep_best: bool = False
    clip_norm: float = 0
    learning_rate_flag: str = 'learning_rate'

    @property
    def end(self):
        """int, how many steps are done after the last one, those of stages before included."""
        return self.first_step + self.how_many_training_steps

    def random_state(self, stream):
        """Returns a numpy RandomState for one use of chance, which an int names."""
        return np.random.RandomState([self.random_seed, stream])

    def evaluates(self, step):
        """Returns whether there is an evaluation after a step (from 0 on)."""
        return step + 1 == self.end or self.evaluates_in_any_run(step)

    def evaluates_in_any_run(self, step):
        """Returns whether there is one there whatever the number of steps."""
        done = step - self.first_step
        return (done + self.keep_best) % self.eval_step_interval == 0


class Retraining(typing.NamedTuple):
    """A retraining: what to train on which network, and where everything is kept.

    distorted_copies: how many distorted copies of each training photo are kept; 0: none, each is
      distorted each time.
    fine_tune_blocks: how many blocks of the network are trained with the head; -1: all of it.
    fine_tune_from: the same, by the node behind which everything is trained, or ''.
    head_training: how the head alone is trained first, on undistorted photos; or None.
    """

    network: Network
    model_dir: str
    bottleneck_dir: str
    distortions: Distortions
    training: Training
    output_graph: str
    output_labels: str
    print_misclassified_test_images: bool
    saved_model_dir: str = ''
    tflite_output_file: str = ''
    tflite_quantization: str = NONE
    onnx_output_file: str = ''
    bad_images: str = bad_images_lib.SKIP
    describe_paths: bool = True
    fine_tune_blocks: int = 0
    fine_tune_from: str = ''
    distorted_copies: int = 0
    head_training: typing.Optional[Training] = None

    @property
    def stages(self):
        """List of the `Training` of each stage."""
        return [each for each in (self.head_training, self.training) if each is not None]


def parse_hidden_units(text):
    """Returns the tuple of int that --hidden_units holds, such as `1024,512`; UserError else."""
    parts = [part.strip() for part in text.split(',')] if text.strip() else []
    if not all(_UNITS.match(part) for part in parts):
        raise UserError(
            '--hidden_units=%s: expected the widths of the hidden layers, separated by commas, '
            'such as 1024,512' % text
        )
    return tuple(int(part) for part in parts)


def steps_of_epoch(photos, batch_size):
    """Returns how many batches it takes to draw as many photos as there are, at least 1."""
    return 1 if batch_size == ALL else max(1, math.ceil(photos / batch_size))


def check(training):
    """Raises UserError if a `Training` makes no sense with any photos."""
    for name in ('train_batch_size', 'test_batch_size', 'validation_batch_size'):
        size = getattr(training, name)
        if size < 1 and size != ALL:
            raise UserError('--%s=%d: expected 1 or more photos, or -1 for all' % (name, size))
    if not training.learning_rate > 0:
        raise UserError(
            '--%s=%g: expected a number above 0, such as 0.01'
            % (training.learning_rate_flag, training.learning_rate)
        )
    if not training.dropout < 1:
        raise UserError('--dropout=%g: expected a fraction below 1, such as 0.2' % training.dropout)
    if training.resume and not training.checkpoint_path:
        raise UserError('--resume needs --checkpoint_path, the file to resume from')
    if not _NODE_NAME.match(training.final_tensor_name):
        raise UserError(
            '--final_tensor_name=%r is not the name of a node: expected letters, digits '
            'and _ . -, with / between parts' % training.final_tensor_name
        )
