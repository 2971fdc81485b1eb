"""The JSON of TensorFlow Serving."""

import base64
import json

import pytest

from scripts.serving import requests
from scripts.serving.answers import RefusedError

pytestmark = pytest.mark.once


def encoded(data):
    return {'b64': base64.b64encode(data).decode('ascii')}


@pytest.mark.parametrize(
    'instance', [{'image_bytes': encoded(b'\0photo')}, encoded(b'\0photo')], ids=['named', 'alone']
)
def test_photos_come_with_the_name_of_the_input_or_without(instance):
    value = {'signature_name': 'serving_default', 'instances': [instance] * 3}
    assert requests.photos_of(json.dumps(value).encode(), 3) == [b'\0photo'] * 3


@pytest.mark.parametrize(
    'body, words',
    [
        (b'', 'not JSON'),
        (b'\xff', 'not JSON'),
        (b'{"instances": NaN}', 'not JSON'),
        (b'{"instances": 1%s}' % (b'0' * 100), 'not JSON'),
        (b'[' * 20, 'not JSON'),
        (b'[' * 10**6, 'more than 4 photos'),
        (b'{"a":{},' * 10**5, 'more than 4 photos'),
        (b'[]', 'JSON without "instances"'),
        (b'{"inputs": 1}', 'JSON without "instances"'),
        (b'{"instances": {}}', 'no list'),
        (b'{"instances": []}', 'no list'),
        (b'{"instances": [1, 2, 3, 4, 5]}', '5 photos, at most 4'),
        (b'{"instances": [1]}', 'instance 0 of another form'),
        (b'{"instances": [{"b64": "", "x": 1}]}', 'instance 0 of another form'),
        (b'{"instances": [{"image_bytes": "abc"}]}', 'instance 0 of another form'),
        (b'{"instances": [{"b64": ""}, {"b64": [1]}]}', 'instance 1 with a "b64" that is no text'),
        (b'{"instances": [{"b64": "a"}]}', 'not base64'),
        (b'{"instances": [{"b64": "\\u00e4\\u00e4=="}]}', 'not base64'),
        (b'{"instances": [{"b64": ""}], "signature_name": "x"}', "the signature 'x'"),
        (b'{"instances": [{"b64": ""}], "signature_name": {}}', 'the signature {}'),
        (b'{"instances": [{"b64": ""}], "path": "/etc/passwd"}', "the key 'path'"),
    ],
)
def test_what_is_not_as_expected_is_one_line(body, words):
    with pytest.raises(RefusedError) as caught:
        requests.photos_of(body, 4)
    assert words in str(caught.value) and caught.value.status == 400
    assert 'expected {"instances"' in str(caught.value)
