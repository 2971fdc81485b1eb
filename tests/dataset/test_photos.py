"""A folder of photos as a list."""

import os

import pytest

from scripts.common.errors import UserError
from scripts.dataset import extensions as extensions_lib
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib


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
        (['a/notes.txt', 'b/x.tex'], 'no sub-folder with photos'),
        (['a/1.jpg', 'A/1.jpg'], 'give the same label'),
        (['my roses/1.jpg', 'my_roses/1.jpg'], 'give the same label'),
        (['a/1.jpg', '---/1.jpg'], 'its label would be empty'),
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
    names.append('b/3.txt')
    make(tmp_path, [*names, 'b/.hidden', '.thumbs/1.jpg'])
    (tmp_path / 'a' / 'broken.jpg').symlink_to('nowhere')
    warned = sorted(warnings_of(lambda: load(tmp_path)))
    assert [text.replace(str(tmp_path), '') for text in warned] == [
        'left out: WEBP files (1), such as /b/2.webp; convert such photos to JPEG',
        'left out: broken links and special files (1), such as /a/broken.jpg',
        'left out: files with the extension .png (1), such as /b/2.png; '
        '--image_extensions=jpg,jpeg,png includes them',
        'left out: files without the extensions .jpg, .jpeg, .JPG, .JPEG (1), such as /b/3.txt',
        'left out: folders inside class folders, with all their files (1), such as /b/deep',
        'left out: photos outside of class folders (1), such as /top.jpg',
    ]


def test_what_is_left_out_of_many_folders_is_said_once(tmp_path, warnings_of):
    for number in range(300):
        make(tmp_path, ['%03d/1.jpg' % number, '%03d/2.txt' % number, 'empty %d/notes' % number])
    warned = sorted(warnings_of(lambda: load(tmp_path)))
    assert [text.replace(str(tmp_path), '') for text in warned] == [
        'left out: files without the extensions .jpg, .jpeg, .JPG, .JPEG (600), such as /000/2.txt',
        'left out: folders without photos (.jpg, .jpeg, .JPG, .JPEG) (300), such as /empty 0',
    ]


def test_2000_classes_of_few_photos_are_a_few_lines(tmp_path, warnings_of):
    make(tmp_path, ['c%04d/%d.jpg' % (number, each) for number in range(2000) for each in range(3)])
    photos = [
        photo._replace(category='validation' if photo.path.endswith('7/2.jpg') else 'training')
        for photo in load(tmp_path).photos
    ]
    dataset = load(tmp_path)._replace(photos=tuple(photos))
    assert warnings_of(check(dataset)) == [
        '2,000 of 2,000 classes have fewer than 20 photos, such as c0000 (3), c0001 (3), '
        'c0002 (3); so few train poorly',
        'no photos for testing at all: its accuracy is left out',
        '1,800 of 2,000 classes have 0 validation photos, such as c0000, c0001, c0002',
    ]


def test_extensions_are_chosen_and_counted_in_any_case(tmp_path):
    make(tmp_path, ['a/%s' % name for name in ('1.png', '2.JPG', '3.PNG', '4.jpg', '5.Png')])
    make(tmp_path, ['b/1.jpeg', 'b/2.gif'])
    extensions = extensions_lib.parse('jpg,jpeg,png')
    photos = photos_lib.load(str(tmp_path), split_lib.Split(0, 0), extensions).photos
    names = [photo.file_name for photo in photos]
    assert names == ['4.jpg', '1.png', '2.JPG', '3.PNG', '5.Png', '1.jpeg']
    classic = photos_lib.load(str(tmp_path), split_lib.Split(0, 0)).photos
    assert [photo.file_name for photo in classic] == ['4.jpg', '2.JPG', '1.jpeg']


@pytest.mark.parametrize(
    'text, extensions',
    [
        ('jpg,jpeg', ('jpg', 'jpeg', 'JPG', 'JPEG')),
        ('.png', ('png', 'PNG')),
        ('JPG, .Png ,jpg', ('jpg', 'png', 'JPG', 'PNG')),
        ('bmp,gif,jfif', ('bmp', 'gif', 'jfif', 'BMP', 'GIF', 'JFIF')),
    ],
)
def test_extensions_as_typed(text, extensions):
    assert extensions_lib.parse(text) == extensions
    assert extensions_lib.parse('jpg,jpeg') == extensions_lib.CLASSIC


@pytest.mark.parametrize(
    'text, words',
    [
        ('', 'expected some of jpg, jpeg'),
        ('jpg,', 'expected some of jpg, jpeg'),
        ('*.png', r"'\*.png'.*expected some of jpg, jpeg"),
        ('..png', 'expected some of jpg, jpeg'),
        ('txt', "'txt'.*expected some of jpg, jpeg"),
        ('jpg,webp', 'does not decode webp.*convert'),
        ('heic', 'does not decode heic.*heif-convert'),
    ],
)
def test_extensions_that_cannot_be_are_told(text, words):
    with pytest.raises(UserError, match='--image_extensions=.*' + words):
        extensions_lib.parse(text)


@pytest.mark.parametrize(
    'names, words',
    [
        (
            ['a/1.png', 'a/2.PNG', 'b/1.png', 'b/2.txt'],
            '3 files have the extension .png: include them with --image_extensions=jpg,jpeg,png$',
        ),
        (
            ['a/1.png', 'a/2.gif', 'b/1.png'],
            '3 files have the extension .gif or .png: include them with '
            '--image_extensions=jpg,jpeg,gif,png$',
        ),
        (['a/1.heic', 'b/1.HEIC'], '2 files are HEIC: convert such photos to JPEG.* heif-convert '),
        (['a/1.webp', 'b/1.WEBP'], '2 files are WEBP: convert such photos to JPEG$'),
    ],
)
def test_a_folder_of_other_photos_is_told_what_to_do(tmp_path, warnings_of, names, words):
    make(tmp_path, names)

    def check():
        with pytest.raises(UserError, match=r'no sub-folder with photos \(.jpg.*' + words):
            load(tmp_path)

    assert not warnings_of(check)  # It is all said in the error.


def load_from(tmp_path, monkeypatch, image_dir):
    monkeypatch.chdir(str(tmp_path))
    with pytest.raises(UserError) as raised:
        load(image_dir)
    return str(raised.value)


@pytest.mark.parametrize(
    'image_dir, right',
    [
        ('photos/daisy', 'photos'),
        ('photos/daisy/', 'photos'),
        ('./photos/daisy', './photos'),
        ('{tmp}/photos/daisy', '{tmp}/photos'),
        ('photos/daisy/../daisy', 'photos/daisy/..'),
        ('my photos/daisy', "'my photos'"),
        ('daisy', '.'),
        ('deep', 'deep/down/photos'),
        ('.', '.'),
    ],
)
def test_the_right_folder_is_named(tmp_path, monkeypatch, image_dir, right):
    root = '' if image_dir == 'daisy' else 'photos/'
    root = {'deep': 'deep/down/photos/', 'my photos/daisy': 'my photos/'}.get(image_dir, root)
    make(tmp_path, [root + name for name in ('daisy/1.jpg', 'daisy/2.jpg', 'rose/1.png')])
    make(tmp_path, ['deep/notes.txt', 'deep/down/empty/x.txt', 'deep/down/.thumbs/a/1.jpg'])
    if image_dir == '.':
        monkeypatch.chdir(str(tmp_path / 'photos' / 'daisy'))
        with pytest.raises(UserError, match=r'did you mean --image_dir=\.\.\?'):
            load('.')
        return
    image_dir, right = [each.format(tmp=tmp_path) for each in (image_dir, right)]
    message = load_from(tmp_path, monkeypatch, image_dir)
    assert message.endswith('; did you mean --image_dir=%s?' % right)


def test_several_folders_that_would_do_are_all_named(tmp_path, monkeypatch):
    for part in ('train', 'test', 'valid'):
        make(tmp_path, ['data/%s/%s/1.jpg' % (part, name) for name in ('cat', 'dog')])
    message = load_from(tmp_path, monkeypatch, 'data')
    assert message.endswith(
        '; did you mean --image_dir=data/test, --image_dir=data/train or --image_dir=data/valid?'
    )


def test_photos_in_no_class_folder_at_all_are_told_where_they_go(tmp_path, monkeypatch):
    make(tmp_path, ['album/1.jpg', 'album/2.jpg', 'music/1.mp3'])
    message = load_from(tmp_path, monkeypatch, 'album')
    assert 'did you mean' not in message
    assert message.endswith('2 photos are directly in it: put those of each class into one')


def test_a_photo_folder_beside_the_right_one_is_no_class(tmp_path, monkeypatch):
    make(tmp_path, ['held_out/1.jpg', 'flowers/daisy/1.jpg', 'flowers/rose/1.jpg'])
    monkeypatch.chdir(str(tmp_path))
    with pytest.raises(UserError, match=r'did you mean --image_dir=\./flowers\?'):
        photos_lib.check_trainable(load('.'))


def test_looking_for_the_right_folder_ends(tmp_path, monkeypatch):
    for number in range(200):
        make(tmp_path, ['home/%d/%d/x.txt' % (number, each) for each in range(10)])
    (tmp_path / 'home' / 'loop').symlink_to(tmp_path / 'home')
    looked = []
    scandir = os.scandir
    monkeypatch.setattr(os, 'scandir', lambda path: looked.append(path) or scandir(path))
    assert 'did you mean' not in load_from(tmp_path, monkeypatch, 'home')
    assert len(looked) < 1500


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
