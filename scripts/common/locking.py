"""Locks on open files and folders between processes; without effect where the system has none.

Windows has no flock, some file systems do not either. There, writers do not wait for each other
and nobody removes what a killed writer left; each file is still replaced as a whole.
"""

import time

try:
    import fcntl
except ImportError:
    fcntl = None

AVAILABLE = fcntl is not None

_SECONDS_BETWEEN_TRIES = 0.05


def share(handle):
    """Waits for a shared lock on an open file; returns whether the file system gave one."""
    return AVAILABLE and _lock(handle, fcntl.LOCK_SH)


def try_exclusive(handle):
    """Returns whether the exclusive lock on an open file could be taken at once."""
    return AVAILABLE and _lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock(handle, kind):
    try:
        fcntl.flock(handle, kind)
    except OSError:
        return False
    return True


def wait_exclusive(handle, seconds=None):
    """Takes the exclusive lock on an open file.

    Args:
      handle: the file or its descriptor.
      seconds: how long to wait for another process to release it; None: forever.

    Raises:
      BlockingIOError: another process still holds it.
    """
    if not AVAILABLE:
        return
    if seconds is None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise
        time.sleep(_SECONDS_BETWEEN_TRIES)
