"""The study of a search: its trials, as Optuna keeps them. No TensorFlow here."""

import contextlib
import os
import random
import sqlite3
import typing
import urllib.parse
import warnings

from scripts.common.errors import UserError
from scripts.searching import space

_NAME = 'search'
_IDENTITY, _SEED = 'identity', 'random_seed'
_PERCENT_KEPT = 75.0  # Of trials at the same point: the worst are pruned.
_NEVER_PRUNED = 8  # Trials that come to their end before one is pruned,
_PERCENT_BEFORE = 30  # and how much of one has to be done.
_TABLES = {'studies', 'trials', 'version_info'}
_SEEDS = 2**31  # As of retrain.
_CANDIDATES = 64  # Of which the sampler takes the likeliest.

# Attributes of a trial.
_FLAGS, _WHY, _CUT_SHORT = 'flags', 'why', 'cut_short'
_ACCURACY, _SECONDS = 'accuracy', 'seconds'


class Row(typing.NamedTuple):
    """A trial that is over.

    number: int, from 0 on.
    choice: its `space.Choice`, or None.
    flags: the dict of flags of retrain; None where it did not begin.
    loss: what it is judged by, as `judging.loss`; None where it did not reach its end.
    accuracy: of all validation photos; None where it has none.
    seconds: how long it took.
    why: why it did not reach its end, in words; None where it did.
    cut_short: whether it had fewer steps than it wanted, for want of time.
    """

    number: int
    choice: typing.Optional[space.Choice]
    flags: typing.Optional[typing.Dict[str, typing.Any]]
    loss: typing.Optional[float]
    accuracy: typing.Optional[float]
    seconds: float
    why: typing.Optional[str]
    cut_short: bool


class Study:
    """A study that goes on where it was stopped.

    seed: int, of what is suggested, and of trials.
    stopped: list of the settings, dicts, of trials that were not brought to their end.

    Args:
      path: of its SQLite file, or '' to keep it in memory.
      seed: int, or None: that of the study that is there, otherwise a new one.
      identity: a dict of JSON values that all trials of a study have in common.

    Raises:
      UserError: the file is no study, is of another one, or cannot be written.
    """

    def __init__(self, path, seed, identity):
        self._path = path
        self._optuna = _optuna()
        if path and os.path.exists(path):
            _check_tables(path)
        try:
            self._study = self._optuna.create_study(
                study_name=_NAME,
                storage=_address(path) if path else None,
                direction='minimize',
                pruner=self._optuna.pruners.PercentilePruner(
                    _PERCENT_KEPT, _NEVER_PRUNED, _PERCENT_BEFORE
                ),
                load_if_exists=True,
            )
            self._check(identity)
            self.seed = self._settle(seed)
        except UserError:
            raise
        except Exception as error:  # Of SQLAlchemy, of Alembic, of Optuna.
            first = str(error).strip().split('\n')[0]
            raise _unusable(path, first)
        self.stopped = self._take_up()

    def _check(self, identity):
        there = self._study.user_attrs.get(_IDENTITY)
        if there is None:
            if self._study.get_trials(deepcopy=False):
                raise UserError(
                    '%s is a study of something else: give another --study' % self._path
                )
            self._study.set_user_attr(_IDENTITY, identity)
            return
        different = [name for name in identity if there.get(name) != identity[name]]
        if different:
            raise UserError(
                'the study %s is of a search with other %s: give the same ones, or another '
                '--study' % (self._path, ', '.join(different))
            )

    def _settle(self, seed):
        """Returns the seed of the study, which is written down."""
        there = self._study.user_attrs.get(_SEED)
        if there is None:
            there = random.SystemRandom().randrange(_SEEDS) if seed is None else seed
            self._study.set_user_attr(_SEED, there)
        if seed not in (None, there):
            raise UserError(
                'the study %s has --random_seed=%d, found %d: leave the flag out, or give another '
                '--study' % (self._path, there, seed)
            )
        return there

    def _take_up(self):
        """Returns the settings of trials that ran when a search was stopped: they begin anew.

        But for those that were stopped before: they may be what ended the search, as one that takes
        more memory than there is does.
        """
        states, stopped = self._optuna.trial.TrialState, []
        failed = [each.params for each in self._study.get_trials(False, (states.FAIL,))]
        for trial in self._study.get_trials(False, (states.RUNNING,)):
            self._study.tell(trial.number, state=states.FAIL)
            if trial.params and trial.params not in failed:
                stopped.append(trial.params)
        return stopped

    def ask(self, architectures, settings=None):
        """Begins a trial.

        Args:
          architectures: list of str, always the same.
          settings: a dict of what is not to be suggested, but is to be as it says; or None.

        Returns:
          The Optuna Trial, to tell its end by, and its `space.Choice`.
        """
        samplers = self._optuna.samplers
        # What is suggested depends on what is known alone, and not on when the study was stopped.
        sampler = samplers.TPESampler(
            seed=self.seed + len(self.rows()), n_startup_trials=1, n_ei_candidates=_CANDIDATES
        )
        if settings:
            sampler = samplers.PartialFixedSampler(settings, sampler)
        self._study.sampler = sampler
        trial = self._study.ask()
        return trial, space.suggest(trial, architectures)

    def report(self, trial, percent, error_rate):
        """Takes in how far a trial has come, and how well; returns whether it is to be pruned."""
        trial.report(error_rate, percent)
        return trial.should_prune()

    def begin(self, trial, flags, cut_short):
        """Takes in what a trial is: its flags, and whether it gets fewer steps than it wants."""
        trial.set_user_attr(_FLAGS, flags)
        trial.set_user_attr(_CUT_SHORT, cut_short)

    def complete(self, trial, outcome):
        """Takes in how a trial ended, as an `Outcome`."""
        states = self._optuna.trial.TrialState
        trial.set_user_attr(_ACCURACY, outcome.accuracy)
        trial.set_user_attr(_SECONDS, outcome.seconds)
        if outcome.is_pruned:
            trial.set_user_attr(_WHY, 'among the worst at the same point')
            self._study.tell(trial, state=states.PRUNED)
            return
        self._study.tell(trial, outcome.loss)

    def give_up(self, trial, why, seconds=0.0):
        """Takes in that a trial has no result, and why; it counts as the worst."""
        trial.set_user_attr(_WHY, why)
        trial.set_user_attr(_SECONDS, seconds)
        self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)

    def drop(self, trial):
        """Takes in that a trial was not brought to its end, which says nothing about it."""
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def rows(self):
        """Returns the list of `Row`s of trials that are over."""
        states = self._optuna.trial.TrialState
        over = (states.COMPLETE, states.PRUNED)
        trials = self._study.get_trials(deepcopy=False, states=over)
        return [_row(trial, trial.state == states.COMPLETE) for trial in trials]

    def importances(self):
        """Returns a dict from the names of settings to how important they are, the most first.

        Empty where there are too few trials to tell, or all are equally good.
        """
        complete = [row for row in self.rows() if row.loss is not None]
        if len({row.loss for row in complete}) < 2:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=self.seed)
        found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def best_of(rows):
    """Returns the best `Row`, the first where several are; None where none came to its end."""
    complete = [row for row in rows if row.loss is not None]
    return min(complete, key=lambda row: (row.loss, row.number), default=None)


def _optuna():
    warnings.filterwarnings('ignore', module='(optuna|alembic|sqlalchemy)')  # Of what is to come.
    import optuna

    warnings.filterwarnings('ignore', category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _address(path):
    """Returns the address of a SQLite file, by which SQLAlchemy knows it."""
    from sqlalchemy.engine import URL

    database = 'file:' + urllib.parse.quote(os.path.abspath(path))
    return str(URL.create('sqlite', database=database, query={'uri': 'true'}))


def _check_tables(path):
    """Raises UserError unless a file is empty, or a database of Optuna's: it would become one."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            found = database.execute('select name from sqlite_master').fetchall()
    except sqlite3.Error as error:
        raise _unusable(path, error)
    if found and not {name for (name,) in found} >= _TABLES:
        raise _unusable(path, 'it is a database of something else')


def _unusable(path, why):
    return UserError(
        'cannot use the study %s (%s): expected one that search has made with this version of '
        'Optuna; give another --study' % (path, why)
    )


def _row(trial, is_complete):
    attributes = trial.user_attrs
    has_all = set(space.Choice._fields) <= set(trial.params)
    return Row(
        trial.number,
        space.Choice(**{name: trial.params[name] for name in space.Choice._fields})
        if has_all
        else None,
        attributes.get(_FLAGS),
        trial.value if is_complete else None,
        attributes.get(_ACCURACY),
        attributes.get(_SECONDS, 0.0),
        attributes.get(_WHY),
        attributes.get(_CUT_SHORT, False),
    )
