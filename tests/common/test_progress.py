"""Progress: a bar on a terminal, lines elsewhere."""

import io
import sys

import pytest

from scripts.common import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stderr', terminal)
    with progress.Progress('Reading', 10, 'photos') as bar:
        bar.advance(10)
    assert 'Reading:   0%' in terminal.getvalue()
    assert '0/10' in terminal.getvalue()


@pytest.mark.parametrize('stream', [io.StringIO, Terminal])
def test_elsewhere_or_without_tqdm_a_line_comes_every_so_often(monkeypatch, stream):
    lines = stream()
    monkeypatch.setitem(sys.modules, 'tqdm', None)
    monkeypatch.setattr(sys, 'stderr', lines)
    monkeypatch.setattr(progress, 'SECONDS_BETWEEN_LINES', 15)
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    with progress.Progress('Reading', 10, 'photos') as bar:
        for _ in range(4):
            now[0] += 5
            bar.advance(2)
    assert lines.getvalue() == 'Reading: 6 of 10 photos\n'


def test_work_ends_when_its_time_is_over(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    with progress.Progress('Reading', 10, 'photos') as bar:
        with pytest.raises(progress.DeadlineError), bar.until(105):
            bar.advance(1)
            now[0] = 105.0
            bar.advance(1)
        bar.advance(1)  # That limit was the block's.
