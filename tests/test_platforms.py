"""Windows, macOS and machines without a locale, as far as they can be simulated here."""

import ast
import ntpath
import os
import subprocess
import sys

import pytest

from scripts.common import paths
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.images import settings
from tests import pictures, stand_ins
from tests.conftest import NO_LOCALE, REPOSITORY

# Modules of the standard library that Windows does not have.
POSIX_ONLY = ['fcntl', 'grp', 'posix', 'pty', 'pwd', 'resource', 'termios']


def sources():
    """Yields the path and the syntax tree of each module of `scripts`."""
    for folder, _, names in os.walk(os.path.join(REPOSITORY, 'scripts')):
        for path in (os.path.join(folder, name) for name in names if name.endswith('.py')):
            with open(path, encoding='utf-8') as file:
                yield path, ast.parse(file.read())


def text_opened_without_encoding(tree):
    """Returns the lines of calls of `open` that leave the encoding of a text to the system."""
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == 'open':
            modes = call.args[1:2] + [each.value for each in call.keywords if each.arg == 'mode']
            binary = any('b' in ast.literal_eval(mode) for mode in modes)
            if not binary and 'encoding' not in [each.arg for each in call.keywords]:
                found.append(call.lineno)
    return found


@pytest.mark.once
def test_no_text_is_read_or_written_in_the_encoding_of_the_system():
    assert text_opened_without_encoding(ast.parse("open('a')\nopen('b', 'w')")) == [1, 2]
    assert not text_opened_without_encoding(ast.parse("open('a', 'rb')\nopen('b', encoding='x')"))
    found = {path: text_opened_without_encoding(tree) for path, tree in sources()}
    assert len(found) > 50
    assert not [path for path, lines in found.items() if lines]


def test_files_are_written_without_what_only_posix_has(tmp_path):
    code = (
        'import sys\n'
        'sys.modules.update(fcntl=None, resource=None)\n'
        'from scripts.common import files\n'
        'for data in b"old", b"new":\n'
        '    files.write(sys.argv[1], data)\n'
    )
    path = str(tmp_path / 'folder' / 'file')
    subprocess.run([sys.executable, '-c', code, path], cwd=REPOSITORY, check=True)
    with open(path, 'rb') as file:
        assert file.read() == b'new'


@pytest.mark.once
def test_what_only_posix_has_is_imported_where_its_absence_is_handled():
    importing = [
        os.path.relpath(path, REPOSITORY)
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in [getattr(node, 'module', None)] + [alias.name for alias in node.names]
        if name in POSIX_ONLY
    ]
    handled = {os.path.join('scripts', 'common', name) for name in ('limits.py', 'locking.py')}
    assert set(importing) == handled


def test_a_missing_drive_ends_the_search_for_a_folder_that_exists(monkeypatch):
    monkeypatch.setattr(paths.os, 'path', ntpath)
    monkeypatch.setattr(ntpath, 'lexists', lambda path: False)
    monkeypatch.setattr(ntpath, 'abspath', lambda path: path)
    assert paths.nearest_existing('Z:\\photos\\daisy') == 'Z:\\'


@pytest.mark.parametrize('key', [split_lib.BY_PATH, split_lib.BY_NAME])
def test_windows_splits_as_other_systems_do(monkeypatch, key):
    split = split_lib.Split(30, 30, key)
    names = ['%d_photo.jpg' % number for number in range(200)]
    here = [split.category_of('my_photos', 'daisy', name) for name in names]
    monkeypatch.setattr(os, 'path', ntpath)
    assert [split.category_of('my_photos', 'daisy', name) for name in names] == here


def test_endings_of_any_case_count_and_the_classic_ones_come_first(tmp_path):
    for name in ('e.Jpg', 'd.JPG', 'c.jpg', 'b.JPEG', 'a.jPeG', 'f.jpeg', 'g.png'):
        (tmp_path / 'daisy' / name).parent.mkdir(exist_ok=True)
        (tmp_path / 'daisy' / name).write_bytes(b'')
    photos = photos_lib.load(str(tmp_path), split_lib.Split(0, 0)).photos
    assert [photo.file_name for photo in photos] == (
        ['c.jpg', 'f.jpeg', 'd.JPG', 'b.JPEG', 'a.jPeG', 'e.Jpg']
    )


def test_an_unknown_number_of_processors_is_no_obstacle(monkeypatch, photo_dir):
    from scripts.images import runner

    monkeypatch.setattr(os, 'cpu_count', lambda: None)
    spec = settings.PixelSpec(8, 9, 127.5, 127.5)
    paths = [
        photo.path for photo in photos_lib.load(photo_dir, split_lib.Split(key='name')).photos[:3]
    ]
    ((values, readable),) = runner.run(spec, lambda pixels: pixels, [paths])
    assert values.shape == (3, 8, 9, 3) and readable.all()
    assert runner.report_unreadable(paths) == set()


@pytest.mark.parametrize(
    'changes',
    [
        NO_LOCALE,
        {'PYTHONIOENCODING': 'cp1252'},  # As in a Windows terminal.
    ],
    ids=['no locale', 'cp1252'],
)
def test_a_class_of_any_letters_is_trained_in_any_encoding(in_subprocess, tmp_path, changes):
    folder = os.path.join(str(tmp_path), os.fsdecode('caf\u00e9 \u2603'.encode()))
    pictures.draw_classes(folder, 20)
    stand_ins.install('mobilenet_0.25_128', str(tmp_path))
    outputs = {
        name: os.path.join(folder, 'out', name)
        for name in ('bottleneck_dir', 'summaries_dir', 'output_graph', 'output_labels')
    }
    ended = in_subprocess(
        'scripts.retrain',
        '--architecture=mobilenet_0.25_128',
        '--model_dir=%s' % tmp_path,
        '--image_dir=' + folder,
        '--how_many_training_steps=5',
        '--report=' + os.path.join(folder, 'out', 'report.html'),
        *('--%s=%s' % item for item in outputs.items()),
        env=dict(os.environ, **changes),
        errors='replace',
    )
    assert ended.status == 0, ended.err
    assert os.path.isfile(outputs['output_graph'])
