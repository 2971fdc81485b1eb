"""JSON that anyone may have written."""

import pytest

from scripts.common import untrusted


def test_json_is_read():
    assert untrusted.from_json('{"a": [1, 2.5, "b", null]}') == {'a': [1, 2.5, 'b', None]}
    assert untrusted.from_json('%d' % (10**20 - 1)) == 10**20 - 1


@pytest.mark.parametrize('text', ['', '{"a": 1', 'NaN', '[-Infinity]', '1' * 21, 'not JSON'])
def test_what_is_not_json_or_takes_long_is_refused(text):
    with pytest.raises(ValueError):
        untrusted.from_json(text)
