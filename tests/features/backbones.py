"""What the cache asks of a backbone, without a network."""

import typing


class Network(typing.NamedTuple):
    """Whether it is one of the classic script's."""

    classic: bool = True


class Backbone(typing.NamedTuple):
    """A boundary's name, the shape of a photo's features there, a fingerprint, and the network."""

    boundary: str = 'Predictions/Reshape'
    shape: typing.Tuple[int, ...] = (6,)
    fingerprint: str = '5a' * 32
    network: Network = Network()
