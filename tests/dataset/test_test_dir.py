"""Test photos in a folder of their own."""

import pytest

from scripts.common.errors import UserError
from scripts.dataset import listing
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.features import identity, texts
from tests.dataset.test_photos import make

DIGITS = ['%d/%d.jpg' % (digit, number) for digit in (0, 1) for number in range(30)]


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Stands in a folder with `data/train` and `data/test`, whose photos have the same names."""
    make(tmp_path / 'data' / 'train', DIGITS)
    make(tmp_path / 'data' / 'test', DIGITS[::3])
    monkeypatch.chdir(str(tmp_path))
    return tmp_path


def load(image_dir='data/train', test_dir='data/test', **split):
    return photos_lib.load(image_dir, split_lib.Split(**split), test_dir=test_dir)


def of_category(dataset, category):
    return [photo for photo in dataset.photos if photo.category == category]


def test_all_photos_of_the_folder_test_and_all_others_do_not(inside):
    dataset = load()
    found = of_category(dataset, split_lib.TESTING)
    assert sorted(photo.path for photo in found) == sorted(
        'data/test/' + each for each in DIGITS[::3]
    )
    assert len(dataset.photos) == 80 and dataset.labels == ('0', '1')
    assert dataset.split.testing_percentage == 0 and dataset.test_dir == 'data/test'
    # A photo that validates does so with or without a folder of test photos.
    alone = load(test_dir=None)
    validating = of_category(alone, split_lib.VALIDATION)
    assert validating and validating == of_category(dataset, split_lib.VALIDATION)
    others = [photo for photo in alone.photos if photo.category != split_lib.VALIDATION]
    assert sorted(photo._replace(category=split_lib.TRAINING) for photo in others) == sorted(
        of_category(dataset, split_lib.TRAINING)
    )


def test_each_photo_has_its_own_name_in_caches(inside):
    photos = load().photos
    assert len({identity.name_of(photo) for photo in photos}) == len(photos)
    assert len({texts.path('cache', photo, 'net') for photo in photos}) == len(photos)


def test_no_class_can_have_the_name_that_test_photos_have_in_caches(inside):
    test = of_category(load(), split_lib.TESTING)[0]
    make(inside / 'data' / 'train', [test.folder + '/1.jpg', test.folder.split('/')[0] + '/1.jpg'])
    assert load().labels == ('0', '1')


def test_labels_go_by_name_and_photos_stand_in_their_order(inside):
    make(inside / 'few', ['ONE/1.jpg', 'zero_/2.jpg', 'zero_/1.jpg'])
    make(
        inside / 'many',
        ['%s/%d.jpg' % (name, n) for name in ('One', 'Two', 'Zero ') for n in range(9)],
    )
    dataset = load('many', 'few')
    assert dataset.labels == ('one', 'two', 'zero ')
    found = [(photo.path, photo.label_index) for photo in of_category(dataset, split_lib.TESTING)]
    assert found == [('few/ONE/1.jpg', 0), ('few/zero_/1.jpg', 2), ('few/zero_/2.jpg', 2)]
    order = [split_lib.CATEGORIES.index(photo.category) for photo in dataset.photos]
    assert order == sorted(order)


def test_a_folder_of_test_photos_alone(inside):
    dataset = photos_lib.load_test('data/test')
    assert list(dataset.photos) == of_category(load(), split_lib.TESTING)
    assert dataset.labels == ('0', '1') and dataset.folders == 'data/test'


def test_classes_without_test_photos_and_few_are_warnings(inside, warnings_of):
    make(inside / 'some', ['0/%d.jpg' % number for number in range(50)])
    make(inside / 'little', ['0/1.jpg'] + ['1/%d.jpg' % number for number in range(30)])
    warned = warnings_of(lambda: photos_lib.check_trainable(load(test_dir='some')))
    assert warned == ['class 1 has 0 testing photos (of 50 in that category)']
    warned = warnings_of(lambda: photos_lib.check_trainable(load('little', 'some')))
    assert 'class 0 has only 1 photos' in warned[0]


@pytest.mark.parametrize(
    'image_dir, test_dir, words',
    [
        ('data/train', 'data/train', 'share the photos in data/train:'),
        ('data/train', 'data/test/../train/', 'share the photos in data/test/../train/'),
        ('data/train', 'link', 'share the photos in link'),
        ('data/train', 'data/train/0', 'share the photos in data/train/0'),
        ('data/train', 'linked', 'share the photos in linked/1:'),
        ('data/train/0', 'data/train', 'no sub-folder with photos'),
        ('data/train', 'none', '--test_dir=none: no such folder'),
        ('data/train', '', '--test_dir is not set'),
        ('data/train', 'empty', '--test_dir=empty has no sub-folder with photos'),
        ('data/train', 'data', 'did you mean --test_dir=data/test or --test_dir=data/train?'),
        ('data/train', 'data/test/1', 'did you mean --test_dir=data/test?'),
        ('data/train', 'more', "--test_dir=more has the class 'two', which --image_dir=data/train"),
        ('data/train', 'twice', 'the folders A and a give the same label'),
    ],
)
def test_folders_that_cannot_be_are_told(inside, image_dir, test_dir, words):
    make(inside, ['more/0/1.jpg', 'more/Two/1.jpg', 'linked/0/1.jpg', 'empty/0/notes.txt'])
    make(inside, ['twice/A/1.jpg', 'twice/a/1.jpg'])
    (inside / 'link').symlink_to('data/train')
    (inside / 'linked' / '1').symlink_to('../data/train/1')
    with pytest.raises(UserError) as raised:
        load(image_dir, test_dir)
    assert words in str(raised.value) and '\n' not in str(raised.value)


def test_folders_train_and_test_are_found(inside, warnings_of):
    assert listing.train_and_test('data') == ('data/train', 'data/test')
    assert listing.train_and_test('data/') == ('data/train', 'data/test')
    make(inside, ['data/val/0/1.jpg', 'data/.hidden/1.jpg', 'data/notes.txt'])
    warned = warnings_of(lambda: listing.train_and_test('data'))
    assert warned == [
        'left out: folders and photos beside data/train and data/test (1), such as data/val'
    ]


@pytest.mark.parametrize(
    'names',
    [
        ['train/1.jpg', 'test/1.jpg'],  # They are classes.
        ['train/0/1.jpg', 'test/1.jpg', 'test/0/1.jpg'],
        ['train/0/1.jpg', 'train/1.png', 'test/0/1.jpg'],
        ['train/0/1.jpg', 'test/0/1.jpg', 'rose/1.jpg'],
        ['train/0/1.jpg', 'test/0/notes.txt'],
        ['train/0/1.jpg', 'val/0/1.jpg'],
        ['train/0/1.jpg', 'Test/0/1.jpg'],
        ['train/0/1.jpg', 'test'],
        ['train/0/deep/1.jpg', 'test/0/1.jpg'],
    ],
)
def test_other_folders_stay_what_they_are(tmp_path, names):
    make(tmp_path, names)
    assert listing.train_and_test(str(tmp_path)) is None
    assert listing.train_and_test('') is None


@pytest.mark.parametrize('name', ['val', 'valid', 'validation'])
def test_a_folder_that_may_be_meant_for_tests_is_named(inside, name):
    make(inside, ['my data/train/' + each for each in DIGITS])
    make(inside, ['my data/%s/%s' % (name, each) for each in DIGITS])
    with pytest.raises(UserError) as raised:
        load('my data', None)
    assert str(raised.value).endswith(
        "; did you mean --image_dir='my data/train' --test_dir='my data/%s'?" % name
    )
