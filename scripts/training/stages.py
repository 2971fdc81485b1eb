"""The stages of a retraining: what is trained on which features, one stage after the other."""

import logging
import typing

import numpy as np

from scripts.images.settings import Distortions
from scripts.networks import blocks
from scripts.networks.backbone import Backbone
from scripts.training import checkpoint, tail
from scripts.training.settings import ALL, Retraining

_LOG = logging.getLogger(__name__)


class Stage(typing.NamedTuple):
    """One stage: the head is trained, and what the network has behind a backbone.

    settings: a `Retraining`, with the training and the distortions of this stage.
    backbone: the `Backbone` whose features are trained on.
    """

    settings: Retraining
    backbone: Backbone

    @property
    def training(self):
        """The `settings.Training`."""
        return self.settings.training


def of(settings, backbone, dataset):
    """Returns the list of `Stage`s of a retraining: one, or the head alone and then more.

    Args:
      settings: a `settings.Retraining`.
      backbone: the `Backbone` of its network, up to the bottleneck.
      dataset: the `Dataset`.

    Raises:
      UserError: there is no such boundary, or what is behind it cannot be trained.
    """
    cut = blocks.cut_for(backbone, settings.fine_tune_blocks, settings.fine_tune_from)
    tail.check_gradients(cut)
    identity = checkpoint.identity(settings, cut, dataset)
    stages = [_of_run(settings, settings.training, identity, cut)]
    if settings.head_training is not None:
        undistorted = settings._replace(distortions=Distortions())
        stages.insert(0, _of_run(undistorted, settings.head_training, identity, backbone))
    return stages


def _of_run(settings, training, identity, backbone):
    return Stage(settings._replace(training=training._replace(identity=identity)), backbone)
