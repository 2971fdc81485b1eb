"""Groups of photos that share a category."""

import pytest

from scripts.common.errors import UserError
from scripts.dataset import groups as groups_lib
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.dataset.split import Split
from tests import pictures


def read(tmp_path, data):
    (tmp_path / 'groups.csv').write_bytes(data)
    return groups_lib.read(str(tmp_path / 'groups.csv'))


def test_what_is_written_is_read(tmp_path):
    members = [
        [('b', '2.jpg'), ('a', 'with, comma.jpg'), ('a', 'caf\u00e9.jpg')],
        [('c', '\udcff')],
    ]
    found = read(tmp_path, groups_lib.to_csv(members))
    assert found.first == {
        'b/2.jpg': 'a/caf\u00e9.jpg',
        'a/with, comma.jpg': 'a/caf\u00e9.jpg',
        'a/caf\u00e9.jpg': 'a/caf\u00e9.jpg',
        'c/\udcff': 'c/\udcff',
    }
    assert found.first_of('b', '2.jpg') == ('a', 'caf\u00e9.jpg')
    assert found.first_of('z', '2.jpg') == ('z', '2.jpg')


def test_other_columns_their_order_and_empty_lines_do_not_matter(tmp_path):
    data = b'\xef\xbb\xbfimage,more,group\r\na/2.jpg,x,one\r\n\r\na/1.jpg,,one\r\n'
    assert read(tmp_path, data).first == {'a/2.jpg': 'a/1.jpg', 'a/1.jpg': 'a/1.jpg'}
    other = read(tmp_path, data + b'a/3.jpg,,two\r\n')
    assert other.sha256 != read(tmp_path, data).sha256


@pytest.mark.parametrize(
    'data, words',
    [
        (b'', 'has the columns of an empty file, expected group and image'),
        (b'kind,image\n', 'has the columns kind, image, expected'),
        (b'group,image\n1\n', 'line 2 has 1 columns, expected 2'),
        (b'group,image\n1,photo.jpg\n', 'line 2 has the image photo.jpg, expected <folder>/<file>'),
        (b'group,image\n1,a/p\n2,a/p\n', 'a/p is in the groups 1 and 2, expected one'),
        (b'group,image\n1,a/' + b'p' * 200000, 'is no CSV'),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path, data, words):
    with pytest.raises(UserError, match=words):
        read(tmp_path, data)


def test_a_group_is_of_one_category_and_others_stay(tmp_path):
    folder = pictures.draw_classes(str(tmp_path / 'photos'), 30)
    split = Split(30, 30, key=split_lib.BY_NAME)  # By path it depends on where tests run.
    plain = photos_lib.load(folder, split).photos
    category = {(photo.folder, photo.file_name): photo.category for photo in plain}
    names = sorted(category)
    members = [names[0::9], names[1::9], names[4:6]]
    grouped = {name for group in members for name in group}
    groups = read(tmp_path, groups_lib.to_csv(members))
    found = photos_lib.load(folder, split._replace(groups=groups)).photos
    after = {(photo.folder, photo.file_name): photo.category for photo in found}
    assert len({category[name] for name in members[0]}) == 3  # Otherwise there is nothing to see.
    for group in members:
        assert {after[name] for name in group} == {category[min(group)]}
    assert all(after[name] == category[name] for name in set(names) - grouped)


def test_photos_that_are_not_there_are_one_warning(tmp_path, warnings_of):
    folder = pictures.draw_classes(str(tmp_path / 'photos'), 3)
    groups = read(tmp_path, b'group,image\n1,Red/000.jpg\n1,Red/gone.jpg\n')
    (warning,) = warnings_of(lambda: photos_lib.load(folder, Split(groups=groups)))
    assert '1 of the 2 photos in the file of groups are not there' in warning


def test_a_group_across_the_folder_of_test_photos_is_refused(tmp_path):
    folder = pictures.draw_classes(str(tmp_path / 'photos'), 3)
    test_dir = pictures.draw_classes(str(tmp_path / 'test'), 3)
    groups = read(tmp_path, b'group,image\n1,Red/000.jpg\n1,.test/green/001.jpg\n')
    words = r'test/green/001.jpg and .*photos/Red/000.jpg are of one group'
    with pytest.raises(UserError, match=words):
        photos_lib.load(folder, Split(0, 0, groups=groups), test_dir=test_dir)
    groups = read(tmp_path, b'group,image\n1,.test/Red/000.jpg\n1,.test/green/001.jpg\n')
    found = photos_lib.load(folder, Split(0, 0, groups=groups), test_dir=test_dir).photos
    assert sum(photo.category == split_lib.TESTING for photo in found) == 9
