"""Fixtures: small drawn photos, and small networks under the real names."""

import logging
import os
import subprocess
import sys
import typing

import hypothesis
import pytest

from scripts.common import command, progress
from tests import pictures

# How long an example takes is no reason to fail: the machines that tests run on are shared.
hypothesis.settings.register_profile('shared machine', deadline=None)
hypothesis.settings.load_profile('shared machine')

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED_DATA = os.path.join(REPOSITORY, os.pardir, 'shared', 'data')

# Environments in which names of files are UTF-8, and ASCII as in a container without a locale
# under Python 3.6; newer ones have to be told.
UTF8 = {'LC_ALL': 'C.UTF-8'}
NO_LOCALE = {'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0', 'PYTHONUTF8': '0'}


_LONGEST_ID = 40  # Bytes that a test's id shows; longer ones can hold a date.


def pytest_make_parametrize_id(val, argname):
    """Returns the id of long bytes: every worker of a run has to have the same."""
    return argname if isinstance(val, bytes) and len(val) > _LONGEST_ID else None


def pytest_collection_modifyitems(items):
    """Lets the slow tests begin first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker('slow') is None)


# Commands that split photos by their path as typed, unless a flag says otherwise.
SPLIT_BY_PATH = tuple(
    'scripts.' + name for name in ('check_photos', 'extract_on_spark', 'retrain', 'search')
)


def split_by_name(module, arguments):
    """Returns a command's arguments, with --split_key=name where nothing says how to split.

    The path of a temporary folder or of a clone would decide otherwise, which is another one each
    time: now and then, a class would have no photos to test or to validate on.
    """
    given = dict(each.partition('=')[::2] for each in arguments)
    if module not in SPLIT_BY_PATH or not os.path.isabs(given.get('--image_dir', '')):
        return list(arguments)
    return ([] if '--split_key' in given else ['--split_key=name']) + list(arguments)


class Run(typing.NamedTuple):
    """How a command ended: its status and what it wrote to standard output and error."""

    status: int
    out: str
    err: str


@pytest.fixture
def shared_data():
    """The folder of real data; tests that use it are skipped where it is absent."""
    if not os.path.isdir(SHARED_DATA):
        pytest.skip('the real data, %s, is not on this machine' % os.path.normpath(SHARED_DATA))
    return SHARED_DATA


@pytest.fixture(autouse=True)
def no_progress_lines(monkeypatch):
    """Keeps a slow machine from printing progress among the errors that a test compares."""
    monkeypatch.setattr(progress, 'SECONDS_BETWEEN_LINES', float('inf'))


@pytest.fixture
def in_process(capsys, monkeypatch):
    """Runs a command module in this process: `in_process(module, '--flag=value', ...)`."""
    # However slow the machine is, only warnings and errors stand on the standard error.
    monkeypatch.setattr(progress, 'SECONDS_BETWEEN_LINES', float('inf'))

    def run(module, *arguments):
        capsys.readouterr()
        name = module.__name__
        argv = [name.rpartition('.')[2]] + split_by_name(name, arguments)
        status = command.execute(module.main, module.FLAGS, argv)
        return Run(status, *capsys.readouterr())

    return run


@pytest.fixture
def in_subprocess():
    """Runs a command as a user does: `in_subprocess('scripts.retrain', '--flag=value', ...)`."""

    def run(module, *arguments, **options):
        process = subprocess.run(
            [sys.executable, '-m', module] + split_by_name(module, arguments),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=300,
            **options,
        )
        return Run(process.returncode, process.stdout, process.stderr)

    return run


@pytest.fixture
def one_error(in_process):
    """Runs a command with a user error and returns the one line that it must end in."""

    def run(module, *arguments):
        ended = in_process(module, *arguments)
        assert ended.status == 1
        lines = [line for line in ended.err.splitlines() if not line.startswith('WARNING: ')]
        assert len(lines) == 1, ended.err
        name = module.__name__.rpartition('.')[2]
        assert lines[0].startswith(name + ': error: ')
        return lines[0]

    return run


@pytest.fixture(scope='session')
def photo_dir(tmp_path_factory):
    """A folder of 3 classes with 24 drawn photos each, which colour alone tells apart."""
    return pictures.draw_classes(str(tmp_path_factory.mktemp('photos')), 24)


@pytest.fixture
def warnings_of(monkeypatch, caplog):
    """Calls a function and returns the texts of the warnings that it logged."""
    monkeypatch.setattr(logging.getLogger('scripts'), 'propagate', True)

    def call(function):
        caplog.clear()
        function()
        return [
            record.getMessage()
            for record in caplog.records
            if record.levelno == logging.WARNING and record.name.startswith('scripts')
        ]

    return call


@pytest.fixture
def beside_shared(shared_data, tmp_path, monkeypatch):
    """Makes `../shared/data` the real data: the classic split hashes that path as typed."""
    (tmp_path / 'shared').mkdir()
    os.symlink(os.path.abspath(shared_data), str(tmp_path / 'shared' / 'data'))
    (tmp_path / 'main').mkdir()
    monkeypatch.chdir(str(tmp_path / 'main'))


@pytest.fixture(scope='session')
def pretrained(tmp_path_factory):
    """A stand-in for `mobilenet_0.25_128`, loaded."""
    # Late: TensorFlow takes a second to import, and most tests do without it.
    from scripts.networks import backbone as backbone_lib
    from scripts.networks import registry
    from tests import stand_ins

    folder = str(tmp_path_factory.mktemp('models'))
    stand_ins.install('mobilenet_0.25_128', folder)
    return backbone_lib.load(registry.find('mobilenet_0.25_128'), folder)
