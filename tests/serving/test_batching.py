"""Batches of what comes at once."""

import threading
import time

import pytest

from scripts.serving.answers import RefusedError
from scripts.serving.batching import Batcher

pytestmark = pytest.mark.once


class Doubler:
    """Doubles numbers; the batches that it got are in `batches`. It waits for `go` each time."""

    def __init__(self):
        self.batches, self.go, self.begun = [], threading.Event(), threading.Semaphore(0)

    def __call__(self, items):
        self.begun.release()
        assert self.go.wait(20)
        self.batches.append(items)
        if 13 in items:
            raise ValueError('13')
        return [2 * item for item in items]


@pytest.fixture
def doubler():
    return Doubler()


@pytest.fixture
def batcher(doubler):
    batcher = Batcher(doubler, 4, 10)
    yield batcher
    doubler.go.set()
    batcher.close()


def in_threads(batcher, lists):
    """Returns threads that ask for lists, and a dict that gets what they are given."""
    found = {}

    def ask(number, items):
        try:
            found[number] = batcher.run_all(items, 20)
        except (RefusedError, ValueError) as error:
            found[number] = error

    threads = [threading.Thread(target=ask, args=each) for each in enumerate(lists)]
    for each in threads:
        each.start()
    return threads, found


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end


def test_what_waits_while_a_batch_runs_is_the_next_one(doubler, batcher):
    first, found = in_threads(batcher, [[1]])
    assert doubler.begun.acquire(timeout=20)
    threads, others = in_threads(batcher, [[2, 3], [4], [5, 6]])
    until(lambda: len(batcher._waiting) == 5)
    doubler.go.set()
    for each in first + threads:
        each.join()
    assert found == {0: [2]} and others == {0: [4, 6], 1: [8], 2: [10, 12]}
    assert [len(each) for each in doubler.batches] == [1, 4, 1]


def test_an_error_goes_to_all_of_its_batch_and_to_no_other(doubler, batcher):
    doubler.go.set()
    with pytest.raises(ValueError, match='13'):
        batcher.run_all([1, 13], 20)
    assert batcher.run_all([7], 20) == [14]


def test_too_many_are_refused_at_once(doubler, batcher):
    threads, _ = in_threads(batcher, [[1]])
    assert doubler.begun.acquire(timeout=20)
    with pytest.raises(RefusedError, match='busy') as caught:
        batcher.run_all(list(range(11)), 20)
    assert caught.value.status == 503
    doubler.go.set()
    threads[0].join()


def test_what_takes_too_long_is_given_up_and_not_run(doubler, batcher):
    threads, _ = in_threads(batcher, [[1]])
    assert doubler.begun.acquire(timeout=20)
    with pytest.raises(RefusedError, match='within 0.05 seconds') as caught:
        batcher.run_all([2], 0.05)
    assert caught.value.status == 504
    doubler.go.set()
    threads[0].join()
    assert batcher.run_all([3], 20) == [6]
    assert doubler.batches == [[1], [3]]


def test_it_waits_for_as_many_as_were_just_answered(doubler):
    doubler.go.set()
    batcher = Batcher(doubler, 4, 10)
    batcher.patience = 1e9
    assert batcher.run_all([1, 2], 20) == [2, 4] and doubler.begun.acquire(timeout=20)
    threads, found = in_threads(batcher, [[3]])
    assert not doubler.begun.acquire(timeout=0.1)
    assert batcher.run_all([4], 20) == [8]
    threads[0].join()
    assert found == {0: [6]} and doubler.batches == [[1, 2], [3, 4]]
    batcher.close()


def test_it_does_not_wait_for_long(doubler):
    doubler.go.set()
    batcher = Batcher(doubler, 4, 10)
    batcher.patience = 1
    assert batcher.run_all([1, 2], 20) == [2, 4]
    assert batcher.run_all([3], 20) == [6]  # Of two, one asks no more.
    batcher.close()


def test_closing_waits_for_nobody(doubler):
    doubler.go.set()
    batcher = Batcher(doubler, 4, 10)
    batcher.patience = 1e9
    batcher.run_all([1, 2], 20)
    in_threads(batcher, [[3]])
    until(lambda: batcher._waiting)
    batcher.close()
