"""How much the server takes, as settings. No TensorFlow here."""

import typing


class Limits(typing.NamedTuple):
    """What bounds the memory and the time that clients can take.

    body_bytes: of a request.
    bodies_bytes: of all requests at once.
    photos: of a request.
    pixels: of a photo, and of all that are decoded at once.
    scans: of a progressive JPEG; each takes time as the whole photo does. Programs write about 10.
    waiting: photos that wait for the network.
    requests: at once; more are refused.
    connections: at once; more have to wait.
    receive_seconds: for a request to come, from its first byte on.
    idle_seconds: for the next request to begin on a connection.
    answer_seconds: for the work on a request.
    stop_seconds: for the requests at hand, when the server is stopped.
    """

    body_bytes: int = 32 << 20
    bodies_bytes: int = 128 << 20
    photos: int = 128
    pixels: int = 64 * 10**6
    scans: int = 64
    waiting: int = 512
    requests: int = 64
    connections: int = 256
    receive_seconds: float = 20
    idle_seconds: float = 30
    answer_seconds: float = 30
    stop_seconds: float = 2


DEFAULT = Limits()
