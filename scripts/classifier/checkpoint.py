"""Checkpoints: training that is stopped goes on as if it had not been.

A checkpoint holds variables, and no state of random generators: all that is random in a step is
drawn from the seed again, which takes no time to speak of.
"""

import hashlib
import io
import json
import os
import time
import typing
import zipfile

import numpy as np

from scripts import files
from scripts.errors import UserError

SECONDS_BETWEEN = 1.0

_META = 'meta'
_VARIABLE, _BEST = 'variable/', 'best/'

# What may differ between a run and the one that goes on from it.
_FREE_SETTINGS = (
    'how_many_training_steps',
    'test_batch_size',
    'final_tensor_name',
    'summaries_dir',
    'intermediate_output_graphs_dir',
    'intermediate_store_frequency',
    'checkpoint_path',
    'resume',
)


class Best(typing.NamedTuple):
    """The best evaluation so far: its validation accuracy, 0 to 1, its step, and the variables."""

    accuracy: float
    step: int
    variables: typing.Dict[str, np.ndarray]


class Checkpoint(typing.NamedTuple):
    """How far training has come.

    steps_done: int.
    variables: from name to value.
    best: the `Best` evaluation, or None.
    stopped_early: whether training is over though steps remain.
    """

    steps_done: int
    variables: typing.Dict[str, np.ndarray]
    best: typing.Optional[Best]
    stopped_early: bool


class Keeper:
    """Keeps the checkpoint of one run.

    Args:
      path: the file, or '' for none at all.
      same: the run's `identity`.
    """

    def __init__(self, path, same):
        self._path, self._same = path, same
        self._saved = time.monotonic()

    def load(self):
        """Returns the `Checkpoint` to go on from, or None; see `load`."""
        return load(self._path, self._same)

    def due(self):
        """Returns whether it is time to save: not so often that training would wait for it."""
        return bool(self._path) and time.monotonic() - self._saved >= SECONDS_BETWEEN

    def save(self, checkpoint):
        """Saves a `Checkpoint` where there is a path."""
        if self._path:
            save(self._path, checkpoint, self._same)
            self._saved = time.monotonic()


def identity(settings, pretrained, dataset):
    """Returns what must be the same to go on from a checkpoint, a dict of JSON values.

    Args:
      settings: a `settings.Retraining`.
      pretrained: the `Pretrained` network.
      dataset: the `Dataset`.
    """
    training = {
        name: value
        for name, value in settings.training._asdict().items()
        if name not in _FREE_SETTINGS
    }
    photos = [
        (files.as_utf8(photo.folder), files.as_utf8(photo.file_name), photo.category)
        for photo in dataset.photos
    ]
    return dict(
        training,
        labels=list(dataset.labels),
        photos=hashlib.sha256(json.dumps(photos).encode('ascii')).hexdigest(),
        network=pretrained.sha256,
        exif_rotation=settings.network.pixels.exif_rotation,
        distortions=list(settings.distortions),
    )


def save(path, checkpoint, same):
    """Writes a `Checkpoint` that only a run with the `identity` `same` goes on from."""
    best = checkpoint.best
    meta = {
        'steps_done': checkpoint.steps_done,
        'stopped_early': checkpoint.stopped_early,
        'best': best and [float(best.accuracy), best.step],
        'identity': same,
    }
    arrays = {_VARIABLE + name: value for name, value in checkpoint.variables.items()}
    if best is not None:
        arrays.update((_BEST + name, value) for name, value in best.variables.items())
    data = io.BytesIO()
    np.savez(data, **dict(arrays, **{_META: np.array(json.dumps(meta))}))
    files.write(path, data.getvalue())


def load(path, same):
    """Returns the `Checkpoint` at `path`, or None where there is none.

    Raises:
      UserError: it is damaged, or of a run with another `identity` than `same`.
    """
    if not os.path.exists(path):
        return None
    meta, arrays = _read(path)
    if meta['identity'] != same:
        different = sorted(name for name in same if meta['identity'].get(name) != same[name])
        raise UserError(
            'the checkpoint %s is of a run with other %s: give the same flags and photos, or '
            'another --checkpoint_path' % (path, ', '.join(different))
        )
    best = meta['best'] and Best(*meta['best'], _named(arrays, _BEST))
    return Checkpoint(meta['steps_done'], _named(arrays, _VARIABLE), best, meta['stopped_early'])


def random_seed(path):
    """Returns the seed of the run that wrote the checkpoint at `path`, or None without one."""
    if not os.path.exists(path):
        return None
    return _read(path)[0]['identity']['random_seed']


def _read(path):
    try:
        data = io.BytesIO(files.read(path, 'checkpoint'))
        with np.load(data, allow_pickle=False) as archive:
            arrays = dict(archive)
        return json.loads(str(arrays.pop(_META))), arrays
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        raise UserError(
            'the checkpoint %s is damaged: delete it to begin from the first step' % path
        )


def _named(arrays, prefix):
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}
