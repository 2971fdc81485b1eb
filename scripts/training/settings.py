"""How to retrain, as settings. No TensorFlow here: commands check these before it loads."""

import typing

import numpy as np

from scripts.images import bad_images as bad_images_lib
from scripts.images.settings import Distortions
from scripts.networks.registry import Network

ALL = -1  # As a batch size: every photo of the category.

# Each use of chance draws from a stream of its own: evaluating more often, say, trains the same.
TRAINING_STREAM, VALIDATION_STREAM, TEST_STREAM, DISTORTION_STREAM = range(4)

OPTIMIZERS = GRADIENT_DESCENT, MOMENTUM, ADAM = ('gradient_descent', 'momentum', 'adam')


class Training(typing.NamedTuple):
    """How to train; the fields are the flags of `scripts.retrain` of the same names, but for one.

    The same random_seed repeats a run to the byte.

    summary_interval: steps between summaries of training; 0: no summaries at all.
    identity: what a run must have in common with another one to go on from its checkpoint, a dict
      of JSON values, as `checkpoint.identity` makes it; None where there is no checkpoint.
    """

    how_many_training_steps: int
    learning_rate: float
    eval_step_interval: int
    train_batch_size: int
    validation_batch_size: int
    test_batch_size: int
    final_tensor_name: str
    summaries_dir: str
    intermediate_output_graphs_dir: str
    intermediate_store_frequency: int
    random_seed: int
    optimizer: str = GRADIENT_DESCENT
    dropout: float = 0
    early_stopping_steps: int = 0
    checkpoint_path: str = ''
    resume: bool = False
    summary_interval: int = 1
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
    """A whole retraining: what to train on which network, and where everything is kept."""

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
