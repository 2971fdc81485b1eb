"""The C library keeps freed memory, unless a user says how it manages memory."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

pytestmark = [
    pytest.mark.each_tensorflow,
    pytest.mark.skipif(not sys.platform.startswith('linux'), reason='only glibc can keep memory'),
]

# Prints whether memory is said to be kept, and how many MB of 200 are, after they were freed.
_PROGRAM = """
import ctypes, os
from scripts.graphs import memory

def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') >> 20

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
kept, before = memory.keep_freed(), resident()
allocated = ctypes.c_void_p(library.malloc(200 << 20))
ctypes.memset(allocated, 1, 200 << 20)
library.free(allocated)
print(kept, resident() - before)
"""


@pytest.mark.parametrize('given, expected', [({}, True), ({'MALLOC_ARENA_MAX': '2'}, False)])
def test_freed_memory_is_kept(given, expected):
    environment = {name: value for name, value in os.environ.items() if 'MALLOC_' not in name}
    ended = subprocess.run(
        [sys.executable, '-c', _PROGRAM],
        cwd=REPOSITORY,
        env=dict(environment, **given),
        check=True,
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    kept, megabytes = ended.stdout.split()
    assert kept == str(expected)
    assert (int(megabytes) > 150) == expected
