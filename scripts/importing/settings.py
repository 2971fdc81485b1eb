"""What an import is told, and what it gives. No TensorFlow here."""

import typing

from scripts.images.settings import Channels

DEFAULT_SIZE = 224  # Of images, in pixels, where nothing says another.
# What a SavedModel that is made of a Keras model calls its input and output.
INPUT, OUTPUT = 'input', 'output'

RGB, BGR = CHANNEL_ORDERS = ('rgb', 'bgr')


class Pixels(typing.NamedTuple):
    """How the source is fed; what is None is not given, or not known yet.

    height, width: of its input.
    mean, std: one number, or one for each of red, green and blue.
    channel_order: RGB, or BGR where the source takes blue first.
    """

    height: typing.Optional[int] = None
    width: typing.Optional[int] = None
    mean: typing.Optional[Channels] = None
    std: typing.Optional[Channels] = None
    channel_order: typing.Optional[str] = None


class Nodes(typing.NamedTuple):
    """Which parts of the source are meant; None: the only ones.

    input: a node, or what a signature or a Keras model calls its input.
    output: likewise; of a Keras model, a layer.
    bottleneck: a node of the imported graph.
    signature: of a SavedModel.
    """

    input: typing.Optional[str] = None
    output: typing.Optional[str] = None
    bottleneck: typing.Optional[str] = None
    signature: typing.Optional[str] = None


class Preprocessing(typing.NamedTuple):
    """A mean and std, and where these numbers are from, for a message."""

    mean: Channels
    std: Channels
    origin: str


# Where nothing is known. Modules of TensorFlow Hub take values from 0 to 1 by convention.
FROM_MINUS_ONE = Preprocessing(127.5, 127.5, 'the default, to -1..1')
FROM_ZERO = Preprocessing(0.0, 255.0, 'the default of SavedModels, to 0..1')
AS_THEY_ARE = Preprocessing(0.0, 1.0, 'none, the model rescales itself')


def completed(pixels, preprocessing):
    """Returns `Pixels` whose mean, std and channel order are given, else those of a source."""
    return pixels._replace(
        mean=preprocessing.mean if pixels.mean is None else pixels.mean,
        std=preprocessing.std if pixels.std is None else pixels.std,
        channel_order=pixels.channel_order or RGB,
    )


def is_fed_as_flags_say(pixels):
    """Returns whether flags say, in `Pixels`, more of the preprocessing than the size."""
    return any(each is not None for each in (pixels.mean, pixels.std, pixels.channel_order))


def origin(pixels, preprocessing):
    """Returns where the preprocessing is from, for a message."""
    return 'as the flags say' if is_fed_as_flags_say(pixels) else preprocessing.origin


class KerasResult(typing.NamedTuple):
    """What a Keras model was built with.

    pixels: complete `Pixels`.
    channels: 1 or 3.
    origin: where the preprocessing is from, for a message.
    """

    pixels: Pixels
    channels: int
    origin: str
