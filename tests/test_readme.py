"""The documentation tells the truth: its commands and programs run as they are written.

Each page runs in a folder of its own, which has what the pages say that their reader has. What
needs other machines is stood in for: the commands `curl`, `docker` and `sudo`.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

import pytest

from scripts.graphs import graph_files
from scripts.networks import registry
from tests import pictures, stand_ins
from tests.conftest import REPOSITORY

DOCUMENTS = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'] + sorted(
    os.path.relpath(path, REPOSITORY)
    for folder in ('docs', 'docker')
    for path in glob.glob(os.path.join(REPOSITORY, folder, '*.md'))
)

# The network that docs/architecture.md adds.
ADDED = registry.find('mobilenet_1.0_224')._replace(
    graph_file='efficientnet_lite0.pb', bottleneck_name='feature', bottleneck_length=1280
)

# What .ci/run does itself; what downloads all packages, or weights of Keras, which tests/importing
# has of its own; a measurement, of a minute and a half.
_RUN_ELSEWHERE = (
    'python -m scripts.import_network --keras_application',
    'sh scripts/demo.sh',
    'sh tests/run.sh',
    'pip download',
    'python -m scripts.sample.train_network',
)

# Stand-ins for commands that use the network or do not end by themselves. `docker
# run` runs its command here, and `sudo` nothing.
_COMMANDS = {
    'curl': 'exec cat "$STAND_INS/flower_photos.tgz"',
    'docker': """
        case "$1" in
            build) test "$2" = -f && test -f "$3" && exit ;;
            run) while [ $# -gt 0 ]; do
                     case "$1" in poets|nvcr.io/*) shift; break ;; esac
                     shift
                 done
                 [ $# -gt 0 ] || exit 0
                 exec "$@" ;;
        esac
        exit 1""",
    'sudo': 'test $# -gt 0',
    'tensorboard': 'exec python -m tensorboard.main --inspect "$@"',
}


def read(name):
    """Returns the text of a file of the repository."""
    with open(os.path.join(REPOSITORY, name), encoding='utf-8') as file:
        return file.read()


def all_blocks(name):
    """Returns the code blocks of a page, in order: pairs of a language and a text."""
    return re.findall(r'^```(\w*)\n(.*?)^```', read(name), re.MULTILINE | re.DOTALL)


def blocks(name, language):
    """Returns the code blocks of a page in a language, in order."""
    return [text for each, text in all_blocks(name) if each == language]


def run(code, folder, **changes):
    """Runs a list of arguments; fails with what it printed where it fails."""
    ended = subprocess.run(
        code,
        cwd=folder,
        env=dict(os.environ, **changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        timeout=300,
    )
    assert ended.returncode == 0, '%s\n%s' % (code, ended.stdout)
    return ended.stdout


def stand_in_commands(folder):
    """Writes the commands that stand in for others; returns the environment that has them."""
    for name, text in _COMMANDS.items():
        with open(os.path.join(folder, name), 'w') as file:
            file.write('#!/bin/sh\n%s\n' % text)
        os.chmod(os.path.join(folder, name), 0o755)
    for name in ('python', 'python3'):  # Outside of any virtual environment, as on a new machine.
        os.symlink(os.path.realpath(sys.executable), os.path.join(folder, name))
    pictures.draw_classes(os.path.join(folder, 'flower_photos'), 3)
    run(['tar', 'czf', 'flower_photos.tgz', 'flower_photos'], folder)
    packages = [path for path in sys.path if path.endswith('site-packages')]
    return {
        'STAND_INS': folder,
        'PATH': os.pathsep.join([folder, os.environ['PATH'], os.path.dirname(sys.executable)]),
        'PYTHONPATH': os.pathsep.join(packages),  # Also in a new virtual environment.
        'PIP_NO_INDEX': '1',
        'PIP_DISABLE_PIP_VERSION_CHECK': '1',
    }


@pytest.fixture(scope='module')
def reader(tmp_path_factory):
    """What a reader has: this repository, photos, a network and a graph; and its environment."""
    folder = str(tmp_path_factory.mktemp('reader'))
    environment = stand_in_commands(str(tmp_path_factory.mktemp('commands')))
    for name in ('scripts', 'docker', 'docs', os.path.join('tf_files', 'models', 'sample')):
        shutil.copytree(os.path.join(REPOSITORY, name), os.path.join(folder, name))
    shutil.copy(os.path.join(REPOSITORY, 'requirements.txt'), folder)
    pictures.draw_classes(os.path.join(folder, 'my_photos'), 24)
    os.symlink(os.path.join('..', 'my_photos'), os.path.join(folder, 'tf_files', 'my_photos'))
    os.mkdir(os.path.join(folder, 'mnist'))
    os.symlink(os.path.join('..', 'my_photos'), os.path.join(folder, 'mnist', 'train'))
    for number, path in enumerate(['photo.jpg', os.path.join('tf_files', 'photo.jpg')]):
        pictures.draw(os.path.join(folder, path), pictures.COLOURS['Red'], number)
    models = os.path.join(folder, 'tf_files', 'models')
    stand_ins.install('mobilenet_0.50_224', models)
    # One that can be fine-tuned.
    fine_tuned = registry.find('mobilenet_1.0_224')
    blocks_of_it = stand_ins.mobilenet_of_blocks(224)
    graph_files.write(blocks_of_it, os.path.join(models, fine_tuned.graph_file))
    graph_files.write(stand_ins.of(ADDED), os.path.join(models, ADDED.graph_file))
    own = stand_ins.of(registry.find('mobilenet_v2_1.0_224'))
    graph_files.write(own, os.path.join(folder, 'networks', ADDED.graph_file))
    for command in ('sample.draw_flowers', 'retrain'):
        tutorial = blocks(os.path.join('docs', 'tutorial.md'), 'sh')
        first = next(block for block in tutorial if 'scripts.' + command in block)
        run(['sh', '-ec', first], folder, **environment)
    return folder, environment


def runnable(name):
    """Returns the shell blocks of a page that run here, and its patches as such blocks."""
    found = []
    for language, block in all_blocks(name):
        if language == 'diff':
            found.append("git apply - <<'END_OF_PATCH'\n%sEND_OF_PATCH\n" % block)
        elif language == 'sh' and not block.startswith(_RUN_ELSEWHERE):
            found.append(block)
    return found


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(1200)
@pytest.mark.xdist_group('reader')  # For its fixture.
@pytest.mark.parametrize('name', [name for name in DOCUMENTS if runnable(name)])
def test_shell_blocks_run_as_written(reader, name, tmp_path):
    original, environment = reader
    folder = str(tmp_path / 'here')
    shutil.copytree(original, folder, symlinks=True)
    # In one shell, as in one terminal: an environment that is activated stays so.
    run(['sh', '-ec', '\n'.join(runnable(name))], folder, **environment)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(1200)
@pytest.mark.xdist_group('reader')  # For its fixture.
@pytest.mark.parametrize('name', [name for name in DOCUMENTS if blocks(name, 'python')])
def test_programs_run_as_written(reader, name, tmp_path):
    original, environment = reader
    folder = str(tmp_path / 'here')
    shutil.copytree(original, folder, symlinks=True)
    for block in blocks(name, 'python'):
        with open(os.path.join(folder, 'program.py'), 'w', encoding='utf-8') as file:
            file.write(block)
        run(['python', 'program.py'], folder, **environment)
