"""What trials cost, and what there is time for. No TensorFlow and no Optuna here."""

import math
import time

from scripts.dataset import split
from scripts.searching import space

# Of the whole time: what fine-tuning takes in one trial, the features of one trial, the trials
# before the last one where that one takes all that is left.
_FINE_TUNING, _FEATURES, _TRIALS = 1 / 12, 1 / 12, 1 / 5
_BOTTLENECKS = 1 / 3  # Of what is left: those of a network.
_LEAST_SECONDS = 10.0  # Of fine-tuning in a trial: graphs take seconds to make.
_FEWEST_STEPS = 10

# What a step of fine-tuning takes as long as it was not measured, in times of running its photos
# through the network: the whole of one takes 9.
_PASSES = {space.QUARTER: 3.0, space.HALF: 4.0, space.WHOLE: 9.0}
_HEAD_STEP = 0.003  # Seconds.

# Seconds of a trial beside features and steps, at least: graphs are made, heads trained first.
_OVERHEAD, _FINE_TUNING_OVERHEAD = 4.0, 8.0
_FINISH = 6.0  # Seconds, to write the graph and to test it, beside running the test photos.
_TEST_PASSES = 1.5
_SPARE = 0.95  # Of what is left, for the last trial: steps are not all as fast.


class Budget:
    """The time of a search, and what is known of what things take.

    Args:
      counts: a Counter of photos, by category.
      seconds: of the search from `begin` on; None: there is no limit, and nothing depends on how
        long it takes.
      begin: when it began, as time.monotonic counts seconds.
    """

    def __init__(self, counts, seconds=None, begin=None):
        self._counts, self._seconds = counts, seconds
        self.training_photos = counts[split.TRAINING]
        self._begin = time.monotonic() if begin is None else begin
        self._photo, self._step = {}, {}  # Seconds: by network, by network and what is trained.
        self._overhead = {False: _OVERHEAD, True: _FINE_TUNING_OVERHEAD}  # By fine_tunes.
        self._kept = set()

    @property
    def is_limited(self):
        """Whether there is a limit."""
        return self._seconds is not None

    @property
    def used(self):
        """Seconds since the search began."""
        return time.monotonic() - self._begin

    @property
    def left(self):
        """Seconds that trials may take; infinity without a limit."""
        if not self.is_limited:
            return math.inf
        slowest = max(self._photo.values(), default=0.0)
        finish = _FINISH + _TEST_PASSES * self._counts[split.TESTING] * slowest
        return self._seconds - self.used - finish

    @property
    def deadline(self):
        """When trials have to end, as time.monotonic counts seconds."""
        return time.monotonic() + self.left

    def learn_photo(self, architecture, seconds):
        """Takes in how long a network takes for a photo, decoding included."""
        self._photo[architecture] = seconds

    def learn_trial(self, choice, steps, outcome):
        """Takes in how long a trial of a `Choice` took that had so many steps, by its `Outcome`."""
        features = self._features_seconds(choice) if self.is_limited else 0
        self._kept.update(_features(choice))
        if outcome.seconds_a_step is None:
            return
        self._step[_kind(choice)] = outcome.seconds_a_step
        if not outcome.is_pruned:
            rest = outcome.seconds - features - steps * outcome.seconds_a_step
            self._overhead[choice.fine_tunes] = max(self._overhead[choice.fine_tunes], rest)

    def has_room_for_network(self, architecture):
        """Returns whether there is time for the bottlenecks of a network."""
        return sum(self._counts.values()) * self._photo[architecture] <= _BOTTLENECKS * self.left

    def steps(self, choice):
        """Returns how many steps of a trial there is time for, 0 where it is not to begin."""
        wanted = space.steps_of(choice, self.training_photos)
        if not self.is_limited:
            return wanted
        features = self._features_seconds(choice)
        is_classic = not choice.fine_tunes and not choice.distorted
        if features > self._seconds * _FEATURES and not is_classic:
            return 0
        if not choice.fine_tunes:
            needed = features + self._overhead[False] + wanted * self._step_seconds(choice)
            return wanted if needed <= self.left else 0
        allowed = max(_LEAST_SECONDS, self._seconds * _FINE_TUNING)
        allowed = min(allowed, self.left - features - self._overhead[True])
        return self._fitting(choice, wanted, allowed)

    def longest(self, choice):
        """Returns how many steps all that is left has room for, of a last trial of a `Choice`."""
        wanted = space.steps_of(choice._replace(length=space.LONG), self.training_photos)
        return self._fitting(choice, wanted, _SPARE * (self.left - self._overhead[True]))

    def last_is_due(self, choice):
        """Returns whether it is time for the last trial, one of a `Choice` that got few steps."""
        if not self.is_limited or self.used < self._seconds * _TRIALS:
            return False
        wanted = space.steps_of(choice._replace(length=space.MEDIUM), self.training_photos)
        another = max(_LEAST_SECONDS, self._seconds * _FINE_TUNING) + self._overhead[True]
        return self.left <= wanted * self._step_seconds(choice) / _SPARE + 2 * another

    def _fitting(self, choice, wanted, seconds):
        steps = min(wanted, int(seconds / self._step_seconds(choice)))
        return steps if steps >= min(wanted, _FEWEST_STEPS) else 0

    def _step_seconds(self, choice):
        unknown = _HEAD_STEP
        if choice.fine_tunes:
            batch = space.batch_of(self.training_photos)
            unknown = _PASSES[choice.trained] * batch * self._photo[choice.architecture]
        return self._step.get(_kind(choice), unknown)

    def _features_seconds(self, choice):
        """Returns how long it takes to compute those features of a trial that are not there."""
        photo = self._photo[choice.architecture]
        missing = _features(choice) - self._kept
        return sum(
            photo * (each[-1] * self.training_photos if each[-1] else sum(self._counts.values()))
            for each in missing
        )


def _kind(choice):
    """Returns what the time of a step depends on."""
    is_distorted_each_time = choice.distorted and not choice.copies
    return choice.architecture, choice.trained, choice.hidden_units, is_distorted_each_time


def _features(choice):
    """Returns the set of features that a trial needs: network, boundary, copies."""
    found = {(choice.architecture, space.HEAD, 0)}
    if choice.fine_tunes:
        found.add((choice.architecture, choice.trained, 0))
    if choice.copies:
        found.add((choice.architecture, choice.trained, choice.copies))
    return found
