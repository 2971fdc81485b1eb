"""Writes flags.md: all flags of all commands, from the flags themselves.

python -m docs.make_flags
"""

import importlib
import os

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'flags.md')

COMMANDS = [
    'retrain',
    'label_image',
    'evaluate',
    'quantize_graph',
    'count_ops',
    'graph_pb2tb',
    'sample.draw_flowers',
    'sample.train_network',
]
_HEAD = """# Flags

Made by `python -m docs.make_flags` from the flags themselves: change the help text of a flag, not
this page. `python -m scripts.retrain --help` prints the same, and works from any folder as
`python PATH/scripts/retrain.py --help`.

Write a flag as `--name=value`, or a boolean one as `--name` or `--noname`.
`TF_CPP_MIN_LOG_LEVEL=0` before a command shows the messages of TensorFlow and its libraries, for
example about a GPU.
"""


def text():
    """Returns the page, in Markdown."""
    links = ['- [`%s`](#%s)\n' % (name, name.replace('.', '')) for name in COMMANDS]
    return ''.join([_HEAD, '\n'] + links + [_section(name) for name in COMMANDS])


def _section(name):
    module = importlib.import_module('scripts.' + name)
    lines = ['', '## `%s`' % name, '', module.__doc__.splitlines()[0], '']
    lines += ['| flag | default | meaning |', '|---|---|---|']
    lines += [_row(module.FLAGS[flag]) for flag in module.FLAGS if module.FLAGS[flag].name == flag]
    return '\n'.join(lines) + '\n'


def _row(flag):
    """Returns a line of a table."""
    choices = getattr(flag.parser, 'enum_values', [])
    meaning = flag.help.partition(';\n')[0]  # absl adds that a flag may be repeated.
    meaning = meaning.replace('<%s>: ' % '|'.join(choices), '')  # And puts the choices first.
    cells = ['`--%s`' % flag.name, _default(flag), _escaped(meaning)]
    if choices:
        cells[-1] += ' One of %s.' % ', '.join('`%s`' % each for each in choices)
    return '| %s |' % ' | '.join(cells)


def _default(flag):
    if flag.default in (None, '', []):
        return ''
    is_list = isinstance(flag.default, list)
    return '`%s`' % (','.join(flag.default) if is_list else flag.default_as_str[1:-1])


def _escaped(words):
    return words.replace('|', '\\|').replace('<', '\\<').replace('>', '\\>')


def main():
    """Writes the page beside this file."""
    with open(PATH, 'w', encoding='utf-8') as file:
        file.write(text())


if __name__ == '__main__':
    main()
