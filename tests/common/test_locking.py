"""Locks between processes."""

import pytest

from scripts.common import locking


@pytest.fixture
def two(tmp_path):
    """Two open files, each with locks of its own, of one file."""
    path = str(tmp_path / 'file')
    with open(path, 'wb') as one, open(path, 'wb') as other:
        yield one, other


def test_an_exclusive_lock_is_held_by_one(two):
    one, other = two
    assert locking.try_exclusive(one) and not locking.try_exclusive(other)
    with pytest.raises(BlockingIOError):
        locking.wait_exclusive(other, 0.01)
    one.close()
    locking.wait_exclusive(other, 0.01)


def test_a_shared_lock_is_held_by_several(two):
    one, other = two
    assert locking.share(one) and locking.share(other)
    assert not locking.try_exclusive(one)


def test_without_locks_nobody_waits(two, monkeypatch):
    one, other = two
    assert locking.try_exclusive(one)
    monkeypatch.setattr(locking, 'AVAILABLE', False)
    locking.wait_exclusive(other)
    assert not locking.share(other) and not locking.try_exclusive(other)
