"""A folder of class-named sub-folders of photos as one list."""

import logging
import os
import typing

from scripts.dataset import labels as labels_lib
from scripts.dataset import split as split_lib
from scripts.errors import UserError

EXTENSIONS = ('jpg', 'jpeg', 'JPG', 'JPEG')
ENDINGS = tuple('.' + extension for extension in EXTENSIONS)
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

    image_dir, split, extensions: what made them, as of `load`.
    """

    labels: typing.Tuple[str, ...]
    photos: typing.Tuple[Photo, ...]
    image_dir: str
    split: split_lib.Split
    extensions: typing.Tuple[str, ...]


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
      UserError: no such folder, no class, or labels that are equal or empty.
    """
    names = _photo_names(image_dir)
    labels = _labels(names, image_dir)
    photos = []
    for index, folder in enumerate(sorted(names)):
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
    return Dataset(tuple(labels), tuple(photos), image_dir, split, EXTENSIONS)


def check_trainable(dataset):
    """Warns of each class with few photos, or without any to validate or test with.

    Raises:
      UserError: there are fewer than two classes, or there is one without training photos.
    """
    if len(dataset.labels) < 2:
        raise UserError(
            'there are photos of one class only (%s); expected at least 2 sub-folders of photos, '
            'one for each class' % dataset.labels[0]
        )
    counts = {category: [0] * len(dataset.labels) for category in split_lib.CATEGORIES}
    for photo in dataset.photos:
        counts[photo.category][photo.label_index] += 1
    if not any(counts[split_lib.TRAINING]):
        raise UserError(
            'none of the %d photos is left for training: lower --testing_percentage '
            'and --validation_percentage or add photos' % len(dataset.photos)
        )
    for label, count in zip(dataset.labels, counts[split_lib.TRAINING]):
        if not count:
            raise UserError(
                'class %s has no training photo, so it could not be learned: add photos to it, or '
                'lower --testing_percentage and --validation_percentage' % label
            )
    for index, label in enumerate(dataset.labels):
        total = sum(counts[category][index] for category in split_lib.CATEGORIES)
        if total < FEW_PHOTOS:
            _LOG.warning(
                'class %s has only %d photos; fewer than %d a class train poorly',
                label,
                total,
                FEW_PHOTOS,
            )
    for category in split_lib.CATEGORIES:
        _warn_of_missing(category, counts[category], dataset.labels)


def _warn_of_missing(category, counts, labels):
    if not any(counts):
        _LOG.warning('no photos for %s at all: that accuracy is left out', category)
        return
    for label, count in zip(labels, counts):
        if count == 0:
            _LOG.warning(
                'class %s has 0 %s photos (of %d in that category)', label, category, sum(counts)
            )


def _photo_names(image_dir):
    """Returns a dict from each class folder's name to its list of photo names."""
    if not image_dir:
        raise UserError(
            '--image_dir is not set: give the folder that holds one sub-folder of '
            'photos for each class'
        )
    names, beside = {}, []
    try:
        for entry in os.scandir(image_dir):
            if entry.name.startswith('.'):
                continue
            if os.path.isdir(entry.path):  # Not entry.is_dir(), which a loop of links ends.
                found = _photo_names_in(entry.path)
                if found:
                    names[entry.name] = found
                else:
                    _LOG.warning(
                        'folder %s has no photos that end in %s: it is left out',
                        entry.path,
                        ', '.join(ENDINGS),
                    )
            elif entry.name.endswith(ENDINGS):
                beside.append(entry.path)
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
    _warn_of_others('photos that are in no class folder', beside)
    return names


def _photo_names_in(folder):
    # The classic order is the file system's. Sorted within each ending, a copy of the folder on
    # another disk trains the same network from the same seed.
    files, folders, no_files, others = [], [], [], []
    for entry in os.scandir(folder):
        if entry.name.startswith('.'):
            continue
        if os.path.isdir(entry.path):
            folders.append(entry.path)
        elif not entry.name.lower().endswith(ENDINGS):
            others.append(entry.path)
        elif os.path.isfile(entry.path):
            files.append(entry.name)
        else:
            no_files.append(entry.path)
    _warn_of_others('folders inside of a class folder, with all that is in them', folders)
    _warn_of_others('links to nothing, or other things that are no files', no_files)
    _warn_of_others('files that do not end in %s' % ', '.join(ENDINGS), others)
    return sorted(files, key=lambda name: (_ending_rank(name), name))


def _ending_rank(name):
    for rank, ending in enumerate(ENDINGS):
        if name.endswith(ending):
            return rank
    return len(ENDINGS)  # Other cases, such as .Jpg, come last; the classic script passed them by.


def _warn_of_others(what, paths):
    if paths:
        _LOG.warning('left out are %d %s, such as %s', len(paths), what, sorted(paths)[0])


def _labels(names, image_dir):
    if not names:
        raise UserError(
            '--image_dir=%s has no sub-folder with photos; expected one for each class, with '
            'photos that end in %s' % (image_dir, ', '.join(ENDINGS))
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
