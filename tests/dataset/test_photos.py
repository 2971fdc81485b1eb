"""A folder of photos as a list."""

import os

import pytest

from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.errors import UserError


def make(folder, names):
    for name in names:
        path = os.path.join(str(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, 'wb').close()


def load(folder, **percentages):
    return photos_lib.load(str(folder), split_lib.Split(**percentages))


def test_classes_labels_and_photos(tmp_path):
    make(tmp_path, ['roses/b.jpg', 'roses/a.JPEG', 'roses/c.jpeg', 'roses/d.JPG', 'Daisy_1/x.jpg'])
    dataset = load(tmp_path, testing_percentage=0, validation_percentage=0)
    assert dataset.labels == ('daisy 1', 'roses')
    assert [(photo.folder, photo.file_name, photo.label_index) for photo in dataset.photos] == [
        ('Daisy_1', 'x.jpg', 0),
        ('roses', 'b.jpg', 1),
        ('roses', 'c.jpeg', 1),
        ('roses', 'd.JPG', 1),
        ('roses', 'a.JPEG', 1),
    ]
    assert dataset.photos[1].path == os.path.join(str(tmp_path), 'roses', 'b.jpg')


def test_other_files_hidden_ones_and_nested_folders_are_left_out(tmp_path):
    make(
        tmp_path,
        [
            'a/1.jpg',
            'b/1.jpg',
            'b/2.png',
            'b/._1.jpg',
            'b/deep/2.jpg',
            'top.jpg',
            '.cache/1.jpg',
            'empty/notes.txt',
        ],
    )
    dataset = load(tmp_path)
    assert dataset.labels == ('a', 'b')
    assert len(dataset.photos) == 2


def test_categories_stand_one_after_the_other(tmp_path):
    make(tmp_path, ['%s/%d.jpg' % (name, number) for name in 'ab' for number in range(100)])
    photos = load(tmp_path, testing_percentage=30, validation_percentage=30).photos
    order = [split_lib.CATEGORIES.index(photo.category) for photo in photos]
    assert order == sorted(order) and len(set(order)) == 3
    for category in split_lib.CATEGORIES:
        labels = [photo.label_index for photo in photos if photo.category == category]
        assert labels == sorted(labels)


@pytest.mark.parametrize(
    'names, words',
    [
        ([], 'no sub-folder with photos'),
        (['photo.jpg'], 'no sub-folder with photos'),
        (['a/notes.txt', 'b/x.png'], 'no sub-folder with photos'),
        (['a/1.jpg', 'A/1.jpg'], 'give the same label'),
        (['my roses/1.jpg', 'my_roses/1.jpg'], 'give the same label'),
        (['a/1.jpg', '---/1.jpg'], 'no label is left'),
    ],
)
def test_a_folder_that_cannot_be_trained_on_is_told(tmp_path, names, words):
    make(tmp_path, names)
    with pytest.raises(UserError, match=words):
        load(tmp_path)


def test_a_folder_that_is_none_is_told(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    for path, words in (
        ('', 'is not set'),
        (str(tmp_path / 'none'), 'no such folder'),
        (str(tmp_path / 'file'), 'is a file'),
    ):
        with pytest.raises(UserError, match=words):
            load(path)


def check(dataset):
    return lambda: photos_lib.check_trainable(dataset)


def test_few_photos_are_a_warning(tmp_path, warnings_of):
    make(tmp_path, ['few/1.jpg'] + ['many/%d.jpg' % number for number in range(20)])
    dataset = load(tmp_path, testing_percentage=0, validation_percentage=0)
    warned = warnings_of(check(dataset))
    assert 'class few has only 1 photos' in warned[0]
    assert all('at all' in text for text in warned[1:]) and len(warned) == 3


def test_one_class_can_be_evaluated_but_not_trained(tmp_path):
    make(tmp_path, ['only/%d.jpg' % number for number in range(20)])
    dataset = load(tmp_path)
    assert dataset.labels == ('only',)
    with pytest.raises(UserError, match='one class only'):
        photos_lib.check_trainable(dataset)


def test_a_class_without_photos_in_a_category_is_a_warning(tmp_path, warnings_of):
    make(tmp_path, ['%s/%d.jpg' % (name, number) for name in 'ab' for number in range(40)])
    dataset = load(tmp_path, testing_percentage=20, validation_percentage=0)
    kept = [
        photo
        for photo in dataset.photos
        if not (photo.category == split_lib.TESTING and photo.label_index == 1)
    ]
    warned = warnings_of(lambda: photos_lib.check_trainable(dataset._replace(photos=kept)))
    assert len(warned) == 2
    assert 'class b has 0 testing photos' in warned[0]
    assert 'no photos for validation at all' in warned[1]


def test_no_training_photos_are_an_error(tmp_path):
    make(tmp_path, ['a/1.jpg', 'b/1.jpg'])
    dataset = load(tmp_path, testing_percentage=100, validation_percentage=0)
    with pytest.raises(UserError, match='none of the 2 photos is left for training'):
        photos_lib.check_trainable(dataset)


def test_what_is_left_out_is_said(tmp_path, warnings_of):
    names = ['a/1.jpg', 'b/1.jpg', 'b/2.png', 'b/2.webp', 'b/deep/2.jpg', 'top.jpg', 'notes.txt']
    make(tmp_path, [*names, 'b/.hidden', '.thumbs/1.jpg'])
    (tmp_path / 'a' / 'broken.jpg').symlink_to('nowhere')
    warned = sorted(warnings_of(lambda: load(tmp_path)))
    assert [text.replace(str(tmp_path), '') for text in warned] == [
        'left out are 1 folders inside of a class folder, with all that is in them, such as '
        '/b/deep',
        'left out are 1 links to nothing, or other things that are no files, such as /a/broken.jpg',
        'left out are 1 photos that are in no class folder, such as /top.jpg',
        'left out are 2 files that do not end in .jpg, .jpeg, .JPG, .JPEG, such as /b/2.png',
    ]


def test_links_are_followed_and_loops_are_not(tmp_path):
    make(tmp_path, ['photos/a/1.jpg', 'photos/b/1.jpg', 'elsewhere/1.jpg', 'elsewhere/2.jpg'])
    photos = tmp_path / 'photos'
    (photos / 'c').symlink_to(tmp_path / 'elsewhere')
    (photos / 'a' / 'linked.jpg').symlink_to(tmp_path / 'elsewhere' / '1.jpg')
    (photos / 'a' / 'up').symlink_to(photos)
    (photos / 'a' / 'itself.jpg').symlink_to('itself.jpg')
    (photos / 'loop').symlink_to('loop')
    (photos / 'again').symlink_to(photos)
    dataset = load(photos)
    found = sorted(photo.folder + '/' + photo.file_name for photo in dataset.photos)
    assert found == ['a/1.jpg', 'a/linked.jpg', 'b/1.jpg', 'c/1.jpg', 'c/2.jpg']
