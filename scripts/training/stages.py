"""The stages of a retraining: which part of the network is trained, one stage after the other."""

import logging
import typing

from scripts.images.settings import Distortions
from scripts.networks import backbone as backbone_lib
from scripts.networks.backbone import Backbone
from scripts.training import checkpoint
from scripts.training.settings import Retraining

_LOG = logging.getLogger(__name__)


class Stage(typing.NamedTuple):
    """One stage: the network behind a backbone is trained, and the head.

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
    cut = (
        backbone_lib.cut(backbone, settings.fine_tune_from) if settings.fine_tune_from else backbone
    )
    identity = checkpoint.identity(settings, cut, dataset)
    head = settings.head_training
    stages = [Stage(settings._replace(training=_of_run(settings.training, identity)), cut)]
    if head is not None:
        settings = settings._replace(training=_of_run(head, identity), distortions=Distortions())
        stages.insert(0, Stage(settings, backbone))
    return stages


def _of_run(training, identity):
    return training._replace(identity=identity)
