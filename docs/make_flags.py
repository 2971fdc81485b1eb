"""Writes flags.md: all flags of all commands, from the flags themselves.

python -m docs.make_flags
"""

import importlib
import os

from scripts.common import flag_help

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'flags.md')

COMMANDS = [
    'retrain',
    'label_image',
    'evaluate',
    'check_photos',
    'serve',
    'search',
    'extract_on_spark',
    'quantize_graph',
    'count_ops',
    'graph_pb2tb',
    'import_network',
    'optimize_for_tensorrt',
    'sample.draw_flowers',
    'sample.train_network',
]
_HEAD = """# Flags

Made by `python -m docs.make_flags` from the flags themselves: change the help text of a flag, not
this page. `python -m scripts.retrain --help` prints the same, and works from any folder as
`python PATH/scripts/retrain.py --help`.

Write a flag as `--name=value`, or a boolean one as `--name` or `--noname`. In each group, the flags
of the classic script come first.
`TF_CPP_MIN_LOG_LEVEL=0` before a command shows the messages of TensorFlow and its libraries, for
example about a GPU.
"""


def text():
    """Returns the page, in Markdown."""
    links = ['- [`%s`](#%s)\n' % (name, name.replace('.', '')) for name in COMMANDS]
    return ''.join([_HEAD, '\n'] + links + [_section(name) for name in COMMANDS])


def _section(name):
    module = importlib.import_module('scripts.' + name)
    lines = ['', '## `%s`' % name, '', module.__doc__.splitlines()[0]]
    groups = flag_help.groups(module.FLAGS)
    for title, group in groups:
        if len(groups) > 1:
            lines += ['', '**%s**' % title]
        lines += ['', '| flag | default | meaning |', '|---|---|---|']
        lines += [_row(flag) for flag in group]
    return '\n'.join(lines) + '\n'


def _row(flag):
    """Returns a line of a table."""
    default = '`%s`' % flag.default if flag.default else ''
    meaning = flag.meaning.replace('|', '\\|').replace('<', '\\<').replace('>', '\\>')
    if flag.choices:
        meaning += ' One of %s.' % ', '.join('`%s`' % each for each in flag.choices)
    return '| `--%s` | %s | %s |' % (flag.name, default, meaning)


def main():
    """Writes the page beside this file."""
    with open(PATH, 'w', encoding='utf-8') as file:
        file.write(text())


if __name__ == '__main__':
    main()
