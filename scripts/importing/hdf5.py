"""Reads Keras' HDF5 files as untrusted input: weights, and the configuration of a whole model.

HDF5 can point to other files, hold what unpacks to any size, and be corrupt so that the library
crashes: this is done in a process of its own, `keras_worker`.
"""

import functools
import operator
import typing

import numpy as np

from scripts.common.errors import UserError

_MOST_BYTES = 1 << 31
_MOST_OBJECTS = 200000
_FLOATS = 'fiu'  # Kinds of numpy's dtypes.


class Layer(typing.NamedTuple):
    """A layer's name and its weights, a list of arrays, in the order of the file."""

    name: str
    weights: list


def open_file(path):
    """Returns an `h5py.File` whose objects are all in that file, plain and of a sane size.

    Args:
      path: str, or a binary file.

    Raises:
      UserError: it is no HDF5 file, is corrupt, or holds anything else than arrays.
    """
    try:
        import h5py
    except ImportError:
        raise UserError(
            'reading HDF5 files needs the package h5py: install it with pip install h5py'
        )
    try:
        file = h5py.File(path, 'r')
        _check(h5py, file)
        return file
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, OverflowError) as error:
        raise UserError(_CORRUPT % (_first_line(error)))


_CORRUPT = 'it is no HDF5 file, or corrupt (%s); expected a file that Keras has written'


def _first_line(error):
    return str(error).split('\n')[0]


def _check(h5py, file):
    """Raises UserError unless a file holds only plain arrays in groups."""
    size = count = 0
    waiting = [file]
    while waiting:
        group = waiting.pop()
        for name in group:
            count += 1
            if count > _MOST_OBJECTS:
                raise UserError('it has more than %d objects' % _MOST_OBJECTS)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UserError('it is refused: %r leads to another place or file' % name)
            each = group[name]
            if isinstance(each, h5py.Group):
                waiting.append(each)
            elif isinstance(each, h5py.Dataset):
                size += _plain_bytes(each)
            else:
                raise UserError('it is refused: %r is neither a group nor an array' % name)
    if size > _MOST_BYTES:
        raise UserError(
            'it holds arrays of %d MB; at most %d MB are read' % (size >> 20, _MOST_BYTES >> 20)
        )


def _plain_bytes(dataset):
    """Returns the bytes that a dataset takes in memory; raises UserError unless it is plain."""
    size = functools.reduce(operator.mul, map(int, dataset.shape), dataset.dtype.itemsize)
    plain = (
        not dataset.external
        and not getattr(dataset, 'is_virtual', False)
        and dataset.id.get_create_plist().get_nfilters() == 0
    )
    if not plain:
        raise UserError('it is refused: the array %s is compressed or elsewhere' % dataset.name)
    if dataset.dtype.kind in _FLOATS and size > dataset.id.get_storage_size():
        raise UserError('it is truncated: the array %s is not in it' % dataset.name)
    return size


def configuration(file):
    """Returns the JSON of the model in an open file, bytes or str; None where it has none."""
    return _attribute(file, 'model_config')


def layers(file):
    """Returns the layers with weights of an open file in Keras' older layout, a list of `Layer`.

    Raises:
      UserError: it is in no such layout, or corrupt.
    """
    try:
        group = file.get('model_weights', file)
        names = _names(group, 'layer_names')
        if names is None:
            raise UserError(
                'it has no layer_names: expected the weights of a Keras model in HDF5 format'
            )
        found = []
        for name in names:
            here = group[name]
            weights = [_array(here[each]) for each in _names(here, 'weight_names') or ()]
            if weights:
                found.append(Layer(name, weights))
        return found
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise UserError(_CORRUPT % _first_line(error))


def is_older_layout(file):
    """Returns whether an open file has the layout of Keras before version 3, by layer names."""
    try:
        return 'layer_names' in file.attrs or 'model_weights' in file
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise UserError(_CORRUPT % _first_line(error))


def element_count(file):
    """Returns how many numbers all arrays of an open file hold."""
    counts = []
    try:
        file.visititems(lambda _, each: counts.append(int(getattr(each, 'size', 0) or 0)))
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, OverflowError) as error:
        raise UserError(_CORRUPT % _first_line(error))
    return sum(counts)


def _array(dataset):
    if dataset.dtype.kind not in _FLOATS:
        raise ValueError('%s is no array of numbers' % dataset.name)
    return np.asarray(dataset[()])


def _names(group, key):
    """Returns the list of names in an attribute, which Keras splits where it is large, or None."""
    if key in group.attrs:
        values = [group.attrs[key]]
    else:
        values = []
        while '%s%d' % (key, len(values)) in group.attrs:
            values.append(group.attrs['%s%d' % (key, len(values))])
        if not values:
            return None
    return [_text(each) for part in values for each in np.asarray(part).reshape(-1)]


def _attribute(group, key):
    try:
        return _text(group.attrs[key]) if key in group.attrs else None
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise UserError(_CORRUPT % _first_line(error))


def _text(value):
    if isinstance(value, bytes):
        return value.decode('utf-8')
    if not isinstance(value, str):
        raise ValueError('an attribute is no text')
    return value
