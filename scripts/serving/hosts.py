"""Whether a request comes from our own page or from a program, not from another site's page.

A page of another site cannot read our answers, unless its name is made to resolve to our address
(DNS rebinding): then its requests name that site as their host. No TensorFlow here.
"""

import ipaddress
import socket
from http import HTTPStatus
from urllib import parse

from scripts.serving.answers import RefusedError


def check(headers, allowed=()):
    """Raises RefusedError unless the headers `Host` and `Origin` of a request are ours.

    An address, `localhost` and the name of this machine are: no other site has these.

    Args:
      headers: of the request, with a method `get`.
      allowed: list of str, names under which the server is reached, behind a proxy for example.
    """
    host = headers.get('Host')
    if host is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, 'the request has no header Host')
    name = _name('//' + host)
    if not (
        _is_address(name) or name in _own_names() or name in {each.lower() for each in allowed}
    ):
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            'the host %r is not ours: if the server is reached by this name, start it with '
            '--allowed_hosts=%s' % (host, name),
        )
    origin = headers.get('Origin')
    if origin is not None and parse.urlsplit(origin).netloc != host:
        raise RefusedError(HTTPStatus.FORBIDDEN, 'requests from pages of %r are refused' % origin)


def is_local(host):
    """Returns whether only this machine reaches the address `host`."""
    return host == 'localhost' or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _name(url):
    """Returns the host in an address, in lower case; '' where there is none."""
    try:
        return (parse.urlsplit(url).hostname or '').rstrip('.')
    except ValueError:
        return ''


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _own_names():
    own = socket.gethostname().lower()
    return {'localhost', own, own + '.local'} - {''}
