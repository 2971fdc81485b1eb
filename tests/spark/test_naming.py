"""Paths below a folder of photos: the rules are those of photos that are listed here."""

import os

import pytest

from scripts.common.errors import UserError
from scripts.dataset import extensions, groups
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import BY_NAME, CATEGORIES, Split
from scripts.spark import extracting, naming, storage
from scripts.spark.naming import Rules, Survey

NAMES = ['Roses/%03d.jpg' % number for number in range(60)] + [
    'red-tulips/%s' % name for name in ('a.jpg', 'b.JPG', 'ü 1.Jpeg', 'a_nohash_1.jpg')
]
LEFT_OUT = ['Roses/notes.txt', 'beside.jpg', 'red-tulips/x.png']


def make(folder, names):
    """Makes empty files below a folder, which is returned."""
    for name in names:
        path = os.path.join(str(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb'):
            pass
    return str(folder)


def rules_of(image_dir, split=None, test_dir=None):
    """Returns `Rules` of the classic extensions."""
    return Rules(image_dir, test_dir, split or Split(), extensions.CLASSIC)


def surveyed(rules, names):
    """Returns the `Survey` of names, pairs of a relative path and whether it is of test photos."""
    survey = Survey()
    for relative, is_test in names:
        survey.add(rules, relative, is_test, 9)
    return survey


@pytest.mark.parametrize('key', ['path', BY_NAME])
@pytest.mark.once
def test_photos_are_labelled_and_split_as_those_that_are_listed(tmp_path, key):
    image_dir = make(tmp_path, NAMES + LEFT_OUT)
    split = Split(20, 20, key, groups=groups.Groups({'Roses/001.jpg': 'Roses/000.jpg'}, '5a'))
    listed = photos_lib.load(image_dir, split)
    rules = rules_of(image_dir, split)
    names = [(name, False) for name in NAMES + LEFT_OUT]
    labels, counts = surveyed(rules, names).labels(rules)
    assert labels == list(listed.labels)
    for category in CATEGORIES:
        of_category = [photo for photo in listed.photos if photo.category == category]
        indices = [photo.label_index for photo in of_category]
        assert counts[category] == [indices.count(index) for index in range(len(labels))]
        for photo in of_category:
            relative = '%s/%s' % (photo.folder, photo.file_name)
            assert rules.category_of(relative, False) == category
            assert naming.prefix_of(image_dir) + relative == photo.path


@pytest.mark.once
def test_what_is_left_out_is_counted_by_kind():
    rules = rules_of('photos')
    survey = surveyed(rules, [(name, False) for name in NAMES + LEFT_OUT])
    for name, size in (
        ('_in', None),
        ('Roses/_a.jpg', 5),
        ('Roses/b.jpg', None),
        ('Roses/c.jpg', 0),
    ):
        survey.add(rules, name, False, size)
    assert survey.total(naming.PHOTO) == len(NAMES) + 1
    assert survey.empty == [('Roses/c.jpg', False)]
    assert survey.left_out(rules_of('photos')) == [
        'left out: photos outside of class folders (1), such as photos/beside.jpg',
        'left out: files and folders whose names begin with _, which Spark passes over (2), such '
        'as photos/Roses/_a.jpg',
        'left out: folders inside class folders, with all their files (1), such as '
        'photos/Roses/b.jpg',
        'left out: files without the extensions .jpg, .jpeg, .JPG, .JPEG (2), such as '
        'photos/Roses/notes.txt',
    ]


@pytest.mark.once
def test_photos_of_a_folder_of_test_photos_are_for_testing():
    rules = rules_of('train', Split(0, 10), 'test')
    names = [('a/%d.jpg' % number, False) for number in range(9)] + [('A/1.jpg', True)]
    labels, counts = surveyed(rules, names + [('b/1.jpg', False)]).labels(rules)
    assert labels == ['a', 'b'] and counts['testing'] == [1, 0]
    with pytest.raises(UserError, match="--test_dir=test has the class 'c', which --image_dir="):
        surveyed(rules, names + [('c/1.jpg', True)]).labels(rules)


@pytest.mark.parametrize(
    'names, words',
    [
        (['1.jpg'], '--image_dir=hdfs://host/x has no sub-folder with photos .*; left out: photos'),
        (['a-b/1.jpg', 'a b/1.jpg'], 'the folders a b and a-b give the same label'),
        (['+/1.jpg'], 'its label would be empty'),
    ],
)
@pytest.mark.once
def test_folders_that_give_no_labels_are_told(names, words):
    rules = rules_of('hdfs://host/x')
    with pytest.raises(UserError, match=words):
        surveyed(rules, [(name, False) for name in names]).labels(rules)


@pytest.mark.once
def test_a_plain_path_is_local_and_an_address_is_left_as_it_is():
    assert naming.uri_of('a b/c%') == 'file:' + os.path.abspath('a b/c%')
    for uri in ('hdfs://host:8020/photos', 's3a://bucket/photos', 'file:///photos'):
        assert naming.uri_of(uri) == uri


@pytest.mark.once
def test_a_name_that_java_cannot_read_is_told():
    with pytest.raises(UserError, match='Java cannot read the name photos/a/b.*: set'):
        Survey().add(rules_of('photos'), 'a/b\ufffd.jpg', False, 9)


@pytest.mark.once
def test_what_hadoop_prints_of_files_is_read():
    for text, entry in (
        ('FileStatus{path=file:/a b/c; isDirectory=true; x; isDirectory=true; modified', None),
        ('S3AFileStatus{path=s3a://b/a/c; isDirectory=false; length=70; replication=1; ', 70),
        ('L{path=file:/a/d; isDirectory=true; /c\n; isDirectory=false; length=0; replication', 0),
    ):
        found = storage._entry_of(text)
        assert found.bytes == entry and found.name.rstrip() in ('c', 'c; isDirectory=true; x')
    with pytest.raises(ValueError, match='cannot read the listing of Hadoop'):
        storage._entry_of('path=file:/a')


@pytest.mark.once
def test_a_task_has_whole_batches():
    sizes = [
        extracting.size_of_task(*each) for each in ((1, 2), (600, 2), (60000, 2), (10**8, 400))
    ]
    assert sizes == [32, 96, 2048, 2048]
