"""Files that grow: kept, and written by one process at a time."""

import os
import threading
import time

import pytest

from scripts.common import appending, files
from scripts.common.errors import UserError


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
