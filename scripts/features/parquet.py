"""Reading features from Parquet files, as `table` describes them: for training without photos.

What is read is untrusted. The features of all photos are in memory up to 512 MB, above that in a
file without a name in the folder of bottlenecks, which goes when the process ends.
"""

import logging
import os
import tempfile

import numpy as np

from scripts.common import files, limits, packages
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.dataset import extensions as extensions_lib
from scripts.dataset import groups as groups_lib
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.features import table
from scripts.features.features import Features
from scripts.features.photo_table import PhotoTable

_MOST_IN_MEMORY = 1 << 29  # Bytes.
_ROWS = 8192  # Of a file, at once.
_ORDER = ('category', 'label', 'rank', 'name')  # That of a `Dataset`.
_NONE = -1

_LOG = logging.getLogger(__name__)


class Folder:
    """A folder of features.

    Args:
      path: the folder.

    about: the `table.About`.
    dataset: the `Dataset` of the readable photos.

    Raises:
      UserError: there is no such folder, or pyarrow is missing; features of photos are missing, or
        something is corrupt.
    """

    def __init__(self, path):
        packages.require(['pyarrow'], '--features', 'requirements-spark.txt')
        self.path = path
        if not os.path.isdir(path):
            raise UserError(
                '--features=%s: no such folder: give what extract_on_spark wrote' % path
            )
        self.about = table.about_of(*self._json(table.ABOUT, 'it is no --output of '))
        not_done = 'photos are missing: repeat the '
        self._complete = table.complete_of(*self._json(table.COMPLETE, not_done))
        self._names = self._parquet_files()
        self._places, self.dataset = self._read_photos()

    def features(self, backbone, bottleneck_dir):
        """Returns the `Features` of the photos of the dataset.

        Args:
          backbone: the `Backbone` that they have to be of.
          bottleneck_dir: the folder for those that are too many for the memory.

        Raises:
          UserError: they are of another one, something is corrupt, or the disk is too small.
        """
        if (backbone.fingerprint, backbone.shape) != (self.about.fingerprint, self.about.shape):
            raise UserError(
                '--features=%s are of another network than %s of --model_dir (fingerprint %.12s, '
                'not %.12s): give the network that they were computed with'
                % (
                    self.path,
                    backbone.network.name,
                    self.about.fingerprint,
                    backbone.fingerprint,
                )
            )
        count = len(self.dataset.photos)
        values = _new_array((count,) + self.about.shape, bottleneck_dir)
        done = 0
        with Progress('Reading features', count, 'photos') as progress:
            for columns in self._batches(['features']):
                block = _numbers(columns['features'], self.about.shape, self.path)
                places = self._places[done : done + len(block)]
                values[places[places != _NONE]] = block[places != _NONE]
                done += len(block)
                progress.advance(len(block))
        return Features(values)

    def _json(self, name, otherwise):
        """Returns the bytes of a file, and its path."""
        path = os.path.join(self.path, name)
        if not os.path.exists(path):
            raise UserError(
                '--features=%s has no %s: %sextract_on_spark' % (self.path, name, otherwise)
            )
        return files.read(path, 'file'), path

    def _parquet_files(self):
        folder = os.path.join(self.path, '%s=%s' % (table.TABLE, table.FEATURES))
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return sorted(os.path.join(folder, each) for each in names if each.endswith('.parquet'))

    def _batches(self, names):
        """Yields the columns of those names of some rows, a dict of pyarrow arrays."""
        import pyarrow
        from pyarrow import parquet

        for path in self._names:
            try:
                with open(path, 'rb') as file:
                    for batch in parquet.ParquetFile(file).iter_batches(_ROWS, columns=names):
                        yield {name: batch.column(batch.schema.names.index(name)) for name in names}
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                raise _corrupt(path, error)

    def _read_photos(self):
        """Returns the place of each row of the files in the order of photos, and the `Dataset`."""
        import pyarrow
        from pyarrow import compute

        flags, labels = self.about.flags, self._complete.labels
        extensions = extensions_lib.parse(flags['image_extensions'])
        columns = {name: [] for name in ('path',) + _ORDER}
        for each in self._batches(['path', 'label', 'category']):
            names = [path.rpartition('/')[2] for path in each['path'].to_pylist()]
            ranks = [extensions_lib.rank(name, extensions) for name in names]
            columns['path'].append(each['path'].cast(pyarrow.large_string()))
            columns['label'].append(_indices(each['label'], labels, self.path))
            columns['category'].append(_indices(each['category'], split_lib.CATEGORIES, self.path))
            columns['rank'].append(pyarrow.array(ranks, pyarrow.int32()))
            columns['name'].append(pyarrow.array(names, pyarrow.large_string()))
        if not columns['path']:
            raise UserError('--features=%s has no readable photos' % self.path)
        rows = pyarrow.table({name: pyarrow.chunked_array(each) for name, each in columns.items()})
        order = compute.sort_indices(rows, sort_keys=[(name, 'ascending') for name in _ORDER])
        rows = rows.select(['path', 'label', 'category']).take(order).combine_chunks()
        is_new = _differ_from_the_one_before(rows.column('path'))
        self._check_count(int(is_new.sum()))
        places = np.empty(len(rows), np.int64)
        places[order.to_numpy()] = np.where(is_new, np.cumsum(is_new) - 1, _NONE)
        return places, self._dataset_of(rows.filter(pyarrow.array(is_new)), extensions)

    def _check_count(self, count):
        if count != self._complete.photos:
            raise UserError(
                '--features=%s has the features of %d photos, and %s says %d: repeat the '
                'extract_on_spark that wrote it'
                % (self.path, count, table.COMPLETE, self._complete.photos)
            )

    def _dataset_of(self, rows, extensions):
        flags = self.about.flags
        groups = self.about.groups and groups_lib.Groups({}, self.about.groups)
        split = split_lib.Split(
            flags['testing_percentage'],
            flags['validation_percentage'],
            flags['split_key'],
            groups=groups,
        )
        test_dir = flags['test_dir']
        photos = PhotoTable(
            rows.column('path').combine_chunks(),
            rows.column('label').to_numpy(),
            rows.column('category').to_numpy(),
            test_dir is not None,
        )
        labels = tuple(self._complete.labels)
        return photos_lib.Dataset(labels, photos, flags['image_dir'], split, extensions, test_dir)


def _indices(column, values, path):
    """Returns the places of a column's texts in a list, as a pyarrow array of int32."""
    import pyarrow
    from pyarrow import compute

    found = compute.index_in(column, value_set=pyarrow.array(values, column.type))
    if found.null_count:
        raise _corrupt(path, 'unknown labels or categories')
    return found


def _differ_from_the_one_before(column):
    """Returns, for each row of a pyarrow column, whether it is the first of equal ones: bool."""
    from pyarrow import compute

    differ = np.ones(len(column), np.bool_)
    unequal = compute.not_equal(column.slice(1), column.slice(0, max(len(column) - 1, 0)))
    differ[1:] = unequal.to_numpy()
    return differ


def _numbers(column, shape, path):
    """Returns the features in a column, float32 `[n, *shape]`."""
    flat = column.flatten().to_numpy(zero_copy_only=False)
    size = int(np.prod(shape))
    is_whole = column.null_count == 0 and (column.value_lengths().to_numpy() == size).all()
    if not is_whole or flat.dtype != np.float32 or not np.isfinite(flat).all():
        raise _corrupt(path, 'features that are not %d numbers' % size)
    return flat.reshape((len(column),) + tuple(shape))


def _new_array(shape, folder):
    """Returns a float32 array, in memory or mapped from a file without a name."""
    size = 4 * int(np.prod(shape))
    if size <= _MOST_IN_MEMORY:
        return np.empty(shape, np.float32)
    free = limits.free_bytes(folder)
    if size > free:
        raise UserError(
            'the features need about %d MB in %s, and %d MB are free: make room or choose another '
            '--bottleneck_dir' % (size // 10**6, folder, free // 10**6)
        )
    _LOG.info('The features are mapped from a file in %s, of %d MB', folder, size // 10**6)
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(size)
            return np.memmap(file, np.float32, 'r+', shape=shape)
    except OSError as error:
        raise UserError('cannot write in %s: %s' % (folder, error.strerror or error))


def _corrupt(path, why):
    return UserError(
        '--features: %s is corrupt (%s): delete it and repeat the extract_on_spark that wrote it'
        % (path, why)
    )
