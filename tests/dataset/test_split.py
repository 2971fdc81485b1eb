"""The split: classic, and stable."""

import collections
import hashlib

import pytest

from scripts.dataset import split as split_lib
from scripts.dataset.split import Split

NAMES = ['%d_photo.jpg' % number for number in range(2000)]


def categories(split, image_dir='photos'):
    return [split.category_of(image_dir, 'daisy', name) for name in NAMES]


def test_the_hash_is_the_classic_one():
    digest = int(hashlib.sha1(b'tf_files/flower_photos/daisy/a.jpg').hexdigest(), 16)
    percentage = (digest % 134217728) * (100.0 / 134217727)
    split = Split(100 - percentage, percentage - 1e-10)  # On the border of the two.
    assert split.category_of('tf_files/flower_photos', 'daisy', 'a.jpg') == split_lib.TESTING
    split = Split(100 - percentage, percentage + 1e-10)
    assert split.category_of('tf_files/flower_photos', 'daisy', 'a.jpg') == split_lib.VALIDATION


def test_percentages_are_kept():
    counts = collections.Counter(categories(Split(20, 10)))
    assert 340 < counts[split_lib.TESTING] < 460
    assert 140 < counts[split_lib.VALIDATION] < 260
    assert sum(counts.values()) == 2000


@pytest.mark.parametrize(
    'split, category',
    [
        (Split(0, 0), split_lib.TRAINING),
        (Split(100, 0), split_lib.TESTING),
        (Split(0, 100), split_lib.VALIDATION),
    ],
)
def test_all_or_nothing(split, category):
    assert set(categories(split)[:200]) == {category}


def test_photos_of_one_object_share_a_category():
    split = Split(50, 0)
    for number in range(50):
        names = ['%d_nohash_%s.jpg' % (number, view) for view in ('front', 'back', 'side')]
        assert len({split.category_of('photos', 'daisy', name) for name in names}) == 1


def test_by_path_a_move_reshuffles_and_by_name_it_does_not():
    assert categories(Split()) != categories(Split(), 'moved')
    by_name = Split(key=split_lib.BY_NAME)
    assert categories(by_name) == categories(by_name, '/moved/elsewhere')


def test_names_of_any_bytes_are_hashed():
    assert Split().category_of('photos', 'daisy', 'caf\u00e9\udcff.jpg') in split_lib.CATEGORIES
