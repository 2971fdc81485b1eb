"""What there is time for."""

import collections
import math
import time

import pytest

from scripts.dataset import split
from scripts.searching import space
from scripts.searching.budget import Budget

pytestmark = pytest.mark.once

COUNTS = collections.Counter({split.TRAINING: 480, split.VALIDATION: 60, split.TESTING: 60})
HEAD = space.Choice(architecture='a', **space.DEFAULTS)
HALF = HEAD._replace(trained=space.HALF)
WHOLE = HEAD._replace(trained=space.WHOLE)


class Outcome:
    """What a `Budget` reads of one."""

    def __init__(self, seconds_a_step, seconds=0.0, is_pruned=False):
        self.seconds_a_step, self.seconds, self.is_pruned = seconds_a_step, seconds, is_pruned


def learn_step(budget, choice, seconds):
    """Lets a trial of one step have taken so many seconds."""
    budget.learn_trial(choice, 1, Outcome(seconds, seconds))


def budget_of(seconds, used=0.0, photo=0.01):
    """Returns the `Budget` of a search with so many seconds, of which some are used."""
    budget = Budget(COUNTS, seconds, time.monotonic() - used)
    budget.learn_photo('a', photo)
    return budget


@pytest.mark.parametrize('choice', [HEAD, HALF, WHOLE])
def test_without_a_limit_there_is_time_for_all(choice):
    budget = Budget(COUNTS)
    assert budget.left == math.inf and budget.deadline == math.inf
    assert budget.steps(choice) == space.steps_of(choice, 480)
    assert not budget.last_is_due(choice)


def test_fine_tuning_gets_fewer_steps_than_it_wants():
    budget = budget_of(600)
    # 50 s a trial, and as long as nothing else is known, a step of 32 photos takes 9 x 0.32 s.
    assert budget.steps(WHOLE) == 17 < space.steps_of(WHOLE, 480)
    learn_step(budget, WHOLE, 0.4)
    assert budget.steps(WHOLE) == 125
    learn_step(budget, WHOLE, 0.01)
    assert budget.steps(WHOLE) == space.steps_of(WHOLE, 480)
    assert budget.steps(HALF) == 39  # That is another one: 4 x 0.32 s.


def test_what_would_take_too_long_does_not_begin():
    assert budget_of(600, photo=1).steps(HALF) == 0  # Its features take ten minutes.
    assert budget_of(600, used=590).steps(HEAD) == 0
    slow = budget_of(600)
    learn_step(slow, WHOLE, 6)
    assert slow.steps(WHOLE) == 0


def test_features_that_are_there_cost_nothing():
    slow, copied = budget_of(600, photo=0.05), HEAD._replace(distorted=True)
    assert slow.steps(copied) == 0  # 150 s for 2,400 copies and 600 photos.
    slow.learn_trial(copied, 1, Outcome(None))
    assert slow.steps(copied) == 4000
    assert slow.steps(copied._replace(trained=space.HALF)) == 0


def test_what_trials_take_beside_their_steps_is_learned():
    budget = budget_of(600, used=500, photo=0.001)
    learn_step(budget, HALF, 1)
    assert budget.steps(HALF) == 50
    # Of its 30 seconds, 10 are for steps, and less than one for features, which are there already.
    budget.learn_trial(HALF, 10, Outcome(1, 60, is_pruned=True))
    assert budget.steps(HALF) == 50
    budget.learn_trial(HALF, 10, Outcome(1, 60))
    assert 40 <= budget.steps(HALF) <= 45


def test_a_network_needs_room_for_its_bottlenecks():
    assert budget_of(60).has_room_for_network('a')
    assert not budget_of(60, photo=0.1).has_room_for_network('a')


@pytest.mark.parametrize(
    'used, step, is_due',
    [
        (600, 40, False),  # Before a fifth of the time is over, others have theirs.
        (800, 40, True),  # 6 epochs of 15 steps would take an hour.
        (800, 1, False),  # They take a minute and a half: there is time for others.
        (3200, 1, True),
    ],
)
def test_the_last_trial_comes_when_all_that_is_left_is_for_it(used, step, is_due):
    budget = budget_of(3600, used, photo=0.001)
    learn_step(budget, WHOLE, step)
    assert budget.last_is_due(WHOLE) == is_due


def test_the_last_trial_takes_what_is_left():
    budget = budget_of(600, used=200, photo=0.001)
    learn_step(budget, WHOLE, 10)
    assert 30 < budget.longest(WHOLE) < 39
    learn_step(budget, WHOLE, 0.1)
    assert budget.longest(WHOLE) == 12 * 15
