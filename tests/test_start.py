"""How commands start: from any folder, by file or module, and in a Python that lacks packages."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from scripts.common import files
from tests import stand_ins
from tests.conftest import REPOSITORY, Run
from tests.test_imports import COMMANDS

SCRIPTS = os.path.join(REPOSITORY, 'scripts')
# The packages of a TensorFlow 1 container, and what its TensorFlow needs or has split off.
ENOUGH = {'tensorflow', 'numpy', 'pillow', 'absl-py', 'protobuf', 'tensorboard', 'packaging'}


def python(*arguments, cwd=REPOSITORY, **environment):
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=dict(os.environ, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=300,
    )
    return Run(ended.returncode, ended.stdout, ended.stderr)


WAYS = {
    'file': lambda name, elsewhere: python(os.path.join('scripts', name + '.py'), '--help'),
    'inside': lambda name, elsewhere: python(name + '.py', '--help', cwd=SCRIPTS),
    'inside, module': lambda name, elsewhere: python('-m', name, '--help', cwd=SCRIPTS),
    'elsewhere': lambda name, elsewhere: python(
        os.path.join(SCRIPTS, name + '.py'), '--help', cwd=elsewhere
    ),
    'root': lambda name, elsewhere: python('-m', 'scripts.' + name, '--help'),
}


@pytest.mark.parametrize('way', sorted(WAYS))
@pytest.mark.parametrize(
    'name',  # How Python finds modules differs between Pythons, and not between commands.
    [pytest.param(name, marks=[pytest.mark.once] * (name != 'retrain')) for name in COMMANDS],
)
def test_every_command_starts_in_every_way(name, way, tmp_path):
    ended = WAYS[way](name, str(tmp_path))
    assert ended.status == 0 and ended.err == ''
    assert '\nFlags' in ended.out


@pytest.fixture
def graph(tmp_path):
    path = os.path.join(SCRIPTS, os.pardir, 'tf_files', 'models', 'sample', 'frozen_graph.pb')
    shutil.copy(path, str(tmp_path / 'graph.pb'))
    return 'graph.pb'


def test_paths_are_relative_to_where_the_user_is(tmp_path, graph):
    ended = python(os.path.join(SCRIPTS, 'count_ops.py'), graph, 'Conv2D', cwd=str(tmp_path))
    assert ended.status == 0 and int(ended.out) > 0, ended.err


def test_what_to_type_next_can_be_typed(tmp_path, photo_dir):
    folder = tmp_path / 'with space'
    shutil.copytree(SCRIPTS, str(folder / 'scripts'))
    flags = ['--image_dir=' + photo_dir, '--architecture=sample', '--how_many_training_steps=2']
    flags += ['--model_dir=%s' % os.path.join(REPOSITORY, 'tf_files', 'models')]
    flags += ['--output_graph=g.pb', '--output_labels=l.txt', '--summaries_dir=s']
    way = os.path.join('with space', 'scripts', 'retrain.py')
    ended = python(way, *flags, '--bottleneck_dir=b', cwd=str(tmp_path))
    line = re.search('^  (python .*label_image.*)PHOTO.jpg$', ended.out, re.MULTILINE).group(1)
    _, *arguments = shlex.split(line + os.path.join(photo_dir, 'Red', '000.jpg'))
    ended = python(*arguments, cwd=str(tmp_path))
    assert ended.status == 0 and '(score=' in ended.out, ended.err


@pytest.mark.parametrize('cwd', [REPOSITORY, SCRIPTS])
def test_folders_of_scripts_take_no_packages_place(tmp_path, cwd):
    program = tmp_path / 'scripts_path.py'
    program.write_text(
        'import json, os, sys\n'
        'sys.path[0] = %r\n'
        'import label_image\n'
        'print(json.dumps([os.path.realpath(each) for each in sys.path]))\n' % SCRIPTS
    )
    ended = python(str(program), cwd=cwd)
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    assert found[0] == os.path.realpath(REPOSITORY)
    # What stands beside that program in scripts/ is still found, but behind every package.
    assert found.index(os.path.realpath(SCRIPTS)) == len(found) - 1


@pytest.mark.parametrize('name', COMMANDS + ['sample.draw_flowers'])
def test_without_packages_one_line_says_what_to_do(name):
    path = os.path.join(SCRIPTS, *name.split('.')) + '.py'
    ways = [['-m', 'scripts.' + name]] + [[path]] * ('.' not in name)
    for way in ways:
        ended = python('-S', *way, PYTHONPATH='')  # -S: without the folder of packages.
        assert ended.status == 1 and ended.out == ''
        (line,) = ended.err.splitlines()
        assert line.startswith(name.rpartition('.')[2] + ': error: this Python (')
        assert 'does not have absl-py, numpy, pillow, tensorflow: activate' in line
        assert line.endswith('-m pip install -r ' + os.path.join(REPOSITORY, 'requirements.txt'))


def hide(folder, names):
    """Returns a PYTHONPATH that hides packages from Python: a folder with a sitecustomize."""
    (folder / 'sitecustomize.py').write_text(
        'import sys\nsys.modules.update(dict.fromkeys(%r))\n' % (names,)
    )
    return str(folder)


@pytest.mark.parametrize('missing', ['numpy', 'tensorflow'])
def test_a_missing_package_is_named(tmp_path, missing):
    ended = python('-m', 'scripts.retrain', PYTHONPATH=hide(tmp_path, [missing]))
    assert ended.status == 1 and ') does not have %s: activate' % missing in ended.err
    assert len(ended.err.splitlines()) == 1


def test_the_environment_to_activate_is_named(tmp_path):
    shutil.copytree(SCRIPTS, str(tmp_path / 'scripts'))
    ended = python('-S', '-m', 'scripts.retrain', cwd=str(tmp_path), PYTHONPATH='')
    assert 'conda activate' in ended.err
    files.write(str(tmp_path / '.venv-tf2' / 'bin' / 'activate'), b'')
    ended = python('-S', '-m', 'scripts.retrain', cwd=str(tmp_path), PYTHONPATH='')
    assert '(. %s)' % (tmp_path / '.venv-tf2' / 'bin' / 'activate') in ended.err


def test_other_programs_get_an_import_error():
    ended = python('-S', '-c', 'import scripts.label_image', PYTHONPATH='')
    assert ended.err.splitlines()[-1] == "ModuleNotFoundError: No module named 'absl'"


def optional():
    """Returns the names of all modules that some requirements file brings beyond what is enough."""
    names = set()
    for name in os.listdir(REPOSITORY):
        if re.match(r'requirements.*\.txt$', name):
            with open(os.path.join(REPOSITORY, name), encoding='utf-8') as file:
                names.update(re.findall(r'^([A-Za-z][\w.-]*)', file.read(), re.MULTILINE))
    return sorted(name.lower().replace('-', '_') for name in names - ENOUGH)


@pytest.mark.each_tensorflow
def test_four_packages_are_enough_for_the_classic_commands(tmp_path, photo_dir):
    assert 'tqdm' in optional()
    hidden = hide(tmp_path, optional())
    stand_ins.install('mobilenet_0.25_128', str(tmp_path / 'models'))

    def run(name, *arguments):
        ended = python('-m', 'scripts.' + name, *arguments, cwd=REPOSITORY, PYTHONPATH=hidden)
        assert ended.status == 0, ended.err
        return ended

    def path(name):
        return str(tmp_path / name)

    flags = ['--output_graph=' + path('g.pb'), '--output_labels=' + path('l.txt')]
    flags += ['--%s=%s' % (name, path(name)) for name in ('bottleneck_dir', 'summaries_dir')]
    flags += ['--model_dir=' + path('models'), '--report=' + path('report.html')]
    flags += ['--image_dir=' + photo_dir, '--architecture=mobilenet_0.25_128']
    ended = run('retrain', *flags, '--how_many_training_steps=5', '--testing_percentage=30')
    assert 'Final test accuracy = ' in ended.out
    labels = '--labels=' + path('l.txt')
    assert 'score=' in run('label_image', photo_dir, '--graph=' + path('g.pb'), labels).out
    evaluation = ['--image_dir=' + photo_dir, '--category=all', labels]
    assert 'Accuracy' in run('evaluate', path('g.pb'), *evaluation).out
    outputs = ['--output=' + path('q.pb'), '--output_node_names=final_result']
    run('quantize_graph', '--input=' + path('g.pb'), '--mode=weights', *outputs)
    assert int(run('count_ops', path('q.pb')).out) > 0
    run('graph_pb2tb', path('page'), path('q.pb'))
