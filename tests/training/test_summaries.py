"""The summaries folder is emptied, and only of summaries."""

import os
import re
import signal
import time

import pytest

from scripts.common import appending
from scripts.common.errors import UserError
from scripts.training import summaries


def test_old_runs_go(tmp_path):
    for name in ('train', 'other/run'):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / 'events.out.tfevents.123.host').write_bytes(b'')
    summaries.check_dir(str(tmp_path))
    summaries.empty_dir(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_is_made(tmp_path):
    summaries.check_dir(str(tmp_path / 'a' / 'b'))
    summaries.empty_dir(str(tmp_path / 'a' / 'b'))
    assert (tmp_path / 'a' / 'b').is_dir()


def test_a_folder_with_anything_else_is_refused(tmp_path):
    (tmp_path / 'train').mkdir()
    (tmp_path / 'train' / 'thesis.txt').write_bytes(b'years of work')
    with pytest.raises(UserError, match='thesis.txt, which is no TensorBoard file'):
        summaries.check_dir(str(tmp_path))


@pytest.mark.parametrize(
    'name', ['.env', '.git/HEAD', 'train/.notes', '.events', '.ipynb_checkpoints/.a', '._thesis']
)
def test_a_folder_with_hidden_files_is_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b'a secret')
    with pytest.raises(UserError, match='%s, which is no TensorBoard file' % re.escape(name)):
        summaries.check_dir(str(tmp_path))
    assert (tmp_path / name).read_bytes() == b'a secret'


@pytest.mark.parametrize('target', ['elsewhere', 'nowhere'])
def test_a_folder_with_links_is_refused(tmp_path, target):
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'summaries').mkdir()
    os.symlink(str(tmp_path / target), str(tmp_path / 'summaries' / 'other run'))
    with pytest.raises(UserError, match='other run, which is no TensorBoard file'):
        summaries.check_dir(str(tmp_path / 'summaries'))


@pytest.mark.parametrize('name', ['.DS_Store', 'Thumbs.db', 'train/desktop.ini'])
def test_what_file_managers_leave_goes_too(tmp_path, name):
    (tmp_path / 'summaries' / name).parent.mkdir(parents=True)
    (tmp_path / 'summaries' / name).write_bytes(b'')
    summaries.check_dir(str(tmp_path / 'summaries'))
    summaries.empty_dir(str(tmp_path / 'summaries'))
    assert list((tmp_path / 'summaries').iterdir()) == []


def test_what_is_put_there_after_the_check_stays(tmp_path):
    for name in ('train', 'other/run'):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / 'events.out.tfevents.123.host').write_bytes(b'')
    summaries.check_dir(str(tmp_path))
    kept = [tmp_path / 'thesis.txt', tmp_path / 'train' / '.env', tmp_path / 'notes' / 'a']
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'years of work')
    os.symlink(str(tmp_path / 'notes'), str(tmp_path / 'link'))
    summaries.empty_dir(str(tmp_path))
    assert all(path.read_bytes() == b'years of work' for path in kept)
    assert os.path.islink(str(tmp_path / 'link'))
    assert sorted(os.listdir(str(tmp_path))) == ['link', 'notes', 'thesis.txt', 'train']
    assert os.listdir(str(tmp_path / 'train')) == ['.env']


@pytest.mark.parametrize('place', ['', 'below', 'below/further', '../summaries/./below', 'link'])
def test_nothing_else_is_kept_inside(tmp_path, place):
    folder = tmp_path / 'summaries'
    folder.mkdir()
    os.symlink(str(folder), str(folder / 'link'))
    places = [('--model_dir', ''), ('--bottleneck_dir', str(folder / place))]
    with pytest.raises(UserError, match='--bottleneck_dir=.* is inside of --summaries_dir='):
        summaries.check_outside(str(folder), places)
    places = [('--bottleneck_dir', str(tmp_path / 'summaries_')), ('--report', str(tmp_path))]
    summaries.check_outside(str(folder), places)


def test_a_file_is_refused(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='is a file, expected a folder'):
        summaries.check_dir(str(tmp_path / 'file'))


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(appending, '_PATIENCE_SECONDS', 0.1)
    folder = str(tmp_path / 'new')
    with summaries.held(folder):
        summaries.check_dir(folder)
        summaries.empty_dir(folder)
        refused = pytest.raises(UserError, match='--summaries_dir=%s is in use by ano' % folder)
        with refused, summaries.held(folder):
            raise AssertionError('not reached')
        (tmp_path / 'new' / 'events.out.tfevents.1').write_bytes(b'')
    assert os.listdir(folder) == ['events.out.tfevents.1']
    with summaries.held(folder):
        pass


def test_a_folder_that_is_held_soon_enough_is_waited_for(tmp_path):
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        with summaries.held(str(tmp_path)):
            os.write(writing, b'.')
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)  # Which leaves the file that is locked.
    os.read(reading, 1)
    with summaries.held(str(tmp_path)):
        assert os.waitpid(process, 0)[1] == signal.SIGKILL
    assert os.listdir(str(tmp_path)) == []


def test_a_run_that_ends_badly_leaves_no_new_folder(tmp_path):
    with pytest.raises(BrokenPipeError), summaries.held(str(tmp_path / 'new')):
        raise BrokenPipeError
    assert os.listdir(str(tmp_path)) == []


def test_a_folder_that_cannot_be_held_is_told(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='cannot write'), summaries.held(str(tmp_path / 'file')):
        pass
