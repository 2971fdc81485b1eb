"""Opens Keras' files of whole models as untrusted input, before Keras and TensorFlow are loaded."""

import os
import shutil
import typing
import zipfile
import zlib

from scripts.common.errors import UserError
from scripts.importing import hdf5, screening

_WEIGHTS, _CONFIG = 'model.weights.h5', 'config.json'
_MEMBERS = {_WEIGHTS, _CONFIG, 'metadata.json'}
_MOST_WEIGHTS_BYTES, _MOST_JSON_BYTES = 1 << 31, 1 << 26


class ModelFile(typing.NamedTuple):
    """A whole model.

    config: its screened configuration, JSON values.
    weights: an open h5py.File.
    """

    config: dict
    weights: object


def open_model(path, folder):
    """Returns the `ModelFile` at a path.

    Args:
      path: of a .h5 or .keras file.
      folder: where the weights of a .keras file are unpacked.

    Raises:
      UserError: it is no whole model, or it is refused.
    """
    try:
        with open(path, 'rb') as file:
            is_zip = file.read(2) == b'PK'
    except FileNotFoundError:
        raise UserError('no Keras file at %s: check the path' % path)
    except OSError as error:
        raise UserError('cannot read the Keras file %s: %s' % (path, error.strerror or error))
    try:
        return _open_zip(path, folder) if is_zip else _open_hdf5(path)
    except UserError as error:
        raise UserError(error if path in str(error) else '%s: %s' % (path, error))


def open_weights(path):
    """Returns the h5py.File of weights at a path; raises UserError where it is refused."""
    try:
        with open(path, 'rb'):
            pass
        return hdf5.open_file(path)
    except OSError as error:
        raise UserError('cannot read the weights %s: %s' % (path, error.strerror or error))
    except UserError as error:
        raise UserError('%s: %s' % (path, error))


def _open_hdf5(path):
    file = hdf5.open_file(path)
    config = hdf5.configuration(file)
    if config is None:
        raise UserError(
            'it holds weights and no model: expected what model.save writes; weights of one of '
            "Keras' applications go with --keras_application and --keras_weights"
        )
    return ModelFile(screening.model_config(config, path), file)


def _open_zip(path, folder):
    """Opens a .keras file. Of its members, only the weights are unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {each.filename: each for each in archive.infolist()}
            others = sorted(set(members) - _MEMBERS)
            if others or len(members) != len(archive.infolist()):
                raise UserError(
                    'it is refused: it holds %s; expected only %s'
                    % (
                        ', '.join(map(repr, others[:3])) or 'a name twice',
                        ', '.join(sorted(_MEMBERS)),
                    )
                )
            data = _member(archive, members, _CONFIG, _MOST_JSON_BYTES).read(_MOST_JSON_BYTES)
            config = screening.model_config(data, path)
            weights = os.path.join(folder, _WEIGHTS)
            member = _member(archive, members, _WEIGHTS, _MOST_WEIGHTS_BYTES)
            with member, open(weights, 'wb') as file:
                shutil.copyfileobj(member, file)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, OverflowError,
            NotImplementedError, zlib.error) as error:  # fmt: skip
        raise UserError('it is no .keras file, or corrupt (%s)' % str(error).split('\n')[0])
    return ModelFile(config, hdf5.open_file(weights))


def _member(archive, members, name, most):
    """Returns a member of a .zip as an open file, which gives no more bytes than it says."""
    if name not in members:
        raise UserError('it has no %s: expected what model.save writes' % name)
    size = members[name].file_size
    if size > most:
        raise UserError(
            '%s in it takes %d MB; at most %d MB are read' % (name, size >> 20, most >> 20)
        )
    return archive.open(members[name])
