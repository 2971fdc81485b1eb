"""The HTTP server: a thread for each connection, within limits. No TensorFlow here.

It stands on http.server of the standard library, which is the same in all environments. Werkzeug's
server, which comes with TensorBoard and stands on it too, is for development: it reads lines
without a bound (2.0, of Python 3.6) or up to 10 GB of a body that was refused (3.1).
"""

import contextlib
import http.server
import io
import re
import socket
import socketserver
import threading
import time
import traceback
import typing
from http import HTTPStatus
from urllib import parse

from scripts.common.errors import UserError
from scripts.serving import answers, hosts
from scripts.serving.answers import RefusedError
from scripts.serving.budget import Budget
from scripts.serving.settings import DEFAULT

_LONGEST_LINE = 8192  # Bytes, of the first line of a request.
_MOST_FIELDS = 10  # Of a query.
_DIGITS = re.compile('[0-9]{1,18}')
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 1 << 30
_POLL_SECONDS = 0.1

_HEADERS = (
    ('Cache-Control', 'no-store'),
    (
        'Content-Security-Policy',
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
    ('Cross-Origin-Resource-Policy', 'same-origin'),
    ('Permissions-Policy', 'camera=(self)'),
    ('Referrer-Policy', 'no-referrer'),
    ('X-Content-Type-Options', 'nosniff'),
)


class Request(typing.NamedTuple):
    """A request that has come as a whole.

    method: 'GET' or 'POST', say.
    path: str, decoded.
    query: a dict from names to values, str; of several values, the last one.
    body: bytes.
    """

    method: str
    path: str
    query: typing.Mapping[str, str]
    body: bytes


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens as soon as it is made, and answers once `start` is called.

    Args:
      address: a pair of a host and a port; 0 is any that is free.
      app: takes a `Request`, returns an `Answer`; it may raise RefusedError.
      limits: `Limits`.
      allowed_hosts: as in `hosts.check`.

    Raises:
      UserError: it cannot listen there.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, app, limits=DEFAULT, allowed_hosts=()):
        self.app, self.limits, self.allowed_hosts = app, limits, allowed_hosts
        self.bodies = Budget(limits.bodies_bytes, 'bytes')
        self.at_hand = Budget(limits.requests, 'requests')
        self.stopping = threading.Event()
        self._connections = threading.BoundedSemaphore(limits.connections)
        self.address_family = socket.AF_INET6 if ':' in address[0] else socket.AF_INET
        try:
            super().__init__(address, _Handler)
        except (OSError, OverflowError) as error:
            raise UserError(
                'cannot listen at port %d of %s (%s): choose another with --port or --host'
                % (address[1], address[0], getattr(error, 'strerror', None) or error)
            )
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )

    @property
    def url(self):
        """The address of the page."""
        host, port = self.server_address[:2]
        return 'http://%s:%d' % ('[%s]' % host if ':' in host else host, port)

    def start(self):
        """Answers requests, in threads of its own, until `stop`."""
        self._thread.start()

    def stop(self):
        """Takes no more requests; returns when those at hand are answered, or take too long."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        # All of the budget is left when nothing is at hand.
        everything = self.at_hand.take(self.limits.requests, self.limits.stop_seconds)
        with contextlib.suppress(RefusedError), everything:
            pass

    def process_request(self, request, client_address):
        """Starts a thread for a connection, once there are few enough."""
        while not self._connections.acquire(timeout=_POLL_SECONDS):
            if self.stopping.is_set():
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        """Answers what comes on a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()


class _TimedReader(io.RawIOBase):
    """The bytes that come on a connection, until a deadline of time.monotonic."""

    def __init__(self, connection):
        self._connection = connection
        self.deadline = 0

    def readable(self):
        """Returns True: it is read."""
        return True

    def readinto(self, buffer):
        """Reads what has come into a buffer; raises socket.timeout after the deadline."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout('timed out')
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def setup(self):
        """Replaces the reader by one that has a deadline."""
        super().setup()
        self._reader = _TimedReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)
        self._is_whole = True  # All of the last request has been read.

    def finish(self):
        """Reads on for a moment where a request was refused before it had come as a whole.

        A connection that is closed with bytes to read is reset, and the client may not see why.
        """
        with contextlib.suppress(OSError):
            super().finish()
            if not self._is_whole:
                self.connection.shutdown(socket.SHUT_WR)
                self._wait(_LINGER_SECONDS)
                left, buffer = _LINGER_BYTES, bytearray(1 << 16)
                while left > 0:
                    count = self._reader.readinto(buffer)
                    left = left - count if count else 0

    def handle_one_request(self):
        """Reads a request and answers it."""
        self.close_connection, self._is_whole = True, True
        self.command, self.requestline = None, ''
        has_begun = False
        self._wait(self.server.limits.idle_seconds)
        try:
            if not self.rfile.peek(1):
                return
            has_begun, self._is_whole = True, False
            self._wait(self.server.limits.receive_seconds)
            self.raw_requestline = self.rfile.readline(_LONGEST_LINE + 1)
            if len(self.raw_requestline) > _LONGEST_LINE:
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG, 'the first line is too long')
            elif self.parse_request():
                self._answer()
        except socket.timeout:
            if has_begun:
                self.send_error(HTTPStatus.REQUEST_TIMEOUT, 'the request came too slowly')
        except ConnectionError:
            self.close_connection = True  # The client has gone.

    def handle_expect_100(self):
        """Waits with the answer until the length is known to be right: `_body` gives it."""
        return True

    def send_error(self, code, message=None, explain=None):
        """Sends an error as JSON; it is the last answer on this connection."""
        self.close_connection = True
        self._send(answers.of_error(code, message or HTTPStatus(code).phrase))

    def log_message(self, *_):
        """Prints nothing: an answer says what was wrong."""

    def _wait(self, seconds):
        self._reader.deadline = time.monotonic() + seconds

    def _answer(self):
        try:
            with self.server.at_hand.take(1):
                self._send(self._answer_of_app())
        except RefusedError as refused:  # Too many at once.
            self.send_error(refused.status, str(refused))

    def _answer_of_app(self):
        try:
            hosts.check(self.headers, self.server.allowed_hosts)
            path, query = self._target()
            with self._body() as body:
                method = 'GET' if self.command == 'HEAD' else self.command
                return self.server.app(Request(method, path, query, body))
        except RefusedError as refused:
            self.close_connection = self.close_connection or not self._is_whole
            return answers.of_error(refused.status, refused)
        except UserError as error:  # The graph does not run on this photo.
            return answers.of_error(HTTPStatus.INTERNAL_SERVER_ERROR, error)
        except (socket.timeout, ConnectionError):
            raise
        except Exception:
            traceback.print_exc()
            why = 'a bug of the server; its standard error says more'
            return answers.of_error(HTTPStatus.INTERNAL_SERVER_ERROR, why)

    def _target(self):
        """Returns the path that is asked for, and its query, as in `Request`."""
        try:
            parts = parse.urlsplit(self.path)
            query = parse.parse_qsl(parts.query, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise RefusedError(HTTPStatus.BAD_REQUEST, 'the address is not valid: %r' % self.path)
        return parse.unquote(parts.path, errors='replace'), dict(query)

    @contextlib.contextmanager
    def _body(self):
        """Gives the bytes behind the headers; raises RefusedError, or as the reader does."""
        length = self._length()
        with self.server.bodies.take(length):
            if self.headers.get('Expect', '').lower() == '100-continue':
                self.wfile.write(b'HTTP/1.1 100 Continue\r\n\r\n')
            body = self.rfile.read(length) if length else b''
            if len(body) < length:
                raise RefusedError(
                    HTTPStatus.BAD_REQUEST,
                    'the body ends after %d of %d bytes' % (len(body), length),
                )
            self._is_whole = True
            yield body

    def _length(self):
        """Returns how many bytes of a body come; raises RefusedError."""
        given = self.headers.get_all('Content-Length', [])
        if 'Transfer-Encoding' in self.headers or (self.command == 'POST' and not given):
            raise RefusedError(
                HTTPStatus.LENGTH_REQUIRED, 'give the length of the body as Content-Length'
            )
        if not given:
            return 0
        if len(given) > 1 or not _DIGITS.fullmatch(given[0]):
            raise RefusedError(HTTPStatus.BAD_REQUEST, 'the header Content-Length is not a number')
        if int(given[0]) > self.server.limits.body_bytes:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                'the body has %s bytes, expected at most %d: send fewer or smaller photos'
                % (given[0], self.server.limits.body_bytes),
            )
        return int(given[0])

    def _send(self, answer):
        self.close_connection = self.close_connection or self.server.stopping.is_set()
        head = ['HTTP/1.1 %d %s' % (answer.status, HTTPStatus(answer.status).phrase)]
        headers = _HEADERS + (
            ('Content-Type', answer.content_type),
            ('Content-Length', len(answer.body)),
            ('Connection', 'close' if self.close_connection else 'keep-alive'),
            ('Date', self.date_time_string()),
        )
        head += ['%s: %s' % header for header in headers]
        head = '\r\n'.join(head + ['', '']).encode('ascii')
        self.connection.settimeout(self.server.limits.receive_seconds)
        self.wfile.write(head if self.command == 'HEAD' else head + answer.body)
