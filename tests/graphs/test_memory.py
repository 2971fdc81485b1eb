"""Under TensorFlow 1.15 glibc keeps freed memory, unless a user says how it manages memory."""

import ctypes
import os
import subprocess
import sys
import types

import pytest
import tensorflow.compat.v1 as tf

from scripts.graphs import memory
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.each_tensorflow

# Prints how many MB of 200 are kept after they were freed.
_PROGRAM = """
import ctypes, os
import scripts.graphs

def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') >> 20

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
before = resident()
allocated = ctypes.c_void_p(library.malloc(200 << 20))
ctypes.memset(allocated, 1, 200 << 20)
library.free(allocated)
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='only glibc can keep memory')
@pytest.mark.parametrize('given', [{}, {'MALLOC_ARENA_MAX': '2'}])
def test_freed_memory_is_kept(given):
    environment = {name: value for name, value in os.environ.items() if 'MALLOC_' not in name}
    ended = subprocess.run(
        [sys.executable, '-c', _PROGRAM],
        cwd=REPOSITORY,
        env=dict(environment, **given),
        check=True,
        stdout=subprocess.PIPE,
    )
    is_kept = tf.VERSION.startswith('1.') and not given
    assert (int(ended.stdout) > 150) == is_kept


def test_systems_without_glibc_are_left_alone(monkeypatch):
    for name in [name for name in os.environ if name.startswith('MALLOC_')]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, 'platform', 'darwin')
    assert not memory.keep_freed()
    monkeypatch.setattr(sys, 'platform', 'linux')
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: types.SimpleNamespace())  # As with musl.
    assert not memory.keep_freed()
