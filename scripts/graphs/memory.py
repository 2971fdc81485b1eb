"""How the C library manages the memory of layers."""

import ctypes
import os
import sys

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8

_LARGEST_INT = (1 << 31) - 1


def keep_freed():
    """Lets the C library keep the memory that is freed, for what comes next.

    A layer of a batch may take 100 MB. glibc maps so much anew each time, and the kernel fills it
    with zeros: under TensorFlow 1.15, that is a quarter of the processor time of a large network.
    Kept memory can only be used again by all threads where they share one arena.

    Returns:
      Whether the C library does: only glibc can, and variables MALLOC_* that a user sets win.
    """
    if not sys.platform.startswith('linux'):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None or any(name.startswith('MALLOC_') for name in os.environ):
        return False
    settings = {_M_ARENA_MAX: 1, _M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _LARGEST_INT}
    return all(mallopt(*setting) for setting in settings.items())
