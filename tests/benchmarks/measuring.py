"""Measurements that take turns, in rounds: on a shared machine only ratios within a run count."""

import json
import os
import platform
import subprocess
import sys
import time
import typing

import numpy as np
import PIL
import tensorflow.compat.v1 as tf


def rounds(measures, count):
    """Calls each of the measures `count` times, taking turns.

    Args:
      measures: a dict from a name to a function that returns seconds.
      count: int.

    Returns:
      A dict from the names to the medians.
    """
    seconds = {name: [] for name in measures}
    for number in range(count):
        for name, measure in measures.items():
            seconds[name].append(measure())
            print('%d  %-45s %.6f' % (number + 1, name, seconds[name][-1]), file=sys.stderr)
    return {name: float(np.median(each)) for name, each in seconds.items()}


def timed(function, *arguments):
    """Returns how many seconds a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def command(*arguments, **options):
    """Returns how many seconds this Python takes for a command, from start to end."""
    status = options.pop('status', 0)
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable] + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    seconds = time.perf_counter() - start
    if run.returncode != status:
        raise RuntimeError('%s: %s' % (arguments, run.stderr.decode()[-2000:]))
    return seconds


def machine():
    """Returns a dict that tells what the figures were taken on."""
    model = platform.processor()
    if os.path.exists('/proc/cpuinfo'):
        with open('/proc/cpuinfo') as file:
            names = [line.split(':')[1].strip() for line in file if line.startswith('model name')]
        model = names[0] if names else model
    return {
        'processor': model,
        'cores': os.cpu_count(),
        'system': platform.platform(),
        'python': platform.python_version(),
        'tensorflow': tf.VERSION,
        'numpy': np.__version__,
        'pillow': PIL.__version__,
    }


class Row(typing.NamedTuple):
    """One line of the result: the seconds of ours, of the classic way, and of the bound."""

    name: str
    unit: str
    ours: float
    classic: typing.Optional[float] = None
    bound: typing.Optional[float] = None


def table(rows):
    """Returns rows as a table in Markdown."""
    lines = ['| | ours | the classic way | bound | times faster | of the bound |']
    lines.append('|---|---|---|---|---|---|')
    for row in rows:
        cells = [row.name, _time(row.ours, row.unit)]
        cells += [_time(each, row.unit) if each else '' for each in (row.classic, row.bound)]
        cells.append('%.1f' % (row.classic / row.ours) if row.classic else '')
        cells.append('%.0f%%' % (100 * row.bound / row.ours) if row.bound else '')
        lines.append('| %s |' % ' | '.join(cells))
    return '\n'.join(lines)


def write_json(path, medians, rows):
    """Writes all figures: the machine, the medians in seconds, and the rows."""
    result = {
        'machine': machine(),
        'median_seconds': medians,
        'rows': [row._asdict() for row in rows],
    }
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(result, file, indent=2)
        file.write('\n')


def _time(seconds, unit):
    if unit == 'photos/s':
        return '%.0f photos/s' % (1 / seconds)
    return '%.2f ms' % (seconds * 1e3) if unit == 'ms' else '%.2f s' % seconds
