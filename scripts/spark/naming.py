"""What paths below a folder of photos mean: labels, categories, what is left out. No Spark here.

Photos are told by the same rules as those that `dataset.listing` lists. A path is taken relative to
its folder, with `/` between its parts.
"""

import os
import posixpath
import re
import typing

from scripts.common.errors import UserError
from scripts.dataset import extensions as extensions_lib
from scripts.dataset import labels as labels_lib
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib

# Kinds of files in a `Survey`.
PHOTO, OTHER, BESIDE, NESTED, HIDDEN = 'photo', 'other', 'beside', 'nested', 'hidden'

_REPLACED = '\ufffd'  # What Java has in the place of bytes that are no text.

_HAS_SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]+:')  # Not a drive of Windows.

_ABOUT = {
    OTHER: 'files without the extensions %s',
    BESIDE: 'photos outside of class folders',
    NESTED: 'folders inside class folders, with all their files',
    HIDDEN: 'files and folders whose names begin with _, which Spark passes over',
}


# PySpark 3.4 pickles a NamedTuple of the module __main__ without its methods: so a command does not
# import this one by its name.
class Rules(typing.NamedTuple):
    """Which files are photos, and how they are split.

    image_dir, test_dir: as typed, or None for no test_dir.
    split: a `Split`.
    extensions: as of `extensions.of`.
    """

    image_dir: str
    test_dir: typing.Optional[str]
    split: split_lib.Split
    extensions: typing.Tuple[str, ...]

    @property
    def folders(self):
        """List of pairs of a folder, as typed, and whether it is that of test photos."""
        return [(self.image_dir, False)] + [(self.test_dir, True)] * (self.test_dir is not None)

    def kind_of(self, relative, is_folder=False):
        """Returns the kind of a file, or of a folder in a class folder."""
        *folders, name = relative.split('/')
        if relative.startswith('_') or name.startswith('_'):
            return HIDDEN
        if is_folder:
            return NESTED
        if extensions_lib.rank(name, self.extensions) is None:
            return OTHER
        return PHOTO if folders else BESIDE

    def path_of(self, relative, is_test):
        """Returns the path of a photo, its folder as typed."""
        return prefix_of(self.test_dir if is_test else self.image_dir) + relative

    def category_of(self, relative, is_test):
        """Returns the category of a photo."""
        if is_test:
            return split_lib.TESTING
        folder, name = relative.split('/')
        return self.split.category_of(self.image_dir, folder, name)

    def dataset(self, labels):
        """Returns the `Dataset` of labels, without its photos."""
        return photos_lib.Dataset(
            tuple(labels), (), self.image_dir, self.split, self.extensions, self.test_dir
        )


def uri_of(folder):
    """Returns a folder as Spark takes it: what has no scheme, such as hdfs:, is a local path."""
    return folder if _HAS_SCHEME.match(folder) else 'file:' + os.path.abspath(folder)


def prefix_of(folder):
    """Returns what stands in front of the relative path of a photo in the path of the photo."""
    return posixpath.join(folder, '')


class Survey:
    """Counts of what folders hold.

    counts: a dict from (kind, whether it is of test photos, folder, category) to the number of
      files; folder and category are '' but for photos.
    examples: a dict from a kind to the first path of that kind.
    empty: list of pairs of the relative path of a photo of 0 bytes, which Spark passes over, and
      whether it is of test photos.
    """

    def __init__(self):
        self.counts, self.examples, self.empty = {}, {}, []

    def add(self, rules, relative, is_test, size):
        """Counts a file, or a folder in a class folder.

        Args:
          rules: `Rules`.
          relative: its path, relative to its folder.
          is_test: whether that is the one of test photos.
          size: in bytes; None of a folder.

        Raises:
          UserError: Java could not read the name.
        """
        kind, folder, category = rules.kind_of(relative, size is None), '', ''
        path = rules.path_of(relative, is_test)
        if _REPLACED in path:
            raise UserError('Java cannot read the name %s: set LC_ALL=C.UTF-8, or rename it' % path)
        if kind == PHOTO:
            folder, category = relative.split('/')[0], rules.category_of(relative, is_test)
            if not size:
                self.empty.append((relative, is_test))
        key = kind, is_test, folder, category
        self.counts[key] = self.counts.get(key, 0) + 1
        self.examples[kind] = min(path, self.examples.get(kind, path))

    def total(self, kind):
        """Returns the number of files of a kind."""
        return sum(count for key, count in self.counts.items() if key[0] == kind)

    def left_out(self, rules):
        """Returns a list of texts on what is left out, one for each kind."""
        listed = extensions_lib.listed(rules.extensions)
        return [
            'left out: %s (%d), such as %s'
            % (about.replace('%s', listed), self.total(kind), self.examples[kind])
            for kind, about in sorted(_ABOUT.items())
            if self.total(kind)
        ]

    def labels(self, rules):
        """Returns the labels, in order, and the `check_counts` of photos: category to list of int.

        Raises:
          UserError: there are no photos, or labels that are equal or empty; or a class of the test
            photos that the others lack.
        """
        labels = self._labels_of(rules, False)
        places = {label.strip(): place for place, label in enumerate(labels)}
        if rules.test_dir is not None:
            for label in self._labels_of(rules, True):
                if label.strip() not in places:
                    raise UserError(
                        '--test_dir=%s has the class %r, which --image_dir=%s lacks: take its '
                        'folder away, or add photos to train on'
                        % (rules.test_dir, label.strip(), rules.image_dir)
                    )
        counts = {category: [0] * len(labels) for category in split_lib.CATEGORIES}
        for (kind, _, folder, category), count in self.counts.items():
            if kind == PHOTO:
                counts[category][places[labels_lib.label_of(folder).strip()]] += count
        return labels, counts

    def _labels_of(self, rules, is_test):
        found = {key[2] for key in self.counts if key[:2] == (PHOTO, is_test)}
        if not found:
            raise UserError(
                '--%s=%s has no sub-folder with photos (%s), one for each class%s'
                % (
                    'test_dir' if is_test else 'image_dir',
                    rules.test_dir if is_test else rules.image_dir,
                    extensions_lib.listed(rules.extensions),
                    ''.join('; ' + each for each in self.left_out(rules)),
                )
            )
        return photos_lib.labels_of(found)
