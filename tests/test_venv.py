"""Which Python the demo and the tests take, and what runs there, with Pythons that are not real."""

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

# One that also makes a virtual environment, of itself, and tells what pytest would be told.
MAKES = (
    FAKE
    + """
case $2 in
    venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && printf '#!/bin/sh\\n' >"$3/bin/ruff" \\
        && chmod +x "$3/bin/ruff" ;;
    pytest) echo "pytest {version}: $*" ;;
esac
"""
)


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
        (['3.6', '3.7', '3.13'], 'Using Python 3.7.1 with TensorFlow 1.15, in .venv.\n'),
        (['3.12', '3.6'], 'Using Python 3.6.1 with TensorFlow 1.15, in .venv-py3.6.\n'),
        (['3.9', '3.12', '3.5'], 'Using Python 3.12.1 with TensorFlow 2, in .venv-tf2.\n'),
    ],
)
def test_old_pythons_go_first_and_then_the_newest(shell, versions, said):
    ended = shell('. scripts/venv.sh; take_environment', *versions)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, said, '')


@pytest.mark.parametrize('script', ['scripts/demo.sh', 'tests/run.sh'])
def test_without_a_python_one_line_says_what_to_do(shell, script):
    ended = shell('exec /bin/sh ' + script, '3.5')
    assert ended.returncode == 1 and ended.stdout == ''
    (line,) = ended.stderr.splitlines()
    assert line.startswith('No Python from 3.6 to 3.13 found') and 'pyenv install 3.7.17' in line


# What scripts/venv.sh, tests/run.sh and MAKES take of a system; no Python is among it.
TOOLS = ['dirname', 'cat', 'cksum', 'cut', 'sed', 'rm', 'touch', 'mkdir', 'cp', 'chmod']


@pytest.fixture
def run_tests(tmp_path, monkeypatch):
    """Runs a copy of tests/run.sh where there are Pythons of versions; returns how that ended."""

    def run(versions, *arguments):
        for name in ('scripts/venv.sh', 'tests/run.sh'):
            (tmp_path / name).parent.mkdir()
            shutil.copy(os.path.join(REPOSITORY, name), str(tmp_path / name))
        for name in (
            'requirements.txt',
            'requirements-dev.txt',
            'requirements-export.txt',
            'requirements-search.txt',
            'requirements-spark.txt',
            'tests/oldest.txt',
        ):
            (tmp_path / name).write_text('')
        for version in versions:
            (tmp_path / ('python' + version)).write_text(MAKES.format(version=version))
            (tmp_path / ('python' + version)).chmod(0o755)
        for name in TOOLS:
            os.symlink(shutil.which(name), str(tmp_path / name))
        return subprocess.run(
            ['/bin/sh', str(tmp_path / 'tests' / 'run.sh')] + list(arguments),
            env={'PATH': str(tmp_path), 'PYENV_ROOT': str(tmp_path), 'HOME': str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )

    return run


def pytest_runs(ended):
    """Returns a list of the version and the arguments of each run of pytest."""
    lines = [line.split(': -m pytest ') for line in ended.stdout.splitlines()]
    return [(line[0][len('pytest ') :], line[1]) for line in lines if len(line) == 2]


ALL = ['3.7', '3.6', '3.13']
WORKERS = '-n 2 --dist loadgroup --durations=10 -m '


def test_one_environment_runs_without_the_slow_tests(run_tests):
    ended = run_tests(ALL, '-k', 'cache')
    assert ended.returncode == 0, ended.stdout
    assert pytest_runs(ended) == [('3.7', WORKERS + 'not slow -k cache')]
    assert '== Lint\n' in ended.stdout and 'Left out: the slow tests' in ended.stdout


def test_all_environments_run_and_the_first_runs_what_is_run_once(run_tests):
    ended = run_tests(ALL, '--all')
    assert ended.returncode == 0, ended.stdout
    assert pytest_runs(ended) == [
        ('3.7', WORKERS),
        ('3.6', WORKERS + 'each_python or not (slow or once or each_tensorflow)'),
        ('3.13', WORKERS + 'each_python or not once'),
        ('3.7', 'tests/test_environments.py'),
    ]
    assert 'Left out' not in ended.stdout and ended.stdout.count('== Lint\n') == 1


def test_what_could_not_run_is_told(run_tests):
    ended = run_tests(['3.6'], '--all', '-x')
    assert pytest_runs(ended) == [('3.6', WORKERS + ' -x')]
    assert 'DID NOT RUN, for want of a Python: Python 3.7 with' in ended.stdout
    assert ended.stdout.splitlines()[-2].endswith('TensorFlow 2, lint')
