"""The Dockerfiles: linted, and their steps run in a bare folder with a new virtual environment.

There is no Docker engine here: what a base image brings is installed from the package index. Only
TensorFlow, which pip would unpack for half a minute, is the one of this environment.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import typing

import pytest

from tests.conftest import REPOSITORY

DOCKERFILES = ['Dockerfile', 'Dockerfile.gpu', 'Dockerfile.jetson']

# The Python of each base image, and what it brings of what we need.
BASES = {
    'Dockerfile': ((3, 7), []),
    'Dockerfile.gpu': ((3, 6), ['tensorflow==1.15.0', 'protobuf<3.21']),
    'Dockerfile.jetson': ((3, 6), ['tensorflow==1.15.0', 'protobuf<3.21']),
}


class Step(typing.NamedTuple):
    """An instruction, such as 'RUN', and what follows it."""

    instruction: str
    text: str


def read(name):
    with open(os.path.join(REPOSITORY, 'docker', name), encoding='utf-8') as file:
        return file.read()


def steps(name):
    """Returns the `Step`s of a Dockerfile."""
    lines = [line for line in read(name).splitlines() if line and not line.startswith('#')]
    joined = '\n'.join(lines).replace('\\\n', ' ').splitlines()
    return [Step(*line.split(None, 1)) for line in joined]


def texts(name, instruction):
    return [step.text for step in steps(name) if step.instruction == instruction]


@pytest.mark.parametrize('name', DOCKERFILES)
def test_the_linter_finds_nothing(name):
    hadolint = os.path.join(os.path.dirname(sys.executable), 'hadolint')
    if not os.path.exists(hadolint):
        pytest.skip('hadolint is not installed: it has no package for this machine or Python')
    path = os.path.join(REPOSITORY, 'docker', name)
    ended = subprocess.run(
        [hadolint, '--no-color', path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert ended.returncode == 0 and not ended.stdout, ended.stdout.decode()


@pytest.mark.parametrize('name', DOCKERFILES)
def test_what_every_image_has(name):
    text = read(name)
    assert 'hadolint ignore' not in text
    (base,) = texts(name, 'FROM')
    assert re.search(r':[^:]*\d', base), 'pinned'
    assert texts(name, 'USER') == ['1000']
    assert texts(name, 'EXPOSE') == ['6006'] and texts(name, 'VOLUME') == ['/app/tf_files']
    for package in re.findall(r'pip install --no-cache-dir ([^&]*)', ' '.join(texts(name, 'RUN'))):
        assert all('==' in each for each in package.split())


def copy(name, context, folder):
    """Does what the COPY steps do."""
    for text in texts(name, 'COPY'):
        *sources, target = [word for word in text.split() if not word.startswith('--')]
        for source in sources:
            path = os.path.join(context, source)
            shutil.copytree(
                path, os.path.join(folder, target), ignore=shutil.ignore_patterns('__pycache__')
            )


def context_of(folder):
    """Copies what .dockerignore lets through of the repository."""
    with open(os.path.join(REPOSITORY, '.dockerignore'), encoding='utf-8') as file:
        kept = [line[1:].strip() for line in file if line.startswith('!')]
    for name in kept:
        source, target = os.path.join(REPOSITORY, name), os.path.join(folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        (shutil.copytree if os.path.isdir(source) else shutil.copyfile)(source, target)


def bring_tensorflow(venv):
    """Links the TensorFlow of this environment into a new one; pip takes it for installed."""
    there = os.path.dirname(os.path.dirname(pytest.__file__))
    (here,) = glob.glob(os.path.join(venv, 'lib', '*', 'site-packages'))
    for path in glob.glob(os.path.join(there, 'tensorflow*')):
        shutil.copytree(path, os.path.join(here, os.path.basename(path)), copy_function=link)


def link(source, target):
    try:
        os.link(source, target)
    except OSError:  # That is another file system.
        shutil.copy2(source, target)


def run_in(venv, command, folder=None):
    """Runs a command where the Python of a virtual environment is the first; returns its output."""
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    environment['PATH'] = os.path.join(venv, 'bin') + os.pathsep + os.environ['PATH']
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def installs(name):
    """Returns the commands that install packages into an image."""
    found = tuple(text for text in texts(name, 'RUN') if not text.startswith('useradd '))
    assert all('pip install' in text for text in found)
    return found


@pytest.fixture(scope='module')
def venv_of(tmp_path_factory):
    """Makes the virtual environment of an image; two with the same packages have one."""
    made = {}

    def make(brought, commands):
        venv = str(tmp_path_factory.mktemp('image') / 'venv')
        subprocess.run([sys.executable, '-m', 'venv', venv], check=True)
        run_in(venv, ['python3', '-m', 'pip', 'install', '--quiet', 'pip==21.3.1'])
        if brought:
            bring_tensorflow(venv)
            run_in(venv, ['python3', '-m', 'pip', 'install', '--quiet'] + brought)
        for text in commands:
            run_in(venv, ['sh', '-c', text])
        return venv

    def find(name):
        brought, commands = BASES[name][1], installs(name)
        key = (*brought, *commands)
        if key not in made:
            made[key] = make(brought, commands)
        return made[key]

    return find


@pytest.mark.slow
@pytest.mark.each_python  # Those of the images differ.
@pytest.mark.xdist_group('images')  # For its fixture.
@pytest.mark.parametrize('name', DOCKERFILES)
def test_the_package_steps_run(name, venv_of, tmp_path):
    version = BASES[name][0]
    if sys.version_info[:2] != version:
        pytest.skip('%s has Python %d.%d' % ((name,) + version))
    if 'CI' not in os.environ:
        pytest.skip('installs TensorFlow again, which takes a minute: set CI=true to run it')
    context, folder = str(tmp_path / 'context'), str(tmp_path / 'app')
    context_of(context)
    copy(name, context, folder)
    venv = venv_of(name)

    def run(command):
        return run_in(venv, command, folder)

    # Nothing of the requirements is missing, and what the image runs, runs.
    requirements = os.path.join(REPOSITORY, 'requirements.txt')
    run(['python3', '-m', 'pip', 'install', '--no-index', '--requirement', requirements])
    (health,) = texts(name, 'HEALTHCHECK')
    assert '--image_dir' in run(json.loads(health[health.index('[') :]))
    (default,) = texts(name, 'CMD')
    assert run(json.loads(default)[:3] + ['--version']).strip().splitlines()[-1].startswith('1.15')
    graph = os.path.join('tf_files', 'models', 'sample', 'frozen_graph.pb')
    assert 'Conv2D' in run(['python3', '-m', 'scripts.count_ops', graph, '--op_types'])


@pytest.mark.parametrize('name', DOCKERFILES)
def test_the_health_check_tests_what_it_says(name, tmp_path):
    assert 'that the program answers and can read its volume. It loads no TensorFlow.' in read(name)
    (health,) = texts(name, 'HEALTHCHECK')
    context_of(str(tmp_path / 'context'))
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python3').write_text('#!/bin/sh\nexec %s "$@"\n' % sys.executable)
    (tmp_path / 'bin' / 'python3').chmod(0o755)
    (tmp_path / 'poisoned' / 'tensorflow').mkdir(parents=True)
    (tmp_path / 'poisoned' / 'tensorflow' / '__init__.py').write_text('raise SystemExit(1)')
    environment = dict(
        os.environ,
        PATH='%s:%s' % (tmp_path / 'bin', os.environ['PATH']),
        PYTHONPATH=str(tmp_path / 'poisoned'),
    )

    def status(*missing):
        folder = str(tmp_path / '-'.join(('app', *missing)))
        copy(name, str(tmp_path / 'context'), folder)
        for each in missing:
            shutil.rmtree(os.path.join(folder, each))
        check = json.loads(health[health.index('[') :])
        return subprocess.run(
            check, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode

    assert status() == 0
    assert status('tf_files') != 0
    assert status('scripts') != 0


def test_the_readme_names_every_image():
    text = read('README.md')
    for name in DOCKERFILES:
        assert 'docker build -f docker/%s -t' % name in text
        assert texts(name, 'FROM')[0] in text
