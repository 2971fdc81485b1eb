"""Which Python the demo and the tests take, with Pythons that are not real."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import REPOSITORY

# Says that it is the Python of its name, and that it can make virtual environments.
FAKE = """#!/bin/sh
case $1 in
    --version) echo "Python {version}.1" ;;
    -c) case $2 in *"'{version}'"*) echo "$0" ;; esac ;;
esac
"""


@pytest.fixture
def shell(tmp_path):
    """Runs a script in a shell that finds only the Pythons of the given versions."""

    def run(script, *versions):
        for version in versions:
            path = tmp_path / ('python' + version)
            path.write_text(FAKE.format(version=version))
            path.chmod(0o755)
        os.symlink(shutil.which('dirname'), str(tmp_path / 'dirname'))
        return subprocess.run(
            ['/bin/sh', '-c', script],
            cwd=REPOSITORY,
            env={'PATH': str(tmp_path), 'PYENV_ROOT': str(tmp_path), 'HOME': str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )

    return run


@pytest.mark.parametrize(
    'versions, said',
    [
        (['3.6', '3.7', '3.13'], 'Taking Python 3.7.1 with TensorFlow 1.15, in .venv.\n'),
        (['3.12', '3.6'], 'Taking Python 3.6.1 with TensorFlow 1.15, in .venv-py3.6.\n'),
        (['3.9', '3.12', '3.5'], 'Taking Python 3.12.1 with TensorFlow 2, in .venv-tf2.\n'),
    ],
)
def test_old_pythons_go_first_and_then_the_newest(shell, versions, said):
    ended = shell('. scripts/venv.sh; take_lane', *versions)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, said, '')


@pytest.mark.parametrize('script', ['scripts/demo.sh', 'tests/run.sh'])
def test_without_a_python_one_line_says_what_to_do(shell, script):
    ended = shell('exec /bin/sh ' + script, '3.5')
    assert ended.returncode == 1 and ended.stdout == ''
    (line,) = ended.stderr.splitlines()
    assert line.startswith('No Python from 3.6 to 3.13 found') and 'pyenv install 3.7.17' in line
