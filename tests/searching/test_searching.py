"""The order of trials, what ends a search, and which trial is the best."""

import collections
import time

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.dataset import split
from scripts.searching import budget as budget_lib
from scripts.searching import study as study_lib
from scripts.searching.budget import Budget
from scripts.searching.searching import Search

pytest.importorskip('optuna', reason='Optuna is not installed: requirements-search.txt')
pytestmark = pytest.mark.once

COUNTS = collections.Counter({split.TRAINING: 480, split.VALIDATION: 60, split.TESTING: 60})
COSTS = {'large': 0.02, 'small': 0.001, 'medium': 0.005}


class Outcome:
    """As of a trial."""

    def __init__(self, accuracy):
        self.accuracy, self.losses = accuracy, np.full(60, 1 - accuracy)
        self.seconds, self.seconds_a_step, self.is_pruned = 1.0, 0.01, False


class Trials:
    """Stands in for trials: what each one gives is made up, and takes no time.

    Args:
      accuracies: from network to the accuracy of its head; fine-tuning adds a tenth.
      broken: networks that cannot be loaded.
      untrainable: networks that cannot be fine-tuned.
    """

    def __init__(self, accuracies, broken=(), untrainable=()):
        self._accuracies, self._broken, self._untrainable = accuracies, broken, untrainable
        self.run_flags, self.kept = [], []

    def seconds_a_photo(self, architecture):
        if architecture in self._broken:
            raise UserError('it is corrupt')
        return COSTS[architecture]

    numbers_a_photo = seconds_a_photo

    def block_count(self, architecture):
        return 10

    def run(self, flags, on_evaluation):
        self.run_flags.append(flags)
        network, fine_tunes = flags['architecture'], 'fine_tune_blocks' in flags
        if fine_tunes and network in self._untrainable:
            raise UserError('it cannot be fine-tuned')
        self.kept.append(flags)
        Progress.raise_if_stopped()
        return Outcome(self._accuracies[network] + 0.1 * fine_tunes)

    def forget(self, flags):
        self.kept.remove(flags)


def search_of(trials, most=12, budget=None, architectures=('large', 'small', 'medium')):
    """Runs a search; returns the `Row` of the best."""
    study = study_lib.Study('', 1, {})
    return Search(study, trials, budget or Budget(COUNTS), most).run(list(architectures))


ACCURACIES = {'large': 0.8, 'small': 0.6, 'medium': 0.7}


def test_cheap_networks_come_first_and_then_the_best_is_fine_tuned():
    trials = Trials(ACCURACIES)
    best = search_of(trials)
    tried = [(flags['architecture'], flags.get('fine_tune_blocks')) for flags in trials.run_flags]
    assert tried[:3] == [('small', None), ('medium', None), ('large', None)]
    assert tried[3:5] == [('large', 5), ('large', -1)]
    assert len(tried) == 12
    assert best.flags['architecture'] == 'large' and 'fine_tune_blocks' in best.flags
    # The variables of others are deleted, but for those that are as good.
    assert best.flags in trials.kept and len(trials.kept) < len(tried)
    assert all('fine_tune_blocks' in flags for flags in trials.kept)


def test_a_broken_network_is_left_out(warnings_of):
    trials = Trials(ACCURACIES, broken=['large'])
    (warning,) = warnings_of(lambda: search_of(trials))
    assert warning == 'large is left out: it is corrupt'
    assert {flags['architecture'] for flags in trials.run_flags} == {'small', 'medium'}


def test_without_any_network_there_is_the_error_of_the_last():
    with pytest.raises(UserError, match='it is corrupt'):
        search_of(Trials(ACCURACIES, broken=['large']), architectures=['large'])


def test_a_trial_that_fails_costs_only_itself(warnings_of):
    trials = Trials(ACCURACIES, untrainable=['large'])
    found = []
    warnings = warnings_of(lambda: found.append(search_of(trials, 30)))
    assert 'trial 3: it cannot be fine-tuned' in warnings
    assert found[0].flags['architecture'] != 'small'


def test_a_network_for_which_there_is_no_time_is_left_out(warnings_of):
    trials = Trials(ACCURACIES)
    (warning,) = warnings_of(lambda: search_of(trials, budget=Budget(COUNTS, 30)))
    assert warning == 'large is left out: it would not fit into the time that is left'
    assert {flags['architecture'] for flags in trials.run_flags} == {'small', 'medium'}


def test_a_trial_ends_with_the_time_and_the_best_is_that_of_before(monkeypatch):
    class Endless(Trials):
        def run(self, flags, on_evaluation):
            while self.run_flags:
                time.sleep(0.01)
                Progress.raise_if_stopped()
            return super().run(flags, on_evaluation)

    for name in ('_OVERHEAD', '_HEAD_STEP', '_FINISH'):
        monkeypatch.setattr(budget_lib, name, 1e-5)
    trials = Endless({'small': 0.5})
    begin = time.monotonic()
    best = search_of(trials, 60, Budget(COUNTS, 3, begin), ['small'])
    assert best.flags == trials.run_flags[0] and 2 < time.monotonic() - begin < 60


def test_without_time_for_a_trial_there_is_one_line():
    with pytest.raises(UserError, match='no trial came to its end within the time'):
        search_of(Trials(ACCURACIES), None, Budget(COUNTS, 6.5), ['small'])


def test_the_last_trial_takes_the_time_that_the_most_promising_had_not():
    class FewSteps(Trials):
        """Steps of fine-tuning take seconds, says the clock; after a few, all is behind half."""

        def run(self, flags, on_evaluation):
            outcome = super().run(flags, on_evaluation)
            if _is_fine_tuned(flags):
                outcome.seconds_a_step = 3.0 if _is_whole(flags) else 2.0
                outcome.losses += 0.03 if _is_whole(flags) else 0
            return outcome

    trials = FewSteps({'medium': 0.5})
    budget = Budget(COUNTS, 600, time.monotonic() - 210)
    search_of(trials, 40, budget, ['medium'])
    fine_tuned = [each for each in trials.run_flags if _is_fine_tuned(each)]
    (longest,) = [each for each in fine_tuned if each['how_many_training_steps'] > 100]
    assert _is_whole(longest)  # Of more steps, more is to be expected there.
    assert sum(each['how_many_training_steps'] <= 90 for each in fine_tuned) > 1


def test_a_study_goes_on_without_a_limit():
    study = study_lib.Study('', 1, {})
    trials = Trials({'medium': 0.5})
    budget = Budget(COUNTS, 600, time.monotonic())
    Search(study, trials, budget, 4).run(['medium'])
    assert any(row.cut_short for row in study.rows())
    Search(study, trials, Budget(COUNTS), 8).run(['medium'])
    assert len(study.rows()) == 8


def _is_fine_tuned(flags):
    return 'fine_tune_blocks' in flags


def _is_whole(flags):
    return flags['fine_tune_blocks'] == -1
