"""Limits of the system (disk space, file size, memory), and what to say when memory runs out."""

import re
import shutil

from scripts.common import paths

try:
    import resource
except ImportError:  # Windows.
    resource = None

# TensorFlow alone maps 1.5 GB. Below this limit, what cannot be allocated makes it fail in many
# ways that do not mention memory.
_TIGHT_MEMORY = 4 << 30
_NO_MEMORY = re.compile(
    r'bad_alloc|out of memory|OOM|annot allocate|failed to map|mmap error|Memory allocation'
    r'|Resource temporarily unavailable'
)


def free_bytes(folder):
    """Returns the free space, in bytes, where `folder` is or would be created."""
    return shutil.disk_usage(paths.nearest_existing(folder)).free


def size_limit():
    """Returns how large a file may become, in bytes (ulimit -f), or infinity."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0] if resource else -1
    return limit if limit >= 0 else float('inf')


def memory_limit():
    """Returns how much memory a process may map, in bytes (ulimit -v), or infinity."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    return limit if limit >= 0 else float('inf')


def explain_memory(stderr='', error=None):
    """Returns a message if memory ran out, or probably did; otherwise None.

    Args:
      stderr: what libraries wrote last.
      error: the exception that ended the work.
    """
    limit = memory_limit()
    is_certain = isinstance(error, MemoryError) or _NO_MEMORY.search('%s %s' % (stderr, error))
    if not is_certain and limit > _TIGHT_MEMORY:
        return None
    words = 'out of memory' if is_certain else 'probably out of memory'
    if limit < float('inf'):
        words += ': the limit is %s MB (ulimit -v); raise it' % format(limit // 10**6, ',')
    if error is not None and str(error):
        words += ' (%s: %s)' % (type(error).__name__, error)
    return words
