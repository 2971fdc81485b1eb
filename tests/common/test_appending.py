"""Files that grow: kept, and written by one process at a time."""

import os
import threading
import time

import pytest

from scripts.common import appending, files
from scripts.common.errors import UserError
from tests.full_disk import FullDisk


def test_a_growing_file_is_kept_and_written_by_one_at_a_time(tmp_path):
    path = str(tmp_path / 'new' / 'file')
    order = []

    def write(text):
        with appending.growing(path) as file:
            order.append(text)
            file.write(text)

    with appending.growing(path) as file:
        file.write(b'one ')
        other = threading.Thread(target=write, args=(b'two',))
        other.start()
        time.sleep(0.1)
        assert order == []
        os.rename(path, path + '.done')  # The other one must not write on here.
    other.join()
    assert files.read(path, 'file') == b'two' and files.read(path + '.done', 'file') == b'one '
    with pytest.raises(UserError, match='cannot write'), appending.growing(str(tmp_path)):
        pass


def test_what_the_system_writes_in_parts_is_written_whole(tmp_path):
    path = str(tmp_path / 'file')
    for _ in range(2):
        with FullDisk(appending.open_locked(path), 100) as file:
            appending.write(file, bytes(range(100)))
    assert files.read(path, 'file') == 2 * bytes(range(100))


def test_of_what_a_full_disk_does_not_take_no_part_stays(tmp_path):
    path = str(tmp_path / 'file')
    files.write(path, b'before')
    full = FullDisk(appending.open_locked(path), 50)
    with full as file, pytest.raises(OSError, match='No space left'):
        appending.write(file, bytes(100))
    assert files.read(path, 'file') == b'before'
