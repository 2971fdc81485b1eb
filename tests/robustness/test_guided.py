"""Inputs that are made up with an eye on the code: read, or refused in one line."""

import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.robustness import bench
from tests.robustness.bench import SEED, Row

FULL = 200000

# The names in guided.py, which is not imported: that would take the readers here apart, too.
READERS = {
    'photo': 'what is wrong with a photo',
    'store': 'the store of features',
    'labels': 'the labels reader',
    'archive': 'the archive reader',
}
_HANG_SECONDS = 5
_MEMORY_MB = 2048  # Of which atheris takes 60 under Python 3.7, and 1,100 under 3.13.


def tried(name, count, seed=SEED):
    """Feeds a reader `count` inputs; returns rows. AssertionError: with what went wrong."""
    flags = [
        '-runs=%d' % count,
        '-seed=%d' % seed,
        '-timeout=%d' % _HANG_SECONDS,
        '-rss_limit_mb=%d' % _MEMORY_MB,
    ]
    with bench.folder_in_memory() as folder:
        process = subprocess.run(
            [sys.executable, '-m', 'tests.robustness.guided', name, folder] + flags,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    printed = process.stdout.decode('utf-8', 'replace')
    done = re.search(r'^Done (\d+) runs', printed, re.MULTILINE)
    assert process.returncode == 0 and done, printed[-3000:]
    ending = 'no traceback; none took %d s or %d MB' % (_HANG_SECONDS, _MEMORY_MB)
    return [Row('fuzz by atheris: ' + READERS[name], int(done.group(1)), ending)]


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize('name', READERS)
def test_made_up_input_is_read_or_refused(name, show_rows):
    pytest.importorskip('atheris', reason='atheris is not installed: it has no package for this')
    show_rows(tried(name, FULL // 20))
