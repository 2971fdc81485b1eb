"""A folder of class-named sub-folders of photos as one list."""

import logging
import os
import typing

from scripts.common import encodings
from scripts.common.errors import UserError
from scripts.dataset import extensions as extensions_lib
from scripts.dataset import labels as labels_lib
from scripts.dataset import listing
from scripts.dataset import split as split_lib

FEW_PHOTOS = 20

_NAMED = 3  # Of classes that a warning is about, where they are many.
_LINES = 10  # Up to so many classes have a warning each.

# In front of the class folders of test photos that have a folder of their own. Classes are never
# hidden: so nothing that is kept of photos by folder and name is taken for that of others.
TEST_FOLDER = '.test/'

_LOG = logging.getLogger(__name__)


class Photo(typing.NamedTuple):
    """One photo: its path, folder and file name, its label's index and its category.

    folder: the name of its class folder, behind a prefix where test photos have a folder of their
      own.
    """

    path: str
    folder: str
    file_name: str
    label_index: int
    category: str


class Dataset(typing.NamedTuple):
    """Labels in order, and photos ordered by category, label, extension and name.

    So each category is a slice of the list, and of an array with a row for each photo.

    image_dir, split, extensions, test_dir: as passed to `load`; but beside a test_dir, the split
      has no test photos.
    """

    labels: typing.Tuple[str, ...]
    photos: typing.Tuple[Photo, ...]
    image_dir: str
    split: split_lib.Split
    extensions: typing.Tuple[str, ...]
    test_dir: typing.Optional[str] = None

    @property
    def folders(self):
        """The one folder or two of the photos, as text."""
        return ' and '.join(filter(None, (self.image_dir, self.test_dir)))


def load(image_dir, split, extensions=extensions_lib.CLASSIC, test_dir=None):
    """Lists the photos below `image_dir` and splits them.

    Each sub-folder that holds photos is a class. Hidden files and folders, files with other
    extensions and folders inside of classes are left out.

    Args:
      image_dir: the folder, as typed: with BY_PATH its very characters decide the split.
      split: a `Split`.
      extensions: of the files that are photos, as `extensions.of` gives them.
      test_dir: another folder of class folders, whose photos are then the test photos; or None.

    Returns:
      A `Dataset`.

    Raises:
      UserError: no such folder, no class, or labels that are equal or empty; or a class of
        `test_dir` that `image_dir` lacks, or whose photos are in `image_dir`, too.
    """
    if test_dir is not None:
        split = split._replace(testing_percentage=0)
    names = listing.photo_names(image_dir, extensions)
    labels = labels_of(names)
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
    dataset = Dataset(tuple(labels), tuple(photos), image_dir, split, extensions, test_dir)
    if test_dir is not None:
        photos += _test_photos_of(dataset)
    if split.groups is not None:
        _check_groups(photos, split.groups)
    photos.sort(key=lambda photo: (split_lib.CATEGORIES.index(photo.category), photo.label_index))
    return dataset._replace(photos=tuple(photos))


def _check_groups(photos, groups):
    """Warns of a file of other photos; UserError: a group has photos that cannot be moved."""
    found = {}
    for photo in photos:
        first = '/'.join(groups.first_of(photo.folder, photo.file_name))
        if encodings.as_utf8('%s/%s' % (photo.folder, photo.file_name)) in groups.first:
            found.setdefault(first, []).append(photo)
    for members in found.values():
        if len({photo.category for photo in members}) > 1:
            # Photos of the folder of test photos are for testing, whatever is like them.
            test = next(each for each in members if each.folder.startswith(TEST_FOLDER))
            other = next(each for each in members if each.category != test.category)
            raise UserError(
                '%s and %s are of one group of --groups, and only the first one is in --test_dir: '
                'delete one of them' % (test.path, other.path)
            )
    missing = len(groups.first) - sum(map(len, found.values()))
    if missing:
        _LOG.warning(
            '%d of the %d photos in the file of groups are not there', missing, len(groups.first)
        )


def load_test(test_dir, extensions=extensions_lib.CLASSIC):
    """Lists the photos below a folder of test photos, as a `Dataset` of nothing else.

    Args:
      test_dir, extensions: as for `load`.

    Raises:
      UserError: no such folder, no class, or labels that are equal or empty.
    """
    names = listing.photo_names(test_dir, extensions, listing.TEST_DIR)
    labels = labels_of(names)
    photos = _test_photos(test_dir, names, range(len(labels)))
    return Dataset(tuple(labels), tuple(photos), test_dir, split_lib.Split(100, 0), extensions)


def check_trainable(dataset):
    """Warns of each class with few photos, or without any to validate or test with.

    Raises:
      UserError: there are fewer than two classes, or there is one without training photos.
    """
    counts = {category: [0] * len(dataset.labels) for category in split_lib.CATEGORIES}
    for photo in dataset.photos:
        counts[photo.category][photo.label_index] += 1
    check_counts(dataset, counts)


def check_counts(dataset, counts):
    """Does what `check_trainable` does, where photos are counted and not listed.

    Args:
      dataset: a `Dataset`, of which the photos are not looked at.
      counts: a dict from category to the number of photos of each label.
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
    percentages, split = '--testing_percentage and --validation_percentage', split_lib.CATEGORIES
    if dataset.test_dir is not None:
        percentages = '--validation_percentage'
        split = split_lib.TRAINING, split_lib.VALIDATION
    totals = [sum(each) for each in zip(*(counts[category] for category in split))]
    if not any(counts[split_lib.TRAINING]):
        raise UserError(
            'none of the %d photos is left for training: lower %s, or add photos'
            % (sum(totals), percentages)
        )
    for label, count in zip(dataset.labels, counts[split_lib.TRAINING]):
        if not count:
            raise UserError(
                'class %s has no training photo, so it cannot be learned: add photos to it, or '
                'lower %s' % (label, percentages)
            )
    _warn_of_few(dataset.labels, totals)
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


def _test_photos_of(dataset):
    """Returns the list of the photos in the folder of test photos that a `Dataset` has."""
    image_dir, test_dir = dataset.image_dir, dataset.test_dir
    folders = {photo.folder for photo in dataset.photos}
    taken = {_real(os.path.join(image_dir, folder)) for folder in folders} | {_real(image_dir)}
    _check_apart([test_dir], taken, dataset)
    names = listing.photo_names(test_dir, dataset.extensions, listing.TEST_DIR)
    _check_apart([os.path.join(test_dir, folder) for folder in sorted(names)], taken, dataset)
    places = {label.strip(): place for place, label in enumerate(dataset.labels)}
    labels = [label.strip() for label in labels_of(names)]
    unknown = [label for label in labels if label not in places]
    if unknown:
        raise UserError(
            '--test_dir=%s has the class %r, which --image_dir=%s lacks (it has %s): take its '
            'folder away, or add photos to train on'
            % (test_dir, unknown[0], image_dir, ', '.join(labels_lib.shortened(list(places))))
        )
    return _test_photos(test_dir, names, [places[label] for label in labels])


def _test_photos(test_dir, names, label_indices):
    return [
        Photo(
            os.path.join(test_dir, folder, name),
            TEST_FOLDER + folder,
            name,
            index,
            split_lib.TESTING,
        )
        for index, folder in zip(label_indices, sorted(names))
        for name in names[folder]
    ]


def _check_apart(folders, taken, dataset):
    """Raises UserError where one of the folders of test photos is one of the other photos'."""
    for folder in folders:
        if _real(folder) in taken:
            raise UserError(
                '--test_dir=%s and --image_dir=%s share the photos in %s: give a folder of other '
                'photos to test on, or leave out --test_dir'
                % (dataset.test_dir, dataset.image_dir, folder)
            )


def _real(folder):
    return os.path.normcase(os.path.realpath(folder))


def labels_of(names):
    """Returns the labels of class folders, of which there are the names, in order.

    Raises:
      UserError: two are equal, or one is empty.
    """
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
