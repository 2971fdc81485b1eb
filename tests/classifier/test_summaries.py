"""The summaries folder is emptied, and only of summaries."""

import pytest

from scripts.classifier import summaries
from scripts.errors import UserError


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


def test_a_file_is_refused(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='is a file, expected a folder'):
        summaries.check_dir(str(tmp_path / 'file'))
