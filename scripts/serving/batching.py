"""Batches of what several threads ask for at once. No TensorFlow here."""

import collections
import threading
import time
from concurrent import futures
from http import HTTPStatus

from scripts.serving.answers import RefusedError


class Batcher:
    """Runs a function on what is waiting, as soon as it is free; closed by `close`.

    What comes alone is run alone, and what comes while the function runs is the next batch. Clients
    whose answers were just given may ask again at once: so that they do not fall into ever smaller
    batches, it waits for as many as they were, a fraction of the time that their batch took.

    Args:
      run: takes a list, returns a list of as many results.
      size: of a batch, at most.
      most_waiting: int.
      at_once: how many batches run at once; several threads call `run` then.

    patience: that fraction.
    """

    def __init__(self, run, size, most_waiting, at_once=1):
        self._run, self._size, self._most_waiting = run, size, most_waiting
        self._waiting = collections.deque()
        self._changed = threading.Condition()
        self._closed, self.patience = False, 0.3
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(at_once)]
        for each in self._threads:
            each.start()

    def close(self):
        """Ends the threads, after the batches that they run."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for each in self._threads:
            each.join()

    def run_all(self, items, seconds):
        """Returns the results of `run` for a list of items, which may be of several batches.

        Args:
          items: list.
          seconds: how long to wait at most.

        Raises:
          RefusedError: too many are waiting, or it takes too long.
          Exception: what `run` raised.
        """
        asked = self._ask(items)
        done, late = futures.wait(asked, seconds, futures.FIRST_EXCEPTION)
        if late and not any(each.exception() for each in done):
            for each in late:
                each.cancel()
            raise RefusedError(
                HTTPStatus.GATEWAY_TIMEOUT,
                'no answer within %g seconds: send fewer photos, or try again later' % seconds,
            )
        return [each.result() for each in asked]

    def _ask(self, items):
        asked = [futures.Future() for _ in items]
        with self._changed:
            if len(self._waiting) + len(items) > self._most_waiting:
                raise RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    'the server is busy: %d photos are waiting; try again later'
                    % len(self._waiting),
                )
            self._waiting.extend(zip(items, asked))
            self._changed.notify()
        return asked

    def _work(self):
        last_count, patient_until = 0, 0.0
        while True:
            with self._changed:
                while not (self._waiting or self._closed):
                    self._changed.wait()
                while len(self._waiting) < last_count and not self._closed:
                    if not self._changed.wait(max(0, patient_until - time.monotonic())):
                        break
                if self._closed:
                    return
                count = min(self._size, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(count)]
            batch = [each for each in batch if each[1].set_running_or_notify_cancel()]
            begin = time.monotonic()
            if batch:
                self._finish([item for item, _ in batch], [asked for _, asked in batch])
            end = time.monotonic()
            last_count, patient_until = len(batch), end + self.patience * (end - begin)

    def _finish(self, items, asked):
        try:
            results = self._run(items)
        except Exception as error:  # It is raised in the threads that asked.
            for each in asked:
                each.set_exception(error)
        else:
            for each, result in zip(asked, results):
                each.set_result(result)
