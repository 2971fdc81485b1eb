"""The search: asks for trials, runs them while there is time, and finds the best."""

import functools
import logging

from scripts.common.errors import UserError
from scripts.common.progress import DeadlineError, Progress
from scripts.searching import space
from scripts.searching import study as study_lib

_LOG = logging.getLogger(__name__)

_NO_TIME = 'it would not fit into the time that is left'
# A loss falls with such a power of the number of steps, as a rule of thumb: the more of a network
# is trained, the longer it goes on falling.
_EXPONENTS = {space.QUARTER: -0.05, space.HALF: -0.1, space.WHOLE: -0.2}
_MOST_IN_VAIN = 20  # Trials in a row that there is no time for.


class Search:
    """A search among networks.

    Args:
      study: a `Study`.
      trials: `Trials`.
      budget: a `Budget`.
      most_trials: how many there may be in the study, or None.
    """

    def __init__(self, study, trials, budget, most_trials=None):
        self._study, self._trials, self._budget = study, trials, budget
        self._most = most_trials
        self._architectures, self._usable = [], []
        self._queue, self._fine_tuned, self._had_last = [], False, False
        self._last_error = None

    def run(self, architectures):
        """Runs trials until the time is over, or there have been as many as there may be.

        Args:
          architectures: list of str.

        Returns:
          The `Row` of the one to take.

        Raises:
          UserError: no trial came to its end.
        """
        self._architectures = architectures
        self._usable = self._in_order(architectures)
        self._queue = list(self._study.stopped)
        self._queue += [dict(space.DEFAULTS, architecture=name) for name in self._usable]
        try:
            with Progress.until(self._budget.deadline):
                self._run_trials()
        except DeadlineError:
            pass
        found = study_lib.candidates(self._study.rows())
        if not found:
            raise self._last_error or UserError(
                'no trial came to its end within the time: give more --minutes, or smaller '
                'networks as --architectures'
            )
        return found[0]

    def _in_order(self, architectures):
        """Returns the networks that there is time for, those that cost least first."""
        costs = {}
        for architecture in architectures:
            try:
                costs[architecture] = self._cost(architecture)
            except UserError as error:
                self._last_error = error
                _LOG.warning('%s is left out: %s', architecture, error)
        usable = []
        for architecture in sorted(costs, key=costs.get):
            if not self._budget.is_limited or self._budget.has_room_for_network(architecture):
                usable.append(architecture)
            else:
                _LOG.warning('%s is left out: %s', architecture, _NO_TIME)
        return usable

    def _cost(self, architecture):
        """Returns what networks are put in order by: seconds, or what does not differ by chance."""
        if not self._budget.is_limited:
            return self._trials.numbers_a_photo(architecture)
        seconds = self._trials.seconds_a_photo(architecture)
        self._budget.learn_photo(architecture, seconds)
        return seconds

    def _run_trials(self):
        in_vain = 0
        while in_vain < _MOST_IN_VAIN and not self._has_all():
            promising = None if self._had_last else self._promising()
            if promising is not None and self._budget.last_is_due(promising):
                self._had_last = True
                settings = dict(promising._asdict(), length=space.LONG)
                trial, choice = self._study.ask(self._architectures, settings)
                self._run_trial(trial, choice, self._budget.longest(choice), is_last=True)
                continue  # Where it took less than was left, there is time for small ones.
            settings = self._next_in_queue()
            trial, choice = self._study.ask(self._architectures, settings)
            is_usable = choice.architecture in self._usable
            steps = self._budget.steps(choice) if is_usable else 0
            began = self._run_trial(trial, choice, steps)
            in_vain = 0 if began else in_vain + 1

    def _promising(self):
        """Returns the `Choice` that would be the best with all the steps that there is time for.

        None where that is the best already.
        """
        complete = [row for row in self._study.rows() if row.loss is not None]
        best = min(complete, key=self._loss_at_length, default=None)
        return best.choice if best is not None and best.cut_short else None

    def _loss_at_length(self, row):
        """Returns the loss of a trial with all the steps that there is time for, as a guess."""
        can_be_longer = row.cut_short and row.choice.architecture in self._usable
        if not can_be_longer or not self._budget.is_limited:
            return row.loss
        longer = self._budget.longest(row.choice) / row.flags['how_many_training_steps']
        return row.loss * max(1.0, longer) ** _EXPONENTS[row.choice.trained]

    def _next_in_queue(self):
        """Returns the settings of the next trial that is not for Optuna to suggest, or None."""
        best = study_lib.lowest_of(self._study.rows())
        had = [row.choice._asdict() for row in self._study.rows() if row.choice is not None]
        self._queue = [each for each in self._queue if not _is_in(each, had)]
        if not self._queue and best is not None and not self._fine_tuned:
            # Each network had its head trained: the best one is fine-tuned.
            self._fine_tuned = True
            for settings in space.FINE_TUNED:
                self._queue.append(dict(settings, architecture=best.choice.architecture))
            return self._next_in_queue()
        return self._queue.pop(0) if self._queue else None

    def _has_all(self):
        return self._most is not None and len(self._study.rows()) >= self._most

    def _run_trial(self, trial, choice, steps, is_last=False):
        """Runs an asked trial of so many steps; returns whether it began: not one of 0 steps."""
        if not steps:
            self._study.give_up(trial, _NO_TIME)
            return False
        try:
            self._train(trial, choice, steps, is_last)
        except DeadlineError:
            self._study.drop(trial)
            raise
        except UserError as error:
            self._last_error = error
            self._study.give_up(trial, str(error))
            _LOG.warning('trial %d: %s', trial.number, error)
        return True

    def _train(self, trial, choice, steps, is_last):
        count = self._trials.block_count(choice.architecture) if choice.fine_tunes else 0
        blocks = space.blocks_of(choice, count)
        flags = space.flags_of(choice, blocks, self._budget.training_photos, steps)
        wanted = space.steps_of(choice, self._budget.training_photos)
        before = study_lib.candidates(self._study.rows())
        self._study.begin(trial, flags, steps < wanted)
        is_hopeless = None if is_last else functools.partial(self._is_hopeless, trial)
        outcome = self._trials.run(flags, is_hopeless)
        self._budget.learn_trial(choice, steps, outcome)
        self._study.complete(trial, outcome)
        after = study_lib.candidates(self._study.rows())
        kept = [row.flags for row in after]
        for beaten in [row.flags for row in before] + [flags]:
            if beaten not in kept:
                self._trials.forget(beaten)
        _log(trial.number, outcome, after[0], flags)

    def _is_hopeless(self, trial, done, measured):
        """Returns whether a trial is to be pruned after a fraction of it is done."""
        if measured is None or not 0 < done < 1:
            return False
        return self._study.report(trial, round(100 * done), 1 - measured.accuracy)


def _is_in(settings, choices):
    """Returns whether one of some dicts has all of some settings, a dict."""
    return any(all(each[name] == settings[name] for name in settings) for each in choices)


def _log(number, outcome, best, flags):
    _LOG.info(
        'Trial %d: %s, %.1f%% (N=%d), %.0f s; best: trial %d, %.3f, %.1f%%; %s',
        number,
        'pruned' if outcome.is_pruned else 'loss %.3f' % outcome.losses.mean(),
        100 * outcome.accuracy,
        len(outcome.losses),
        outcome.seconds,
        best.number,
        best.loss,
        100 * best.accuracy,
        ' '.join(space.as_typed(space.telling(flags))),
    )
