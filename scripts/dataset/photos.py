"""A folder of class-named sub-folders of photos as one list."""

import logging
import os
import typing

from scripts.common.errors import UserError
from scripts.dataset import extensions as extensions_lib
from scripts.dataset import labels as labels_lib
from scripts.dataset import listing
from scripts.dataset import split as split_lib

FEW_PHOTOS = 20

_NAMED = 3  # Of classes that a warning is about, where they are many.
_LINES = 10  # Up to so many classes have a warning each.

_LOG = logging.getLogger(__name__)


class Photo(typing.NamedTuple):
    """One photo: its path, folder and file name, its label's index and its category."""

    path: str
    folder: str
    file_name: str
    label_index: int
    category: str


class Dataset(typing.NamedTuple):
    """Labels in order, and photos ordered by category, label, extension and name.

    So each category is a slice of the list, and of an array with a row for each photo.

    image_dir, split, extensions: as passed to `load`.
    """

    labels: typing.Tuple[str, ...]
    photos: typing.Tuple[Photo, ...]
    image_dir: str
    split: split_lib.Split
    extensions: typing.Tuple[str, ...]


def load(image_dir, split, extensions=extensions_lib.CLASSIC):
    """Lists the photos below `image_dir` and splits them.

    Each sub-folder that holds photos is a class. Hidden files and folders, files with other
    extensions and folders inside of classes are left out.

    Args:
      image_dir: the folder, as typed: with BY_PATH its very characters decide the split.
      split: a `Split`.
      extensions: of the files that are photos, as `extensions.of` gives them.

    Returns:
      A `Dataset`.

    Raises:
      UserError: no such folder, no class, or labels that are equal or empty.
    """
    names = listing.photo_names(image_dir, extensions)
    labels = _labels(names)
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
    return Dataset(tuple(labels), tuple(photos), image_dir, split, extensions)


def check_trainable(dataset):
    """Warns of each class with few photos, or without any to validate or test with.

    Raises:
      UserError: there are fewer than two classes, or there is one without training photos.
    """
    if len(dataset.labels) < 2:
        raise UserError(
            'there are photos of one class only (%s); expected at least 2 sub-folders of photos, '
            'one for each class%s'
            % (
                dataset.labels[0],
                listing.did_you_mean(dataset.image_dir),
            )
        )
    counts = {category: [0] * len(dataset.labels) for category in split_lib.CATEGORIES}
    for photo in dataset.photos:
        counts[photo.category][photo.label_index] += 1
    if not any(counts[split_lib.TRAINING]):
        raise UserError(
            'none of the %d photos is left for training: lower --testing_percentage '
            'and --validation_percentage, or add photos' % len(dataset.photos)
        )
    for label, count in zip(dataset.labels, counts[split_lib.TRAINING]):
        if not count:
            raise UserError(
                'class %s has no training photo, so it cannot be learned: add photos to it, or '
                'lower --testing_percentage and --validation_percentage' % label
            )
    _warn_of_few(dataset.labels, [sum(each) for each in zip(*counts.values())])
    for category in split_lib.CATEGORIES:
        _warn_of_missing(category, counts[category], dataset.labels)


def _warn_of_few(labels, totals):
    few = [(label, total) for label, total in zip(labels, totals) if total < FEW_PHOTOS]
    if len(few) > _LINES:
        _LOG.warning(
            '%s of %s classes have fewer than %d photos, such as %s; so few train poorly',
            format(len(few), ','),
            format(len(labels), ','),
            FEW_PHOTOS,
            ', '.join('%s (%d)' % each for each in few[:_NAMED]),
        )
        return
    for label, total in few:
        _LOG.warning(
            'class %s has only %d photos; fewer than %d a class train poorly',
            label,
            total,
            FEW_PHOTOS,
        )


def _warn_of_missing(category, counts, labels):
    if not any(counts):
        _LOG.warning('no photos for %s at all: its accuracy is left out', category)
        return
    missing = [label for label, count in zip(labels, counts) if count == 0]
    if len(missing) > _LINES:
        _LOG.warning(
            '%s of %s classes have 0 %s photos, such as %s',
            format(len(missing), ','),
            format(len(labels), ','),
            category,
            ', '.join(missing[:_NAMED]),
        )
        return
    for label in missing:
        _LOG.warning(
            'class %s has 0 %s photos (of %d in that category)', label, category, sum(counts)
        )


def _labels(names):
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
