"""Runs one trial: a retraining that is judged by all validation photos, and not tested."""

import hashlib
import os
import time
import typing

import numpy as np

from scripts.common.errors import UserError
from scripts.dataset import split
from scripts.images import runner
from scripts.networks import backbone as backbone_lib
from scripts.networks import blocks
from scripts.searching import judging
from scripts.training import evaluating, retraining, tail


class Outcome(typing.NamedTuple):
    """What a trial gives.

    losses: what it is judged by, as `judging.losses`, of all validation photos.
    accuracy: 0 to 1, of the same.
    seconds: how long it took.
    seconds_a_step: of the last stage, evaluations included; None where that is unknown.
    is_pruned: whether it was ended early.
    """

    losses: np.ndarray
    accuracy: float
    seconds: float
    seconds_a_step: typing.Optional[float]
    is_pruned: bool


class Trials:
    """Runs trials, which share the networks and the features that they need.

    Args:
      settings_of: takes the flags of retrain, a dict, and returns the `Retraining`.
      dataset: the `Dataset`.
      folder: where the variables of trials are kept.
    """

    def __init__(self, settings_of, dataset, folder):
        self._settings_of, self._dataset, self._folder = settings_of, dataset, folder
        self._backbones, self._blocks, self._examples = {}, {}, {}

    def backbone(self, architecture):
        """Returns the `Backbone` of a network; raises UserError where it cannot be had."""
        if architecture not in self._backbones:
            settings = self._settings_of({'architecture': architecture})
            self._backbones[architecture] = backbone_lib.load(settings.network, settings.model_dir)
        return self._backbones[architecture]

    def block_count(self, architecture):
        """Returns how many blocks a network has that can be trained."""
        if architecture not in self._blocks:
            found = blocks.boundaries(self.backbone(architecture))
            self._blocks[architecture] = len(found) + 1
        return self._blocks[architecture]

    def seconds_a_photo(self, architecture):
        """Returns how long a network takes for a photo in a batch, decoding included."""
        backbone = self.backbone(architecture)
        paths = [photo.path for photo in self._dataset.photos[: runner.BATCH_SIZE]]
        paths = (paths * runner.BATCH_SIZE)[: runner.BATCH_SIZE]

        def build(pixels_tensor):
            return backbone_lib.import_into_graph(backbone, pixels_tensor)

        with runner.Runner(backbone.network.pixels, build) as network:
            for _ in range(2):  # The first time, memory is allocated and kernels are chosen.
                begin = time.monotonic()
                list(network.run([paths]))
            return (time.monotonic() - begin) / len(paths)

    def numbers_a_photo(self, architecture):
        """Returns how much a network computes, roughly: bytes of its activations for a photo."""
        return tail.find(blocks.cut_for(self.backbone(architecture), blocks.ALL)).bytes_a_photo

    def checkpoint_path(self, flags):
        """Returns where the variables of a trial of these flags are kept."""
        name = hashlib.blake2b(repr(sorted(flags.items())).encode('utf-8'), digest_size=8)
        return os.path.join(self._folder, name.hexdigest() + '.npz')

    def run(self, flags, on_evaluation=None):
        """Trains as the flags of retrain say, or goes on where an earlier run was stopped.

        Args:
          flags: a dict from name to value.
          on_evaluation: takes the fraction of the trial that is done, and the `fit.Measured` of
            validation photos; where it returns true, the trial ends there. Or None.

        Returns:
          An `Outcome`.

        Raises:
          UserError: it cannot be run, or diverged.
        """
        begin = time.monotonic()
        path = self.checkpoint_path(flags)
        settings = self._settings_of(dict(flags, checkpoint_path=path, resume=True))
        training, watch = settings.training, _Watch()

        def on_each(evaluation):
            watch.look(evaluation.step)
            done = (evaluation.step + 1 - training.first_step) / training.how_many_training_steps
            return on_evaluation is not None and on_evaluation(done, evaluation.validation)

        backbone = self.backbone(flags['architecture'])
        with retraining.trained(
            settings, backbone, self._dataset, self._examples_of, on_each
        ) as ready:
            examples = ready.examples[split.VALIDATION]
            rows = np.arange(len(examples.labels))
            if not len(rows):
                raise UserError(
                    'all validation photos are unreadable, and trials are judged by them: replace '
                    'them, or raise --validation_percentage'
                )
            result = evaluating.evaluate(ready.model, examples, rows)
            is_pruned = ready.history.stopped_early
        return Outcome(
            judging.losses(result.scores, examples.labels),
            result.accuracy,
            time.monotonic() - begin,
            watch.seconds_a_step(),
            is_pruned,
        )

    def forget(self, flags):
        """Deletes the variables of a trial."""
        path = self.checkpoint_path(flags)
        if os.path.exists(path):
            os.remove(path)

    def _examples_of(self, settings, backbone, dataset):
        """Returns what `retraining.compute_examples` does, of each kind once."""
        key = backbone.fingerprint, settings.distortions, settings.distorted_copies
        if not settings.distortions.wanted():
            key = backbone.fingerprint
        if key not in self._examples:
            self._examples[key] = retraining.compute_examples(settings, backbone, dataset)
        return self._examples[key]


class _Watch:
    """Times steps, from one evaluation to another."""

    def __init__(self):
        self._first = self._last = None

    def look(self, step):
        """Takes in that the evaluation after a step is done."""
        self._last = step, time.monotonic()
        self._first = self._first or self._last

    def seconds_a_step(self):
        """Returns how long a step took, or None where there was no more than one look."""
        if self._first is None or self._first[0] == self._last[0]:
            return None
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])
