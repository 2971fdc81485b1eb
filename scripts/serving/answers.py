"""What the server answers. No TensorFlow here."""

import json
import typing
from http import HTTPStatus

from scripts.common import encodings, printing

_LONGEST_ERROR = 500  # Characters.


class Answer(typing.NamedTuple):
    """An answer to a request: the status of HTTP, the bytes and their type."""

    status: int
    body: bytes
    content_type: str = 'application/json'


class RefusedError(Exception):
    """A request is refused, with a status of HTTP and one line that says why."""

    def __init__(self, status, why):
        super().__init__(why)
        self.status = int(status)


def text(value):
    """Returns a text, such as a label or a name of a file, as it can be sent."""
    return encodings.as_utf8(value).encode('utf-8', 'replace').decode('utf-8')


def of_json(value, status=HTTPStatus.OK):
    """Returns the `Answer` that holds a value as JSON, in ASCII: no text in it steers anything."""
    return Answer(int(status), (json.dumps(value) + '\n').encode('ascii'))


def of_error(status, why):
    """Returns the `Answer` that says why a request is refused, as TensorFlow Serving does."""
    why = printing.one_line(text(str(why)))
    if len(why) > _LONGEST_ERROR:
        why = why[:_LONGEST_ERROR] + '...'
    return of_json({'error': why}, status)
