"""Which headers Host and Origin are ours."""

import socket

import pytest

from scripts.serving import hosts
from scripts.serving.answers import RefusedError

pytestmark = pytest.mark.once

OWN = socket.gethostname()


@pytest.mark.parametrize(
    'host',
    ['localhost', 'localhost:8501', 'LOCALHOST.', '127.0.0.1:80', '192.168.7.3', '[::1]:8501', OWN]
    + [OWN.upper() + '.local:8501', 'photos.example', 'Photos.Example:443'],
)
def test_ours(host):
    hosts.check({'Host': host}, ['photos.EXAMPLE'])
    hosts.check({'Host': host, 'Origin': 'https://' + host}, ['photos.EXAMPLE'])


@pytest.mark.parametrize(
    'host',
    ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '', '[', 'a@b:1', ' '],
)
def test_others(host):
    with pytest.raises(RefusedError) as caught:
        hosts.check({'Host': host}, ['photos.example'])
    assert caught.value.status == 403


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://localhost:9999', ''])
def test_a_page_of_another_origin(origin):
    with pytest.raises(RefusedError, match='requests from pages of'):
        hosts.check({'Host': 'localhost:8501', 'Origin': origin})


@pytest.mark.parametrize(
    'host, expected',
    [('127.0.0.1', True), ('localhost', True), ('::1', True), ('0.0.0.0', False), ('::', False)]
    + [('192.168.1.2', False), ('box', False)],
)
def test_local(host, expected):
    assert hosts.is_local(host) == expected
