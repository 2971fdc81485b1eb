"""The house: which folder may import which, and what answers without TensorFlow."""

import ast
import collections
import os
import re
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
    ('importing',),
    ('features',),
    ('spark',),
    ('training',),
    ('inference',),
    ('export',),
    ('evaluation',),
    ('checking',),
    ('serving',),
    ('searching',),
    ('quantization',),
]
COMMANDS = [
    'retrain',
    'label_image',
    'evaluate',
    'check_photos',
    'serve',
    'search',
    'extract_on_spark',
    'count_ops',
    'graph_pb2tb',
    'quantize_graph',
    'import_network',
    'optimize_for_tensorrt',
]


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


def source(path):
    """Returns the text of the module at `path`."""
    with open(os.path.join(REPOSITORY, 'scripts', path), encoding='utf-8') as file:
        return file.read()


def imported_modules(path):
    """Returns what the module at `path` imports of `scripts`, such as 'common.files'."""
    found = set()
    for node in ast.walk(ast.parse(source(path))):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('scripts'):
            found.update('%s.%s' % (node.module, alias.name) for alias in node.names)
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name[len('scripts.') :] for name in found if name.startswith('scripts.')}


def imported(path):
    """Returns the names of the parts of `scripts` that the module at `path` imports."""
    return {name.split('.')[0] for name in imported_modules(path)}


def test_all_modules_are_found():
    assert os.path.join('graphs', 'search.py') in modules()
    assert 'graphs' in imported(os.path.join('networks', 'backbone.py'))


@pytest.mark.parametrize('path', modules())
@pytest.mark.once
def test_imports_go_down(path):
    part = path.split(os.sep)[0].replace('.py', '')
    above = {name for name in imported(path) if floor_of(name) > floor_of(part)}
    assert not above


def is_command(path):
    """Returns whether the module at `path` is a command, which has flags of its own."""
    return 'FLAGS = flags.FlagValues()' in source(path)


@pytest.mark.parametrize('path', modules())
@pytest.mark.once
def test_the_library_knows_no_flags(path):
    of_commands = {os.path.join('common', name) for name in ('command.py', 'flags.py')}
    of_commands.add('retrain_flags.py')
    if not is_command(path) and path not in of_commands:
        assert not {'common.flags', 'common.command'} & imported_modules(path)
        assert 'from absl' not in source(path)


# Calls that make a training step, and the modules that have them.
_STEP_MAKERS = {'minimize', 'apply_gradients', 'GradientTape', 'train_on_batch'}
_OF_STEPS = {
    os.path.join('training', 'head.py'),
    os.path.join('training', 'optimizing.py'),
    os.path.join('sample', 'model.py'),
}
_LOOPS = ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp


def called(tree):
    """Returns the names of what is called as an attribute, such as `run` in `session.run()`."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {function.attr for function in calls if isinstance(function, ast.Attribute)}


@pytest.mark.once
def test_there_is_one_training_loop():
    trees = {path: ast.parse(source(path)) for path in modules()}
    assert {path for path in trees if _STEP_MAKERS & called(trees[path])} == _OF_STEPS
    loops = [
        loop for path in _OF_STEPS for loop in ast.walk(trees[path]) if isinstance(loop, _LOOPS)
    ]
    assert loops and not any('run' in called(loop) for loop in loops)
    fit = os.path.join('training', 'fit.py')
    assert [path for path in trees if 'train' in called(trees[path])] == [fit]


@pytest.mark.once
def test_flags_of_several_commands_are_defined_once():
    assert is_command('retrain.py') and not is_command(os.path.join('common', 'flags.py'))
    defined = collections.Counter()
    definition = r"\w\.(?:strings?|integer|float|channels|boolean|choice)\(\s*'(\w+)'"
    for path in modules():
        defined.update(re.findall(definition, source(path)))
    assert {'architecture', 'graph', 'top_k', 'image_dir'} <= set(defined)
    # What the commands that have these mean by them is not the same.
    different = {'output', 'output_graph', 'output_dir', 'output_layer', 'seed', 'summaries_dir'}
    assert not {name for name, count in defined.items() if count > 1} - different


@pytest.mark.parametrize('name', COMMANDS)
def test_help_and_user_errors_answer_without_tensorflow(name):
    code = (
        f'import sys; from scripts import {name}; from scripts.common import command\n'
        'for flag in "--help", "--nonsense":\n'
        f'    command.execute({name}.main, {name}.FLAGS, ["{name}", flag])\n'
        'sys.exit("tensorflow" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', code], cwd=REPOSITORY).returncode == 0
