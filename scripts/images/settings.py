"""How pixels are made, as settings. No TensorFlow here: commands check these before it loads."""

import typing

IGNORE, APPLY = EXIF_ROTATIONS = ('ignore', 'apply')


class PixelSpec(typing.NamedTuple):
    """What a network is fed: `(pixel - mean) / std` at `height` x `width`, RGB, float32.

    mean, std: one number, or one for each of red, green and blue.
    exif_rotation: APPLY where a JPEG is turned first as its EXIF asks, else IGNORE.
    """

    height: int
    width: int
    mean: typing.Union[float, typing.Tuple[float, float, float]]
    std: typing.Union[float, typing.Tuple[float, float, float]]
    exif_rotation: str = IGNORE


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
