"""A folder of class-named sub-folders of photos as one list."""

import logging
import os
import typing

from scripts.dataset import labels as labels_lib
from scripts.dataset import split as split_lib
from scripts.errors import UserError

ENDINGS = ('.jpg', '.jpeg', '.JPG', '.JPEG')
FEW_PHOTOS = 20

_LOG = logging.getLogger(__name__)


class Photo(typing.NamedTuple):
    """One photo: its path, folder and file name, its label's index and its category."""

    path: str
    folder: str
    file_name: str
    label_index: int
    category: str


class Dataset(typing.NamedTuple):
    """Labels in order, and photos ordered by category, label, ending and name.

    With the categories one after the other, each is a slice of the list, and of an array that
    holds a row for each photo.
    """

    labels: typing.Tuple[str, ...]
    photos: typing.Tuple[Photo, ...]


def load(image_dir, split):
    """Lists the photos below `image_dir` and splits them.

    Each sub-folder that holds photos is a class. Hidden files and folders, files with other
    endings and folders inside of classes are left out.

    Args:
      image_dir: the folder, as typed: with BY_PATH its very characters decide the split.
      split: a `Split`.

    Returns:
      A `Dataset`.

    Raises:
      UserError: no such folder, fewer than two classes, or labels that are equal or empty.
    """
    names = _photo_names(image_dir)
    labels = _labels(names, image_dir)
    photos = []
    for index, folder in enumerate(sorted(names)):
        if len(names[folder]) < FEW_PHOTOS:
            _LOG.warning(
                'folder %s has only %d photos; fewer than %d a class train poorly',
                folder,
                len(names[folder]),
                FEW_PHOTOS,
            )
        for name in names[folder]:
            photos.append(
                Photo(
                    os.path.join(image_dir, folder, name),
                    folder,
                    name,
                    index,
                    split.category_of(image_dir, folder, name),
                )
            )
    photos.sort(key=lambda photo: split_lib.CATEGORIES.index(photo.category))
    return Dataset(tuple(labels), tuple(photos))


def check_categories(dataset):
    """Warns of each class without photos in a category.

    Raises:
      UserError: there is no training photo at all.
    """
    counts = {category: [0] * len(dataset.labels) for category in split_lib.CATEGORIES}
    for photo in dataset.photos:
        counts[photo.category][photo.label_index] += 1
    if not any(counts[split_lib.TRAINING]):
        raise UserError(
            'none of the %d photos is left for training: lower --testing_percentage '
            'and --validation_percentage or add photos' % len(dataset.photos)
        )
    for category in split_lib.CATEGORIES:
        if not any(counts[category]):
            _LOG.warning('no photos for %s at all: that accuracy is left out', category)
            continue
        for label, count in zip(dataset.labels, counts[category]):
            if count == 0:
                _LOG.warning(
                    'class %s has 0 %s photos (of %d in that category)',
                    label,
                    category,
                    sum(counts[category]),
                )


def _photo_names(image_dir):
    """Returns a dict from each class folder's name to its list of photo names."""
    if not image_dir:
        raise UserError(
            '--image_dir is not set: give the folder that holds one sub-folder of '
            'photos for each class'
        )
    names = {}
    try:
        for entry in os.scandir(image_dir):
            if entry.is_dir() and not entry.name.startswith('.'):
                found = _photo_names_in(entry.path)
                if found:
                    names[entry.name] = found
                else:
                    _LOG.warning(
                        'folder %s has no photos that end in %s: it is left out',
                        entry.path,
                        ', '.join(ENDINGS),
                    )
    except FileNotFoundError:
        raise UserError('--image_dir=%s: no such folder' % image_dir)
    except NotADirectoryError:
        raise UserError(
            '--image_dir=%s is a file, expected a folder of class-named sub-folders' % image_dir
        )
    except OSError as error:
        raise UserError(
            '--image_dir=%s: cannot read %s: %s' % (image_dir, error.filename, error.strerror)
        )
    return names


def _photo_names_in(folder):
    # The classic order is the file system's. Sorted within each ending, a copy of the folder on
    # another disk trains the same network from the same seed.
    entries = sorted(
        entry.name
        for entry in os.scandir(folder)
        if not entry.name.startswith('.') and entry.is_file()
    )
    return [name for ending in ENDINGS for name in entries if name.endswith(ending)]


def _labels(names, image_dir):
    if len(names) < 2:
        raise UserError(
            '--image_dir=%s has %s; expected at least 2 sub-folders, one for each '
            'class, that hold .jpg or .jpeg photos'
            % (
                image_dir,
                'photos of one class only (%s)' % list(names)[0]
                if names
                else 'no sub-folder with photos',
            )
        )
    folders = {}
    for folder in sorted(names):
        label = labels_lib.label_of(folder)
        if label.strip() in folders:
            raise UserError(
                'the folders %s and %s give the same label %r: rename one of them'
                % (folders[label.strip()], folder, label)
            )
        folders[label.strip()] = folder
    return [labels_lib.label_of(folder) for folder in sorted(names)]
