"""The HTTP server: whatever comes, the answer is one line of JSON with a proper status."""

import http.client
import json
import socket
import threading
import time
from http import HTTPStatus

import pytest

from scripts.common.errors import UserError
from scripts.serving import answers
from scripts.serving.answers import RefusedError
from scripts.serving.server import Server
from scripts.serving.settings import Limits

pytestmark = pytest.mark.once

LIMITS = Limits(
    body_bytes=1000,
    bodies_bytes=1500,
    requests=3,
    connections=6,
    receive_seconds=1,
    idle_seconds=2,
    stop_seconds=2,
)


class Echo:
    """An app that says what it was asked; at /wait it waits until `go` is set."""

    def __init__(self):
        self.go, self.asked = threading.Event(), threading.Semaphore(0)

    def __call__(self, request):
        if request.path == '/wait':
            self.asked.release()
            assert self.go.wait(20)
        if request.path == '/refused':
            raise RefusedError(HTTPStatus.NOT_FOUND, 'a "line"\nof <b>\u202etext\udc80')
        if request.path == '/user':
            raise UserError('the graph does not run')
        if request.path == '/bug':
            raise KeyError('bug')
        query = dict(request.query)
        return answers.of_json([request.method, request.path, query, len(request.body)])


@pytest.fixture
def app():
    return Echo()


@pytest.fixture
def server(app):
    server = Server(('127.0.0.1', 0), app, LIMITS)
    server.start()
    yield server
    app.go.set()
    server.stop()


def raw(server, data, half_close=False):
    """Sends bytes; returns the status and the value of the one answer."""
    with socket.create_connection(server.server_address, 10) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return parsed(connection.makefile('rb').read())


def parsed(data):
    head, _, body = data.partition(b'\r\n\r\n')
    assert b'Content-Type: application/json' in head
    assert b'Content-Length: %d\r\n' % len(body) in head
    assert body.count(b'\n') == 1 and body.decode('ascii')
    return int(head.split()[1]), json.loads(body.decode('ascii'))


def ask(server, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(*server.server_address, timeout=20)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    value = json.loads(answer.read().decode('ascii'))
    connection.close()
    return answer.status, value


def test_requests_come_whole_and_decoded(server):
    assert ask(server, 'POST', '/a%20b/%C3%A4?x=1&y=%3Cb%3E', b'123') == (
        200,
        ['POST', '/a b/ä', {'x': '1', 'y': '<b>'}, 3],
    )


def test_a_connection_takes_one_request_after_the_other(server):
    connection = http.client.HTTPConnection(*server.server_address, timeout=20)
    for count in (3, 0, 1000):
        connection.request('POST', '/', b'x' * count)
        assert json.loads(connection.getresponse().read().decode())[-1] == count
    connection.request('HEAD', '/')
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b'' and int(answer.headers['Content-Length'])
    connection.close()


HOST = b'Host: localhost\r\n'
BAD = {
    'no-http': (b'\x16\x03\x01\x02\x00\x01\r\n\r\n', 400),
    'http-0.9': (b'GET /\r\n', 400),
    'http-2': (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505),
    'long-line': (b'GET /' + b'a' * 9000 + b' HTTP/1.1\r\n' + HOST + b'\r\n', 414),
    'long-header': (b'GET / HTTP/1.1\r\nX: ' + b'a' * 70000 + b'\r\n\r\n', 431),
    'many-headers': (b'GET / HTTP/1.1\r\n' + b'X: 1\r\n' * 200 + b'\r\n', 431),
    'no-host': (b'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400),
    'other-host': (b'GET / HTTP/1.1\r\nHost: evil.example:80\r\nConnection: close\r\n\r\n', 403),
    'other-page': (
        b'GET / HTTP/1.1\r\n' + HOST + b'Origin: http://evil.example\r\nConnection: close\r\n\r\n',
        403,
    ),
    'no-length': (b'POST / HTTP/1.1\r\n' + HOST + b'\r\n', 411),
    'chunked': (
        b'POST / HTTP/1.1\r\n' + HOST + b'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
        411,
    ),
    'negative': (b'POST / HTTP/1.1\r\n' + HOST + b'Content-Length: -1\r\n\r\n', 400),
    'two-lengths': (b'POST / HTTP/1.1\r\n' + HOST + b'Content-Length: 1\r\n' * 2 + b'\r\nab', 400),
    'huge': (b'POST / HTTP/1.1\r\n' + HOST + b'Content-Length: 1001\r\n\r\n' + b'a' * 1001, 413),
    'endless': (
        b'POST / HTTP/1.1\r\n' + HOST + b'Content-Length: %d\r\n\r\n' % 10**17 + b'a' * 10**7,
        413,
    ),
    'address': (b'GET http://[ HTTP/1.1\r\n' + HOST + b'Connection: close\r\n\r\n', 400),
    'many-fields': (b'GET /?%s HTTP/1.1\r\n' % (b'a=1&' * 99) + HOST + b'\r\n', 400),
}


@pytest.mark.parametrize('name', sorted(BAD))
def test_a_bad_request_is_one_line_of_json(server, name):
    data, status = BAD[name]
    found, value = raw(server, data, half_close=True)
    assert found == status and list(value) == ['error'] and value['error']
    assert ask(server, 'GET', '/')[0] == 200


def test_a_body_that_is_cut_is_told(server):
    head = b'POST / HTTP/1.1\r\n' + HOST + b'Content-Length: 10\r\n\r\n'
    assert raw(server, head + b'abc', half_close=True) == (
        400,
        {'error': 'the body ends after 3 of 10 bytes'},
    )


@pytest.mark.parametrize(
    'start',
    [b'GET', b'GET / HTTP/1.1\r\nX: ', b'POST / HTTP/1.1\r\n%sContent-Length: 99\r\n\r\n' % HOST],
)
def test_what_comes_slowly_is_answered_in_time(server, start):
    """A byte every now and then is no progress: the deadline is that of the whole request."""
    begin = time.monotonic()
    with socket.create_connection(server.server_address, 10) as connection:
        connection.sendall(start)
        connection.settimeout(0.2)
        data = b''
        while not data:
            connection.sendall(b'x')
            try:
                data = connection.recv(1 << 16)
            except socket.timeout:
                assert time.monotonic() - begin < 8
        assert parsed(data) == (408, {'error': 'the request came too slowly'})


def test_an_idle_connection_is_closed_without_an_answer(server):
    with socket.create_connection(server.server_address, 10) as connection:
        assert connection.recv(100) == b''


def test_a_client_that_waits_for_100_gets_it_or_the_refusal(server):
    head = b'POST / HTTP/1.1\r\n' + HOST + b'Expect: 100-continue\r\nContent-Length: %d\r\n\r\n'
    with socket.create_connection(server.server_address, 10) as connection:
        connection.sendall(head % 3)
        assert connection.recv(100) == b'HTTP/1.1 100 Continue\r\n\r\n'
        connection.sendall(b'abc')
        assert parsed(connection.recv(10000))[0] == 200
    assert raw(server, head % 5000)[0] == 413


@pytest.mark.parametrize(
    'path, status, words',
    [
        ('/refused', 404, 'a "line" of <b>\\u202etext?'),
        ('/user', 500, 'the graph does not run'),
        ('/bug', 500, 'a bug of the server; its standard error says more'),
    ],
)
def test_an_error_of_the_app_is_one_line(server, capfd, path, status, words):
    assert ask(server, 'GET', path) == (status, {'error': words})
    assert ("KeyError: 'bug'" in capfd.readouterr().err) == (path == '/bug')


def test_too_many_requests_at_once_are_refused_and_the_others_answered(server, app):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(ask(server, 'GET', '/wait'))) for _ in '123'
    ]
    for each in threads:
        each.start()
        assert app.asked.acquire(timeout=20)
    status, value = ask(server, 'GET', '/')
    assert status == 503 and 'too many requests at once' in value['error']
    app.go.set()
    for each in threads:
        each.join()
    assert [status for status, _ in found] == [200] * 3
    assert ask(server, 'GET', '/')[0] == 200


def test_too_many_bytes_at_once_are_refused(server, app):
    found = []
    thread = threading.Thread(
        target=lambda: found.append(ask(server, 'POST', '/wait', b'x' * 1000))
    )
    thread.start()
    assert app.asked.acquire(timeout=20)
    status, value = ask(server, 'POST', '/', b'x' * 501)
    assert status == 503 and 'too many bytes at once' in value['error']
    assert ask(server, 'POST', '/', b'x' * 500)[0] == 200
    app.go.set()
    thread.join()


def test_connections_beyond_the_limit_wait(server):
    idle = [socket.create_connection(server.server_address, 10) for _ in range(6)]
    found = []
    thread = threading.Thread(target=lambda: found.append(ask(server, 'GET', '/')))
    thread.start()
    thread.join(0.5)
    assert not found
    for each in idle:
        each.close()
    thread.join(10)
    assert found[0][0] == 200


def test_to_stop_answers_what_is_at_hand_and_takes_nothing_more(server, app):
    found = []
    thread = threading.Thread(target=lambda: found.append(ask(server, 'GET', '/wait')))
    thread.start()
    assert app.asked.acquire(timeout=20)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    assert server.stopping.wait(5)
    time.sleep(0.3)
    with pytest.raises(ConnectionError):
        socket.create_connection(server.server_address, 5)
    app.go.set()
    stopping.join(5)
    thread.join(5)
    assert not stopping.is_alive() and found[0][0] == 200


def test_to_stop_waits_for_nobody_for_long(server, app):
    threading.Thread(target=lambda: raw(server, b'GET /wait HTTP/1.1\r\n' + HOST + b'\r\n')).start()
    assert app.asked.acquire(timeout=20)
    start = time.monotonic()
    server.stop()
    assert 1.5 < time.monotonic() - start < 3
    app.go.set()


def test_a_port_that_is_taken_is_a_user_error(server):
    with pytest.raises(
        UserError, match='cannot listen at port %d of 127' % server.server_address[1]
    ):
        Server(server.server_address, None)
