"""Gets a Keras model as a SavedModel, from the process that builds it."""

import json
import os
import subprocess
import sys
import typing

import numpy as np

from scripts.common.errors import UserError
from scripts.importing import keras_worker
from scripts.importing import settings as settings_lib

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LAST_BYTES = 300


class Built(typing.NamedTuple):
    """A Keras model that was built.

    saved_model: the folder of its SavedModel.
    result: the `settings.KerasResult`.
    outputs: what Keras gives for `probing.images`, float32 `[batch, ...]`.
    """

    saved_model: str
    result: settings_lib.KerasResult
    outputs: np.ndarray


def build(request, folder):
    """Returns what Keras makes of a `keras_worker.Request`, as `Built`, in an empty folder.

    Raises:
      UserError: the file is refused, or Keras cannot build it, or crashes.
    """
    with open(os.path.join(folder, keras_worker.REQUEST), 'w', encoding='utf-8') as file:
        json.dump(dict(request._asdict(), pixels=request.pixels._asdict()), file)
    path = [_ROOT] + [each for each in [os.environ.get('PYTHONPATH')] if each]
    ended = subprocess.run(
        [sys.executable, '-m', keras_worker.__name__, folder],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(path)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    error = os.path.join(folder, keras_worker.ERROR)
    if os.path.exists(error):
        with open(error, encoding='utf-8', errors='replace') as file:
            raise UserError(' '.join(file.read().split()))
    if ended.returncode:
        raise UserError(_how_it_ended(ended, request))
    return _read(folder)


def _how_it_ended(ended, request):
    what = request.file or request.weights or request.application
    last = ended.stdout.decode('utf-8', 'replace').strip().split('\n')[-1][-_LAST_BYTES:]
    how = (
        'signal %d' % -ended.returncode if ended.returncode < 0 else 'status %d' % ended.returncode
    )
    return (
        '%s: the process that builds the model was stopped by %s: it is corrupt or malicious, or '
        'memory ran out; last line of stderr: %s' % (what, how, last)
    )


def _read(folder):
    with open(os.path.join(folder, keras_worker.RESULT), encoding='utf-8') as file:
        values = json.load(file)
    pixels = {
        key: tuple(each) if isinstance(each, list) else each
        for key, each in values['pixels'].items()
    }
    values['pixels'] = settings_lib.Pixels(**pixels)
    return Built(
        os.path.join(folder, keras_worker.SAVED_MODEL),
        settings_lib.KerasResult(**values),
        np.load(os.path.join(folder, keras_worker.OUTPUTS)),
    )
