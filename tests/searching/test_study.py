"""The study: what it suggests, keeps and refuses."""

import os
import sqlite3

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.searching import space
from scripts.searching import study as study_lib

pytest.importorskip('optuna', reason='Optuna is not installed: requirements-search.txt')
pytestmark = pytest.mark.once

ARCHITECTURES = ['a', 'b']
IDENTITY = {'photos': 'ab', 'architectures': ARCHITECTURES}


class Outcome:
    """What `study.complete` reads of an `Outcome`."""

    def __init__(self, accuracy, is_pruned=False):
        self.accuracy, self.losses = accuracy, np.full(4, 1 - accuracy)
        self.seconds, self.is_pruned = 2.0, is_pruned


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'study.db')


def open_study(path, seed=1, **changes):
    return study_lib.Study(path, seed, dict(IDENTITY, **changes))


def run(study, settings=None, accuracy=None):
    """Runs a trial, which is the better the closer its rate is to 3."""
    trial, choice = study.ask(ARCHITECTURES, settings)
    study.begin(trial, {'architecture': choice.architecture, 'learning_rate': choice.rate}, False)
    study.complete(trial, Outcome(accuracy or 1 / (1 + abs(choice.rate - 3))))
    return choice


def test_a_trial_is_as_asked_for(path):
    wanted = dict(space.DEFAULTS, architecture='b', rate=2.0)
    assert run(open_study(path), wanted)._asdict() == wanted


def test_a_study_goes_on_as_if_it_had_not_been_stopped(path):
    whole = open_study('')
    wanted = [run(whole) for _ in range(12)]
    found = []
    for count in (5, 4, 3):
        study = open_study(path)
        found += [run(study) for _ in range(count)]
    assert found == wanted
    assert study_lib.lowest_of(open_study(path).rows()) == study_lib.lowest_of(whole.rows())


def test_what_is_suggested_gets_better():
    study = open_study('')
    rates = [run(study).rate for _ in range(40)]
    early, late = ([abs(rate - 3) for rate in part] for part in (rates[:10], rates[-10:]))
    assert sorted(late)[5] < sorted(early)[5]


def test_rows_are_what_was_told(path):
    study = open_study(path)
    run(study, accuracy=0.75)
    trial, choice = study.ask(ARCHITECTURES)
    study.give_up(trial, 'no time', 3.0)
    trial, _ = study.ask(ARCHITECTURES)
    study.begin(trial, {'architecture': 'b'}, True)
    study.complete(trial, Outcome(0.5, is_pruned=True))
    trial, _ = study.ask(ARCHITECTURES)
    study.drop(trial)
    complete, given_up, pruned = open_study(path).rows()
    assert (complete.accuracy, complete.loss, complete.seconds) == (0.75, 0.25, 2.0)
    assert complete.why is None
    assert (given_up.why, given_up.seconds, given_up.flags) == ('no time', 3.0, None)
    assert given_up.loss is None and given_up.choice == choice
    assert pruned.loss is None and pruned.accuracy == 0.5 and pruned.cut_short
    assert study_lib.lowest_of([given_up, pruned]) is None
    assert study_lib.candidates([given_up, pruned]) == []


def test_the_first_of_equals_is_the_one_to_take():
    study = open_study('')
    for accuracy in (0.5, 0.9, 0.9, 0.7):
        run(study, accuracy=accuracy)
    assert [row.number for row in study_lib.candidates(study.rows())] == [1, 2]
    assert study_lib.lowest_of(study.rows()).number == 1


def test_losses_of_many_photos_are_a_part_of_them():
    study = open_study('')
    trial, _ = study.ask(ARCHITECTURES)
    outcome = Outcome(0.5)
    outcome.losses = np.arange(2500.0)
    study.complete(trial, outcome)
    (row,) = study.rows()
    assert row.loss == 1249.5 and row.losses == list(np.arange(0, 2500.0, 3))


def test_a_killed_trial_begins_anew_once(path):
    study = open_study(path)
    run(study)
    _, choice = study.ask(ARCHITECTURES)  # And the process ends here.
    again = open_study(path)
    assert again.stopped == [choice._asdict()]
    assert run(again, again.stopped[0]) == choice
    again.ask(ARCHITECTURES, again.stopped[0])  # What ends the search twice is left.
    assert open_study(path).stopped == []
    assert len(open_study(path).rows()) == 2


def test_a_hopeless_trial_is_to_be_pruned():
    study = open_study('')
    for _ in range(8):
        trial, _ = study.ask(ARCHITECTURES)
        study.report(trial, 60, 0.2)
        study.complete(trial, Outcome(0.8))
    trial, _ = study.ask(ARCHITECTURES)
    assert not study.report(trial, 20, 0.9)  # It is too early to tell.
    assert study.report(trial, 60, 0.21)
    trial, _ = study.ask(ARCHITECTURES)
    assert not study.report(trial, 60, 0.19)


def test_importances_tell_what_mattered():
    study = open_study('')
    assert study.importances() == {}
    for number in range(20):
        settings = dict(space.DEFAULTS, architecture='ab'[number % 2], rate=1.0 + number)
        run(study, settings, accuracy=0.9 if number % 2 else 0.3)
    found = study.importances()
    assert next(iter(found)) == 'architecture' and found['architecture'] > 0.8
    assert abs(sum(found.values()) - 1) < 1e-6


def test_a_study_of_something_else_is_refused(path):
    run(open_study(path))
    with pytest.raises(UserError, match='of a search with other photos: give the same ones'):
        open_study(path, photos='cd')
    with pytest.raises(UserError, match='has --random_seed=1, found 2: leave the flag out'):
        open_study(path, seed=2)
    assert open_study(path, seed=None).seed == 1


def test_no_study_is_refused(path):
    with open(path, 'w') as file:
        file.write('no database' * 1000)
    with pytest.raises(UserError, match='cannot use the study .*not a database'):
        open_study(path)
    with open(path) as file:
        assert file.read() == 'no database' * 1000


def test_a_database_of_something_else_is_left_alone(path):
    with sqlite3.connect(path) as database:
        database.execute('create table studies (name text)')
    database.close()
    before = os.path.getsize(path)
    with pytest.raises(UserError, match='cannot use the study'):
        open_study(path)
    assert os.path.getsize(path) == before


@pytest.mark.parametrize('name', ['a b.db', 'ü.db', 'a%20b.db', 'a?b.db', 'a#b.db'])
def test_any_name_of_a_file(tmp_path, name):
    path = str(tmp_path / name)
    run(open_study(path))
    assert os.path.isfile(path) and len(open_study(path).rows()) == 1
