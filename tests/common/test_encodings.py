"""File names in other programs' encodings."""

import os

import pytest

from scripts.common import encodings
from scripts.common.errors import UserError


def test_a_path_for_tensorflow_is_utf8_without_a_locale_too():
    assert encodings.for_tensorflow(os.fsdecode('caf\u00e9'.encode())) == 'caf\u00e9'
    with pytest.raises(UserError, match='paths in UTF-8'):
        encodings.for_tensorflow(os.fsdecode(b'caf\xe9'))
