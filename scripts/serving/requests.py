"""The JSON of TensorFlow Serving's REST: what is asked. No TensorFlow here.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

import binascii
import string
from http import HTTPStatus

from scripts.common import untrusted
from scripts.serving.answers import RefusedError

_KEYS = {'instances', 'signature_name'}
_SIGNATURE = 'serving_default'
_BASE64 = (string.ascii_letters + string.digits + '+/').encode('ascii')
_MOST_MARKS = 4  # A photo; an instance has two braces and a comma.
_EXAMPLE = '{"instances": [{"image_bytes": {"b64": "..."}}]}'


def photos_of(body, most_photos):
    """Returns the photos, list of bytes, in the body of a request to predict.

    Args:
      body: bytes.
      most_photos: int.

    Raises:
      RefusedError: it is not as expected.
    """
    # Ten bytes of JSON can become a dict of 240 bytes.
    if sum(body.count(mark) for mark in (b'{', b'[', b',')) > _MOST_MARKS * most_photos + 8:
        raise _refusal('more than %d photos, or something else' % most_photos)
    try:
        value = untrusted.from_json(body.decode('utf-8'))
    except (ValueError, RecursionError) as error:
        raise _refusal('what is not JSON (%s)' % error)
    if not isinstance(value, dict) or 'instances' not in value:
        raise _refusal('JSON without "instances"')
    others = sorted(set(value) - _KEYS)
    if others:
        raise _refusal('the key %r' % others[0])
    if value.get('signature_name', _SIGNATURE) != _SIGNATURE:
        raise _refusal('the signature %r, there is only %r' % (value['signature_name'], _SIGNATURE))
    instances = value['instances']
    if not isinstance(instances, list) or not instances:
        raise _refusal('no list of "instances"')
    if len(instances) > most_photos:
        raise _refusal('%d photos, at most %d are taken' % (len(instances), most_photos))
    return [_photo(instance, number) for number, instance in enumerate(instances)]


def _photo(instance, number):
    """Returns the bytes in an instance: of its only input, with its name or without."""
    if isinstance(instance, dict) and set(instance) == {'image_bytes'}:
        instance = instance['image_bytes']
    if not isinstance(instance, dict) or set(instance) != {'b64'}:
        raise _refusal('instance %d of another form' % number)
    if not isinstance(instance['b64'], str):
        raise _refusal('instance %d with a "b64" that is no text' % number)
    try:
        text = instance['b64'].encode('ascii')
        # b64decode(validate=True) does this by a pattern, which takes five times as long.
        if text.rstrip(b'=').translate(None, _BASE64):
            raise ValueError
        return binascii.a2b_base64(text)
    except ValueError:
        raise _refusal('instance %d with a "b64" that is not base64' % number)


def _refusal(found):
    return RefusedError(HTTPStatus.BAD_REQUEST, 'found %s: expected %s' % (found, _EXAMPLE))
