"""The stages of a retraining: what is trained on which features, one stage after the other."""

import logging
import typing

import numpy as np

from scripts.graphs import versions
from scripts.images.settings import Distortions
from scripts.networks import blocks
from scripts.networks.backbone import Backbone
from scripts.training import checkpoint
from scripts.training import tail as tail_lib
from scripts.training.settings import ALL, Retraining

# Copies of the parameters: the graph's, the variable, its gradient, its momentum, the best of both,
# and those that are saved.
_COPIES = 8

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
    tail_lib.check_gradients(cut)
    if cut.boundary != backbone.boundary or backbone.network.from_scratch:
        _announce(settings.training, backbone, cut, len(dataset.photos))
    identity = checkpoint.identity(settings, cut, dataset)
    stages = [_of_run(settings, settings.training, identity, cut)]
    if settings.head_training is not None:
        undistorted = settings._replace(distortions=Distortions())
        stages.insert(0, _of_run(undistorted, settings.head_training, identity, backbone))
    return stages


def _of_run(settings, training, identity, backbone):
    return Stage(settings._replace(training=training._replace(identity=identity)), backbone)


def _announce(training, backbone, cut, photos):
    """Says in one line what of the network is trained, and what that takes."""
    tail = tail_lib.find(cut)
    _LOG.info(
        '%s: %s parameters; %s; about %s of memory',
        _what_is_trained(backbone, cut),
        f'{tail.parameters:,}',
        _what_is_kept(backbone, cut, photos),
        _in_bytes(_memory(training, tail, photos)),
    )


def _what_is_trained(backbone, cut):
    if backbone.network.from_scratch:
        return 'Training %s from random weights' % backbone.network.name
    names = blocks.boundaries(backbone)
    if cut.boundary not in names:
        return 'Fine-tuning all of %s' % backbone.network.name
    count = len(names) + 1
    behind = count - 1 - names.index(cut.boundary)
    return 'Fine-tuning %d of %d blocks, behind %s' % (behind, count, cut.boundary)


def _what_is_kept(backbone, cut, photos):
    """Returns a text on what is kept of so many photos, and how large it is."""
    shape = ' x '.join(map(str, cut.shape))
    if cut.boundary == backbone.network.input_name:  # Its size is that of the photos.
        return 'pixels of %s, made of decoded photos' % shape
    photo = 4 * int(np.prod(cut.shape))
    return 'features of %s (%s a photo, %s in all)' % (
        shape,
        _in_bytes(photo),
        _in_bytes(photo * photos),
    )


def _memory(training, tail, photos):
    """Returns how many bytes training takes, by and large.

    Measured for one to four blocks of mobilenet_1.0_224: from 2% below to 26% above what they took.
    """
    batch = photos if training.train_batch_size == ALL else training.train_batch_size
    of_values = 4 * tail.parameters * _COPIES
    return versions.BYTES_OF_PROGRAM + of_values + batch * tail.bytes_a_photo


def _in_bytes(count):
    """Returns a number of bytes as a text of two digits."""
    for unit, size in (('GB', 1e9), ('MB', 1e6)):
        if count >= size:
            return '%.*f %s' % (count < 10 * size, count / size, unit)
    return '%.0f kB' % (count / 1e3)
