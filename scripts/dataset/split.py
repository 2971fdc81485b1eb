"""Which photos train, validate and test: decided by each photo's name alone."""

import hashlib
import posixpath
import typing

from scripts.common.errors import UserError
from scripts.dataset.groups import Groups

TRAINING = 'training'
TESTING = 'testing'
VALIDATION = 'validation'
CATEGORIES = (TRAINING, TESTING, VALIDATION)

BY_PATH = 'path'
BY_NAME = 'name'

# The modulus of the hash, as in the classic script: its limit of images a class.
_HASH_RANGE = 2**27


class Split(typing.NamedTuple):
    """How a data set is split.

    testing_percentage, validation_percentage: of the photos, 0 to 100, at most 100 together.
    key: BY_PATH hashes the path as formed from the folder as typed, BY_NAME only
      `<folder>/<file>`, which survives a move of the data set.
    image_dir: the folder as typed in training, which is hashed wherever the photos are now; None:
      as typed now.
    groups: `groups.Groups` of photos that share a category, or None.
    """

    testing_percentage: float = 10
    validation_percentage: float = 10
    key: str = BY_PATH
    image_dir: typing.Optional[str] = None
    groups: typing.Optional[Groups] = None

    def category_of(self, image_dir, folder, file_name):
        """Returns the category of the photo `<image_dir>/<folder>/<file_name>`.

        Photos whose names are equal up to `_nohash_` share a category, and so do those of a group.
        """
        if self.groups is not None:
            folder, file_name = self.groups.first_of(folder, file_name)
        parts = (folder, file_name)
        if self.key == BY_PATH:
            parts = (image_dir if self.image_dir is None else self.image_dir, *parts)
        # With forward slashes: Windows splits as other systems do.
        hashed = posixpath.join(*parts).split('_nohash_')[0]
        # Not os.fsencode: without a locale, as in containers, Python 3.6 assumes ASCII.
        digest = hashlib.sha1(hashed.encode('utf-8', 'surrogateescape')).hexdigest()
        percentage = (int(digest, 16) % _HASH_RANGE) * (100.0 / (_HASH_RANGE - 1))
        if percentage < self.validation_percentage:
            return VALIDATION
        if percentage < self.validation_percentage + self.testing_percentage:
            return TESTING
        return TRAINING


def check_not_given(testing_percentage, test_dir):
    """Raises UserError where a percentage is asked for beside a folder of test photos.

    Args:
      testing_percentage: as given; None and 0 ask for nothing.
      test_dir: the folder, or None.
    """
    if testing_percentage and test_dir is not None:
        raise UserError(
            '--testing_percentage=%g is about the photos of --image_dir, and the test photos are '
            'those of %s: leave it out' % (testing_percentage, test_dir)
        )


def check(split):
    """Raises UserError if the percentages of a `Split` are more than 100 together."""
    if split.testing_percentage + split.validation_percentage > 100:
        raise UserError(
            '--testing_percentage=%g and --validation_percentage=%g are more than 100 together: '
            'expected at most 100' % (split.testing_percentage, split.validation_percentage)
        )
