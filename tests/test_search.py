"""The search command: what it writes, how it goes on, and every user error."""

import csv
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import types

import pytest

from scripts import retrain, search
from scripts.common import appending, packages
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.graphs import graph_files
from scripts.searching import space
from tests import pictures, stand_ins
from tests.conftest import REPOSITORY
from tests.test_retrain import NAME, Bench

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec('optuna') is None,
    reason='needs requirements-search.txt, which tests/run.sh installs for Python 3.7',
)
pytestmark = pytest.mark.once


class SearchBench(Bench):
    """A work folder with a stand-in that has two blocks, and the flags of a search in it."""

    def __init__(self, folder, photo_dir):
        super().__init__(folder, photo_dir)
        path = os.path.join(self.models, 'mobilenet_v1_0.25_128', 'frozen_graph.pb')
        graph_files.write(stand_ins.mobilenet_of_blocks(), path)

    def path(self, name):
        return os.path.join(self.folder, name)

    def search_flags(self, **changes):
        values = dict(
            image_dir=self.photo_dir,
            architectures=NAME,
            model_dir=self.models,
            output_graph=self.graph,
            output_labels=self.labels,
            bottleneck_dir=self.path('bottlenecks'),
            testing_percentage=20,
            validation_percentage=20,
            random_seed=3,
            trials=5,
        )
        values.update(changes)
        return ['--%s=%s' % item for item in sorted(values.items())]


@pytest.fixture
def bench(tmp_path, photo_dir):
    return SearchBench(tmp_path, photo_dir)


@pytest.fixture
def few_steps(monkeypatch):
    """Makes trials short."""
    monkeypatch.setattr(space, '_HEAD_STEPS', {'short': 2, 'medium': 4, 'long': 6})
    monkeypatch.setattr(space, '_EPOCHS', {'short': 1, 'medium': 1, 'long': 2})
    monkeypatch.setattr(retrain.FLAGS['head_steps'], '_value', 3)


# The same, as a program.
_FEW_STEPS = """
from scripts import retrain, search
from scripts.common import command
from scripts.searching import space

space._HEAD_STEPS = {'short': 2, 'medium': 4, 'long': 6}
space._EPOCHS = {'short': 1, 'medium': 1, 'long': 2}
retrain.FLAGS['head_steps']._value = 3
command.run(search.main, search.FLAGS)
"""


def printed_command(out):
    """Returns the arguments of the retrain command that a search printed."""
    lines = out.split('To make the same graph again:\n')[1]
    words = shlex.split(lines.replace('\\\n', ''))
    flags = [word for word in words if word.startswith('--')]
    start = words[: -len(flags)]
    assert start == ['python', '-m', 'scripts.retrain'] or start[1].endswith('retrain.py')
    return flags


@needs_optuna
def test_the_printed_command_makes_the_same_graph(bench, in_process, few_steps):
    changes = dict(output_trials=bench.path('trials.csv'), report=bench.path('report.html'))
    ended = in_process(search, *bench.search_flags(**changes))
    assert ended.status == 0, ended.err
    assert len(re.findall(r'^Trial \d+: (loss \d\.\d{3}|pruned), ', ended.out, re.M)) == 5
    assert re.search(r'^Final test accuracy = \d+\.\d% \(N=\d+\)$', ended.out, re.M)
    assert 'Step' not in ended.out.split('The best is trial')[0]
    wanted = bench.graph_bytes()
    with open(bench.path('trials.csv'), newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['trial'] for row in rows] == list('01234')
    best = int(re.search(r'The best is trial (\d+)', ended.out).group(1))
    assert rows[best]['result'] == 'complete'
    with open(bench.path('report.html')) as file:
        page = file.read()
    assert '<h2>Trials</h2>' in page and '<h2>What mattered</h2>' in page
    os.remove(bench.graph)
    flags = printed_command(ended.out) + ['--summaries_dir=' + bench.path('summaries')]
    assert in_process(retrain, *flags).status == 0
    assert bench.graph_bytes() == wanted
    # And so does another search, whose features are there already.
    os.remove(bench.graph)
    assert in_process(search, *bench.search_flags()).status == 0
    assert bench.graph_bytes() == wanted


@needs_optuna
def test_a_study_that_was_stopped_ends_as_if_it_had_not_been(bench, in_process, few_steps):
    assert in_process(search, *bench.search_flags(trials=6)).status == 0
    wanted = bench.graph_bytes()
    study = bench.path('study.db')
    for trials in (2, 4, 6):
        assert in_process(search, *bench.search_flags(trials=trials, study=study)).status == 0
    assert bench.graph_bytes() == wanted
    # Without the variables of the best, it is trained again.
    assert len(os.listdir(study + '.trials')) in range(1, 6)
    shutil.rmtree(study + '.trials')
    assert in_process(search, *bench.search_flags(trials=6, study=study)).status == 0
    assert bench.graph_bytes() == wanted


@needs_optuna
@pytest.mark.slow
def test_a_study_that_was_killed_goes_on(bench):
    study = bench.path('study.db')
    flags = bench.search_flags(study=study, trials=4)
    start = [sys.executable, '-c', _FEW_STEPS]
    whole = subprocess.run(start + bench.search_flags(trials=4), cwd=REPOSITORY)
    wanted = whole.returncode or bench.graph_bytes()
    os.remove(bench.graph)
    process = subprocess.Popen(
        start + flags, cwd=REPOSITORY, stdout=subprocess.PIPE, universal_newlines=True
    )
    for line in process.stdout:
        if line.startswith('Trial 1'):
            process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not os.path.exists(bench.graph)
    process.stdout.close()
    ended = subprocess.run(
        start + flags, cwd=REPOSITORY, stdout=subprocess.PIPE, universal_newlines=True
    )
    assert ended.returncode == 0 and 'Trial 0:' not in ended.stdout
    assert bench.graph_bytes() == wanted


@needs_optuna
def test_networks_at_hand_are_searched(bench, in_process, few_steps):
    flags = bench.search_flags(architectures='', trials=2, output_trials=bench.path('trials.csv'))
    ended = in_process(search, *flags)
    assert ended.status == 0, ended.err
    with open(bench.path('trials.csv'), newline='') as file:
        assert {row['architecture'] for row in csv.DictReader(file)} == {'sample', NAME}


@needs_optuna
def test_a_report_that_cannot_be_written_costs_only_itself(bench, in_process, few_steps):
    report = bench.path('report.html')
    flags = bench.search_flags(trials=1, report=report)

    def write(path, *_):
        raise search.UserError('cannot write %s' % path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('scripts.evaluation.report.write', write)
        ended = in_process(search, *flags)
    assert ended.status == 1 and os.path.exists(bench.graph)
    assert 'the graph and its labels are written, but: cannot write ' + report in ended.err


@needs_optuna
@pytest.mark.parametrize(
    'changes, wanted',
    [
        ({'minutes': 0}, '--minutes=0: expected a number above 0'),
        ({'minutes': 'nan'}, '--minutes=nan: expected a number above 0'),
        ({'architectures': 'dense_128'}, 'dense_128 has random weights'),
        ({'architectures': 'mobilenet_0.25_129'}, 'no network of that name; did you mean'),
        ({'validation_percentage': 0}, 'there are no validation photos'),
        ({'output_graph': ''}, '--output_graph is empty'),
        ({'study': REPOSITORY}, 'is a folder'),
        ({'image_dir': '/nowhere'}, '/nowhere'),
    ],
)
def test_user_errors_are_one_line(bench, one_error, changes, wanted):
    assert wanted in one_error(search, *bench.search_flags(**changes))
    assert not os.path.exists(bench.graph) and not os.path.exists(bench.path('bottlenecks'))


@needs_optuna
def test_two_outputs_cannot_be_the_same_file(bench, one_error):
    line = one_error(search, *bench.search_flags(study=bench.graph))
    assert '--output_graph and --study are both' in line


@needs_optuna
def test_a_study_of_other_photos_is_refused(bench, in_process, few_steps, one_error, tmp_path):
    study = bench.path('study.db')
    assert in_process(search, *bench.search_flags(trials=1, study=study)).status == 0
    photos = pictures.draw_classes(str(tmp_path / 'others'), 21)
    line = one_error(search, *bench.search_flags(study=study, image_dir=photos))
    assert 'is of a search with other photos' in line


@needs_optuna
def test_without_a_readable_validation_photo_there_is_one_line(
    bench, one_error, few_steps, tmp_path
):
    photos = pictures.draw_classes(str(tmp_path / 'others'), 24)
    dataset = photos_lib.load(photos, Split(20, 20, 'name'))
    for photo in dataset.photos:
        if photo.category == 'validation':
            with open(photo.path, 'wb') as file:
                file.write(b'no photo')
    line = one_error(search, *bench.search_flags(image_dir=photos, trials=2))
    assert 'all validation photos are unreadable, and trials are judged by them' in line


@needs_optuna
def test_a_study_in_use_is_left_alone(bench, one_error, monkeypatch):
    study = bench.path('study.db')
    monkeypatch.setattr(appending, '_PATIENCE_SECONDS', 0)
    with appending.holding(study + '.trials', 'in use'):
        line = one_error(search, *bench.search_flags(study=study))
    assert 'is in use by another search' in line and not os.path.exists(study)


def test_without_optuna_there_is_one_line(bench, monkeypatch, one_error):
    absent = types.SimpleNamespace(util=types.SimpleNamespace(find_spec=lambda name: None))
    monkeypatch.setattr(packages, 'importlib', absent)
    line = one_error(search, *bench.search_flags())
    assert 'scripts.search needs optuna, sklearn' in line
    assert re.search(r'-m pip install -r \S+requirements-search\.txt$', line)
