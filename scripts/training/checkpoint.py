"""Checkpoints: training that is stopped goes on as if it had not been.

A checkpoint holds variables, and no state of random generators: all that is random in a step is
drawn from the seed again, which takes no time to speak of.
"""

import hashlib
import io
import json
import math
import os
import time
import typing
import zipfile

import numpy as np

from scripts.common import encodings, files, untrusted
from scripts.common.errors import UserError
from scripts.training.settings import COSINE

SECONDS_BETWEEN = 1.0
# What takes longer to save, as large networks do, is saved less often.
_MOST_SECONDS = 0.05

_META = 'meta'
_VARIABLE, _BEST = 'variable/', 'best/'
_MOST = 2**31 - 1  # Of steps, which TensorFlow counts in 32 bits, and of seeds.

# In the lines that say what differs.
_STEPS_OF_COSINE = 'how_many_training_steps (the learning rate is 0 after as many)'

# What may differ between a run and the run that resumes it, and what stands there by itself.
_FREE_SETTINGS = (
    'how_many_training_steps',
    'random_seed',
    'test_batch_size',
    'final_tensor_name',
    'summaries_dir',
    'intermediate_output_graphs_dir',
    'intermediate_store_frequency',
    'checkpoint_path',
    'resume',
    'summary_interval',
    'identity',
    'first_step',
    'learning_rate_flag',
)


class Best(typing.NamedTuple):
    """The best evaluation so far: accuracy, 0 to 1, and cross entropy on validation photos.

    step: the step that it was after; that before the first one, where it was before.
    variables: from name to value.
    """

    accuracy: float
    cross_entropy: float
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


class CheckpointManager:
    """Keeps the checkpoint of one run.

    Args:
      path: the file, or '' for none at all.
      run_identity: the run's `identity`.
    """

    def __init__(self, path, run_identity):
        self._path, self._identity = path, run_identity
        self._saved, self._longer = time.monotonic(), 1.0

    def load(self):
        """Returns the `Checkpoint` to go on from, or None; see `load`."""
        return load(self._path, self._identity)

    def due(self):
        """Returns whether it is time to save: not so often that training would wait for it."""
        pause = SECONDS_BETWEEN * self._longer
        return bool(self._path) and time.monotonic() - self._saved >= pause

    def save(self, checkpoint):
        """Saves a `Checkpoint` where there is a path."""
        if self._path:
            begin = time.monotonic()
            save(self._path, checkpoint, self._identity)
            self._saved = time.monotonic()
            self._longer = max(1.0, (self._saved - begin) / _MOST_SECONDS)


def identity(settings, backbone, dataset):
    """Returns what must be the same to go on from a checkpoint, a dict of JSON values.

    Args:
      settings: a `settings.Retraining`.
      backbone: the `Backbone` that is trained behind.
      dataset: the `Dataset`.
    """
    found = {}
    for stage in settings.stages:
        for name, value in _of_stage(stage).items():
            found.setdefault(name, []).append(value)
    found.update(
        random_seed=settings.training.random_seed,
        head_steps=settings.training.first_step,
        boundary=backbone.boundary,
        labels=dataset.labels,
        photos=digest_of(dataset.photos),
        network=backbone.fingerprint,
        exif_rotation=backbone.network.pixels.exif_rotation,
        decode=backbone.network.pixels.decode,
        distortions=settings.distortions,
        distorted_copies=settings.distorted_copies,
    )
    return json.loads(json.dumps(found))  # Tuples are lists there.


def digest_of(photos):
    """Returns the SHA-256 of the JSON of a list of photos, in hex; that list itself may be long."""
    digest = hashlib.sha256(b'[')
    for number, photo in enumerate(photos):
        names = encodings.as_utf8(photo.folder), encodings.as_utf8(photo.file_name)
        digest.update(b', ' * (number > 0) + json.dumps(names + (photo.category,)).encode('ascii'))
    digest.update(b']')
    return digest.hexdigest()


def _of_stage(training):
    """Returns a dict from the flags of a stage's `Training` to what they must have in common."""
    found = training._asdict()
    found[training.learning_rate_flag] = found.pop('learning_rate')
    if training.learning_rate_decay == COSINE:
        found[_STEPS_OF_COSINE] = training.how_many_training_steps
    return {name: value for name, value in found.items() if name not in _FREE_SETTINGS}


def save(path, checkpoint, run_identity):
    """Writes a `Checkpoint` from which only a run with the same `identity` resumes."""
    best = checkpoint.best
    meta = {
        'steps_done': checkpoint.steps_done,
        'stopped_early': checkpoint.stopped_early,
        'best': best and [float(best.accuracy), float(best.cross_entropy), best.step],
        'identity': run_identity,
    }
    arrays = {_VARIABLE + name: value for name, value in checkpoint.variables.items()}
    if best is not None:
        arrays.update((_BEST + name, value) for name, value in best.variables.items())
    data = io.BytesIO()
    np.savez(data, **dict(arrays, **{_META: np.array(json.dumps(meta))}))
    files.write(path, data.getvalue())


def load(path, run_identity):
    """Returns the `Checkpoint` at `path`, or None where there is none.

    Raises:
      UserError: it is corrupt, or of a run with another `identity`.
    """
    if not os.path.exists(path):
        return None
    saved, identity_of_saved = _read(path)
    if identity_of_saved != run_identity:
        names = sorted(set(run_identity) | set(identity_of_saved))
        different = [
            name
            for name in names
            if name not in run_identity or identity_of_saved.get(name) != run_identity[name]
        ]
        raise UserError(
            'the checkpoint %s is of a run with other %s: give the same flags and photos, or '
            'another --checkpoint_path' % (path, ', '.join(different))
        )
    return saved


def random_seed(path):
    """Returns the seed of the run that wrote the checkpoint at `path`, or None without one."""
    if not os.path.exists(path):
        return None
    seed = _read(path)[1].get('random_seed')
    if not _is_integer(seed, 0, _MOST):
        raise _corrupt(path)
    return seed


def check_variables(path, checkpoint, shapes):
    """Raises UserError unless a `Checkpoint` has variables of these shapes, from name to tuple."""
    if _shapes(checkpoint.variables) != shapes:
        raise _corrupt(path)


def _read(path):
    """Returns the `Checkpoint` at `path`, every value of which is checked, and its identity."""
    data = files.read(path, 'checkpoint')
    try:
        arrays = _arrays(data)
        description = arrays.pop(_META)
        _require(description.shape == () and description.dtype.kind == 'U')
        meta = untrusted.from_json(str(description))
        _require(isinstance(meta['identity'], dict))
        return _checked(meta, arrays), meta['identity']
    except Exception:  # Of what is corrupt numpy and zipfile raise nearly anything.
        raise _corrupt(path)


def _arrays(data):
    """Returns a dict from name to array; raises nearly anything where bytes are corrupt."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    # As `save` writes them, which bounds what they take in memory.
    _require(all(each.compress_type == zipfile.ZIP_STORED for each in members))
    _require(sum(each.file_size for each in members) <= len(data))
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


def _checked(meta, arrays):
    """Returns the `Checkpoint`; ValueError, KeyError: it is none that `save` has written."""
    variables = _named(arrays, _VARIABLE)
    _require(_is_integer(meta['steps_done'], 1, _MOST))
    _require(isinstance(meta['stopped_early'], bool))
    best = None
    if meta['best'] is not None:
        accuracy, cross_entropy, step = meta['best']
        best = Best(accuracy, cross_entropy, step, _named(arrays, _BEST))
        _require(isinstance(accuracy, float) and 0 <= accuracy <= 1)
        _require(isinstance(cross_entropy, float) and 0 <= cross_entropy < math.inf)
        _require(_is_integer(step, -1, meta['steps_done'] - 1))
        _require(_shapes(best.variables) == _shapes(variables))
    return Checkpoint(meta['steps_done'], variables, best, meta['stopped_early'])


def _named(arrays, prefix):
    """Returns a dict from the rest of a name to the array; ValueError: one holds no numbers."""
    named = {
        name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)
    }
    _require(named)
    _require(all(value.dtype == np.float32 for value in named.values()))
    _require(all(np.isfinite(value).all() for value in named.values()))
    return named


def _shapes(variables):
    return {name: value.shape for name, value in variables.items()}


def _is_integer(value, low, high):
    return type(value) is int and low <= value <= high  # A bool is no number here.


def _require(condition):
    if not condition:
        raise ValueError


def _corrupt(path):
    return UserError('the checkpoint %s is corrupt: delete it to begin from the first step' % path)
