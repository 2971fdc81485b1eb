"""Tries all faults in full, and writes the table of them into SECURITY.md.

  python -m tests.robustness

Takes 20 to 25 minutes; the tests try a tenth to a fortieth of each.
"""

import os
import platform
import sys
import time
from concurrent import futures

import tensorflow.compat.v1 as tf

from scripts.common import files
from tests.conftest import REPOSITORY
from tests.robustness import test_cache, test_disk, test_fuzz, test_guided, test_kills
from tests.robustness.bench import SEED

_BEGIN, _END = '<!-- faults: begin -->', '<!-- faults: end -->'
_TITLE = '# Security\n\n## Faults tried\n\n'


def main():
    start = time.monotonic()
    with futures.ProcessPoolExecutor(2) as pool:
        halves = [pool.submit(_faults), pool.submit(_fuzz)]
        rows = [row for half in halves for row in half.result()]
    minutes = (time.monotonic() - start) / 60
    lines = [
        'Made by `python -m tests.robustness`, seed %d, in %d minutes, with Python %s and '
        'TensorFlow %s:' % (SEED, minutes, platform.python_version(), tf.VERSION),
        '',
        '| fault | tried | ended |',
        '|---|---|---|',
    ] + ['| %s | %d | %s |' % row for row in rows]
    _write('\n'.join(lines))


def _fuzz():
    rows = []
    for name in test_fuzz.READERS:
        rows += _shown(test_fuzz.tried(name, test_fuzz.FULL))
    for name in test_guided.READERS:
        rows += _shown(test_guided.tried(name, test_guided.FULL))
    return rows


def _faults():
    rows = _shown(test_disk.tried(test_disk.POINTS))
    rows += _shown(test_cache.together(test_cache.ROUNDS))
    rows += _shown(test_cache.corrupted(test_cache.CORRUPTIONS))
    return rows + _shown(test_kills.tried(test_kills.FULL))


def _shown(rows):
    for row in rows:
        print('| %s | %d | %s |' % row)
    sys.stdout.flush()
    return rows


def _write(table):
    path = os.path.join(REPOSITORY, 'SECURITY.md')
    text = _TITLE + _BEGIN + _END + '\n'
    if os.path.exists(path):
        text = files.read(path, 'text').decode('utf-8')
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    text = '%s%s\n%s\n%s%s' % (before, _BEGIN, table, _END, after)
    files.write(path, text.encode('utf-8'))


if __name__ == '__main__':
    main()
