"""How pixels are made, as settings. No TensorFlow here: commands check these before it loads."""

import math
import typing

from scripts.common.errors import UserError

IGNORE, APPLY = EXIF_ROTATIONS = ('ignore', 'apply')
EXACT, FAST = DECODINGS = ('exact', 'fast')

GREY, RGB = 1, 3  # Channels.


Channels = typing.Union[float, typing.Tuple[float, float, float]]


class PixelSpec(typing.NamedTuple):
    """What a network is fed: `(pixel - mean) / std` at `height` x `width`, float32.

    mean, std: one number, or one for each of red, green and blue.
    exif_rotation: APPLY where a JPEG is turned first as its EXIF asks, else IGNORE.
    channels: RGB or GREY.
    decode: FAST where a JPEG is decoded at a part of its size if that is enough, else EXACT.
    """

    height: int
    width: int
    mean: Channels
    std: Channels
    exif_rotation: str = IGNORE
    channels: int = RGB
    decode: str = EXACT

    @property
    def enough(self):
        """The (height, width) that a decoded photo has to have at least; None: its own."""
        if self.decode == EXACT:
            return None
        longer = max(self.height, self.width)
        return (longer, longer) if self.exif_rotation == APPLY else (self.height, self.width)


class Distortions(typing.NamedTuple):
    """Which distortions of training photos are wanted; all but the first in percent.

    flip_left_right: half of the photos are mirrored.
    random_crop: how much larger than the network's input a photo is before it is cropped.
    random_scale: up to how much larger again it is.
    random_brightness: up to how much its pixels are multiplied up or down.
    """

    flip_left_right: bool = False
    random_crop: int = 0
    random_scale: int = 0
    random_brightness: int = 0

    def wanted(self):
        """Returns whether there is anything to do."""
        return any(self)

    def enlarged(self, spec):
        """Returns a `PixelSpec` with the largest size that a photo is scaled to before the crop."""
        scale = (1.0 + self.random_crop / 100.0) * (1.0 + self.random_scale / 100.0)
        return spec._replace(
            height=math.ceil(spec.height * scale), width=math.ceil(spec.width * scale)
        )


def check_std(std):
    """Raises UserError if pixels cannot be divided by a std: a number, three, or None."""
    if 0 in (std if isinstance(std, tuple) else (std,)):
        raise UserError('--input_std=0: pixels are divided by it; expected a number such as 127.5')


def check_channels(spec):
    """Raises UserError if a `PixelSpec` has numbers for channels that it does not have."""
    if spec.channels == GREY and (isinstance(spec.mean, tuple) or isinstance(spec.std, tuple)):
        raise UserError(
            '--input_mean and --input_std have three numbers, and the network takes grey pixels: '
            'give one'
        )


class Copying(typing.NamedTuple):
    """How many distorted copies of each photo there are, and how they are distorted."""

    distortions: Distortions
    copies: int
