"""How to retrain, as settings. No TensorFlow here: commands check these before it loads."""

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

OPTIMIZERS = GRADIENT_DESCENT, MOMENTUM, ADAM = ('gradient_descent', 'momentum', 'adam')


_NODE_NAME = re.compile(r'[A-Za-z0-9.][A-Za-z0-9_.\-]*(/[A-Za-z0-9_.\-]+)*\Z')


class Training(typing.NamedTuple):
    """How to train; the fields are the flags of `scripts.retrain` of the same names, but for one.

    The same random_seed repeats a run to the byte. A program that calls `fit` need not set what has
    a default here: all photos are evaluated, and no file is written.

    train_batch_size, validation_batch_size, test_batch_size: photos, or ALL.
    summary_interval: steps between summaries of training; 0: no summaries at all.
    early_stopping_steps, intermediate_store_frequency: steps; 0: none.
    identity: what a run must have in common with another one to go on from its checkpoint, a dict
      of JSON values, as `checkpoint.identity` makes it; None where there is no checkpoint.
    """

    how_many_training_steps: int
    learning_rate: float
    random_seed: int
    optimizer: str = GRADIENT_DESCENT
    dropout: float = 0
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

    def random_state(self, stream):
        """Returns a numpy RandomState for one use of chance, which an int names."""
        return np.random.RandomState([self.random_seed, stream])

    def evaluates(self, step):
        """Returns whether there is an evaluation after a step (from 0 on)."""
        return step + 1 == self.how_many_training_steps or self.evaluates_in_any_run(step)

    def evaluates_in_any_run(self, step):
        """Returns whether there is one there whatever the number of steps."""
        return step % self.eval_step_interval == 0


class Retraining(typing.NamedTuple):
    """A retraining: what to train on which network, and where everything is kept."""

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
    bad_images: str = bad_images_lib.SKIP
    describe_paths: bool = True


def check(training):
    """Raises UserError if a `Training` makes no sense with any photos."""
    for name in ('train_batch_size', 'test_batch_size', 'validation_batch_size'):
        size = getattr(training, name)
        if size < 1 and size != ALL:
            raise UserError('--%s=%d: expected 1 or more photos, or -1 for all' % (name, size))
    if not training.learning_rate > 0:
        raise UserError(
            '--learning_rate=%g: expected a number above 0, such as 0.01' % training.learning_rate
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
