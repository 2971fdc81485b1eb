"""What the cache asks of a backbone, without a network."""

import typing


class Backbone(typing.NamedTuple):
    """A boundary's name, the shape of a photo's features there, and a fingerprint."""

    boundary: str = 'Predictions/Reshape'
    shape: typing.Tuple[int, ...] = (6,)
    fingerprint: str = '5a' * 32
