"""A bound on what several threads take of something at once, such as memory. No TensorFlow here."""

import contextlib
import threading
import time
from http import HTTPStatus

from scripts.serving.answers import RefusedError


class Budget:
    """So much of something.

    Args:
      total: int.
      what: a name for it, for messages.
    """

    def __init__(self, total, what):
        self._left, self._what = total, what
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, amount, seconds=0):
        """Takes an amount while the block runs.

        Args:
          amount: int, at most the total.
          seconds: how long to wait until so much is left.

        Raises:
          RefusedError: so much is not left.
        """
        end = time.monotonic() + seconds
        with self._changed:
            while self._left < amount:
                if not self._changed.wait(max(0, end - time.monotonic())):
                    break
            if self._left < amount:
                raise RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    'the server is busy: too many %s at once; try again later' % self._what,
                )
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()
