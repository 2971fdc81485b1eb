"""One photo as pixels, for programs that run graphs by themselves."""

import functools

from scripts.images import bad_images, runner


def load(path, spec):
    """Returns what a network is fed for a photo: float32 `[1, height, width, channels]`.

    Args:
      path: the photo's.
      spec: a `settings.PixelSpec`.

    Raises:
      UserError: the photo is unreadable.
    """
    ((pixels, _),) = _reader(spec).run([[path]], bad_images.ONLY)
    return pixels


@functools.lru_cache(maxsize=4)
def _reader(spec):
    """Returns a `Runner` that gives pixels; making it takes longer than most photos."""
    return runner.Runner(spec)
