"""Progress: a bar where a terminal shows it, a line every so often where not, or without tqdm."""

import contextlib
import sys
import time

SECONDS_BETWEEN_LINES = 15


class DeadlineError(Exception):
    """Work took longer than `Progress.until` allows."""


class Progress:
    """Counts work done towards a total; used as a context manager.

    Args:
      what: what is being done, such as 'Bottlenecks'.
      total: how many units there are, or None where that is unknown.
      unit: the name of a unit; 'B' is shown with prefixes as bytes.
    """

    _stopping = False
    _deadline = float('inf')
    _tqdm = None  # The class of the bars, once there has been one.

    @classmethod
    def stop_all(cls):
        """Lets the next `advance` of any, and `raise_if_stopped`, raise KeyboardInterrupt."""
        cls._stopping = True

    @classmethod
    def raise_if_stopped(cls):
        """Raises KeyboardInterrupt if `stop_all` was called, DeadlineError if `until` says so."""
        if cls._stopping:
            raise KeyboardInterrupt
        if time.monotonic() >= cls._deadline:
            raise DeadlineError

    @classmethod
    @contextlib.contextmanager
    def until(cls, moment):
        """While the block runs, lets `advance` raise DeadlineError from a moment on.

        Args:
          moment: as time.monotonic counts seconds.
        """
        cls._deadline = moment
        try:
            yield
        finally:
            cls._deadline = float('inf')

    @classmethod
    def write_line(cls, text, stream):
        """Writes a line to a text stream without tearing a bar that is on the terminal."""
        if cls._tqdm is None:
            print(text, file=stream)
        else:
            cls._tqdm.write(text, file=stream)

    def __init__(self, what, total, unit):
        self._what, self._total, self._unit = what, total, unit
        self._done = 0
        self._last_line = time.monotonic()
        self._bar = None

    def __enter__(self):
        if sys.stderr.isatty():
            self._bar = self._new_bar()
        return self

    def _new_bar(self):
        try:
            from tqdm import tqdm  # Late: most of a command's checks end without any progress.
        except ImportError:
            return None
        Progress._tqdm = tqdm
        return tqdm(
            desc=self._what,
            total=self._total,
            unit=self._unit,
            unit_scale=self._unit == 'B',
            leave=False,
            dynamic_ncols=True,
        )

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()

    def advance(self, count):
        """Counts `count` more units as done.

        Raises:
          KeyboardInterrupt: `stop_all` was called.
          DeadlineError: the moment of `until` is over.
        """
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            of_total = ' of %d' % self._total if self._total else ''
            # Not with the results on standard output, which may be read by a program.
            print('%s: %d%s %s' % (self._what, self._done, of_total, self._unit), file=sys.stderr)
        self.raise_if_stopped()
