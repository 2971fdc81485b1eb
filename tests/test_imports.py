"""The house: which folder may import which, and what answers without TensorFlow."""

import ast
import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

# From the ground up; a module imports from its own folder and from those before it.
FLOORS = [
    ('common',),
    ('dataset',),
    ('graphs',),
    ('images',),
    ('networks',),
    ('features',),
    ('training',),
    ('inference',),
    ('export',),
    ('evaluation',),
    ('quantization',),
    ('graph_flags',),
]
COMMANDS = ['retrain', 'label_image', 'evaluate', 'count_ops', 'graph_pb2tb', 'quantize_graph']


def floor_of(name):
    """Returns the number of the floor of a part of `scripts`; commands stand above all."""
    for number, names in enumerate(FLOORS):
        if name in names:
            return number
    return len(FLOORS)


def modules():
    """Returns the paths of all modules, relative to `scripts`."""
    top = os.path.join(REPOSITORY, 'scripts')
    return sorted(
        os.path.relpath(os.path.join(folder, name), top)
        for folder, _, names in os.walk(top)
        for name in names
        if name.endswith('.py')
    )


def imported(path):
    """Returns the names of the parts of `scripts` that the module at `path` imports."""
    with open(os.path.join(REPOSITORY, 'scripts', path), encoding='utf-8') as file:
        tree = ast.parse(file.read())
    parts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == 'scripts':
            parts.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or '').startswith('scripts.'):
            parts.add(node.module.split('.')[1])
        elif isinstance(node, ast.Import):
            parts.update(
                alias.name.split('.')[1]
                for alias in node.names
                if alias.name.startswith('scripts.')
            )
    return parts


def test_all_modules_are_found():
    assert os.path.join('graphs', 'search.py') in modules()
    assert 'graphs' in imported(os.path.join('networks', 'backbone.py'))


@pytest.mark.parametrize('path', modules())
def test_imports_go_down(path):
    part = path.split(os.sep)[0].replace('.py', '')
    above = {name for name in imported(path) if floor_of(name) > floor_of(part)}
    assert not above


@pytest.mark.parametrize('path', modules())
def test_only_commands_define_flags(path):
    with open(os.path.join(REPOSITORY, 'scripts', path), encoding='utf-8') as file:
        defines = 'flags.DEFINE' in file.read()
    is_command = os.sep not in path or path.startswith('sample' + os.sep)
    assert is_command or not defines


@pytest.mark.parametrize('name', COMMANDS)
def test_help_and_mistakes_answer_without_tensorflow(name):
    code = (
        f'import sys; from scripts import {name}; from scripts.common import command\n'
        'for flag in "--help", "--nonsense":\n'
        f'    command.execute({name}.main, {name}.FLAGS, ["{name}", flag])\n'
        'sys.exit("tensorflow" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', code], cwd=REPOSITORY).returncode == 0
