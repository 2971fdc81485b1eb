"""How to retrain, as settings. No TensorFlow here: commands check these before it loads."""

import typing

import numpy as np

from scripts.images.settings import Distortions
from scripts.networks.table import Network


class Training(typing.NamedTuple):
    """How to train; the fields are the flags of `scripts.retrain` of the same names.

    The same random_seed repeats a run to the byte.
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

    def random_state(self, stream):
        """Returns a numpy RandomState for one use of chance, which an int names."""
        return np.random.RandomState([self.random_seed, stream])


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
