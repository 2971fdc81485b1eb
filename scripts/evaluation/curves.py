"""Learning curves, read from the event files of a training."""

import glob
import itertools
import logging
import os
import typing

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf import message

from scripts.common import encodings
from scripts.common.errors import UserError
from scripts.training import summaries

_RUNS = ('train', 'validation')
_TAGS = {'accuracy_1': 'accuracy', 'cross_entropy_1': 'cross_entropy'}

_LOG = logging.getLogger(__name__)


class Curve(typing.NamedTuple):
    """run: 'train' or 'validation'. steps: int64 `[n]`, ascending. values: float64 `[n]`."""

    run: str
    steps: np.ndarray
    values: np.ndarray


class Curves(typing.NamedTuple):
    """Lists of `Curve`: accuracy, from 0 to 1, and cross entropy."""

    accuracy: typing.Sequence[Curve]
    cross_entropy: typing.Sequence[Curve]


def event_files(summaries_dir):
    """Returns a dict from run to the paths of its event files, oldest first.

    Raises:
      UserError: there is none below the folder.
    """
    found = {}
    for run in _RUNS:
        pattern = os.path.join(glob.escape(summaries_dir), run, 'events.out.tfevents.*')
        found[run] = sorted(filter(os.path.isfile, glob.glob(pattern)))
    if not any(found.values()):
        raise UserError(
            '%s has no event files in train/ or validation/: expected the --summaries_dir '
            'of the training' % summaries_dir
        )
    return found


def read(summaries_dir):
    """Returns the `Curves` of a training.

    A corrupt end of an event file, which a stopped training may leave, is a warning.

    Args:
      summaries_dir: the folder that holds train/ and validation/.

    Raises:
      UserError: there are no event files.
    """
    curves = Curves([], [])
    for run, paths in event_files(summaries_dir).items():
        points = {name: {} for name in _TAGS.values()}
        for path in paths:
            _read_file(path, points)
        for name, values in points.items():
            if values:
                steps = np.array(sorted(values), np.int64)
                curve = Curve(run, steps, np.array([values[step] for step in steps]))
                getattr(curves, name).append(curve)
    return curves


def _read_file(path, points):
    """Adds step and value of each point; of one step the last one counts, as in a resumed run."""
    count, is_complete = summaries.count_records(path)
    problem = None if is_complete else 'its last record is incomplete'
    events = tf.train.summary_iterator(encodings.for_tensorflow(path))
    try:
        for event in itertools.islice(events, count):
            for value in event.summary.value:
                if value.tag in _TAGS:
                    points[_TAGS[value.tag]][event.step] = value.simple_value
    except tf.errors.DataLossError as error:
        problem = error.message
    except message.DecodeError:
        problem = 'a record holds no event'
    if problem:
        _LOG.warning('%s is corrupt; the curves end there: %s', path, problem)
