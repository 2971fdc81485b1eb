"""Measures the server: photos a second beside label_image, and what bad requests do to it.

  python -m tests.benchmarks.serving GRAPH [--requests=2000] [--bad=10000] [--output=serving.json]

GRAPH is one that `retrain` wrote, of mobilenet_1.0_224 for the figures of docs/benchmarks.md. The
clients are a process of their own on the same processors.
"""

import argparse
import base64
import collections
import glob
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from scripts.common import files
from tests.benchmarks import measuring
from tests.conftest import REPOSITORY, SHARED_DATA

CLIENTS = 8
ROUNDS = 5  # In which label_image and the server take turns: the median counts.
PHOTOS = 600
SLOW_SECONDS = 21  # The server waits 20 for a request.


class Serving:
    """The server in a process of its own; used as a context manager.

    port: int. process: the one that was started, which watches over the one that serves.
    """

    def __init__(self, graph, *flags):
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'scripts.serve', '--graph=' + graph, '--port=0', *flags],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        line = self.process.stdout.readline()
        self.port = int(re.search(r'://[^ ]*:(\d+)', line).group(1))
        self.path = '/v1/models/%s:predict' % os.path.splitext(os.path.basename(graph))[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def connect(self, timeout=60):
        """Returns an HTTPConnection."""
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)

    def stop(self, number=signal.SIGTERM):
        """Returns how many seconds the server takes to end."""
        start = time.monotonic()
        self.process.send_signal(number)
        self.process.wait()
        self.process.stdout.close()
        return time.monotonic() - start

    def megabytes(self):
        """Returns the resident memory of the process that serves."""
        children = '/proc/%d/task/%d/children' % (self.process.pid, self.process.pid)
        with open(children) as file:
            pid = file.read().split()[0]
        with open('/proc/%s/status' % pid) as file:
            return int(re.search(r'VmRSS:\s+(\d+) kB', file.read()).group(1)) / 1000


def body_of(*photos):
    """Returns the body of a request to predict."""
    encoded = [base64.b64encode(photo).decode('ascii') for photo in photos]
    return json.dumps({'instances': [{'image_bytes': {'b64': each}} for each in encoded]})


def ask(connection, path, body):
    """Returns the status and the value of an answer."""
    connection.request('POST', path, body)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read().decode('utf-8'))


def photos_a_second(serving, bodies, count):
    """Returns the rate of CLIENTS clients that send one photo after the other."""
    numbers, lock, failures = iter(range(count)), threading.Lock(), []

    def work():
        connection = serving.connect()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            status, value = ask(connection, serving.path, bodies[number % len(bodies)])
            if status != 200:
                failures.append(value)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    start = time.monotonic()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    seconds = time.monotonic() - start
    assert not failures, failures[0]
    return count / seconds


def label_image_a_second(graph, paths):
    """Returns the rate of label_image, without the start: that of 2N photos less that of N."""

    def seconds(names):
        with tempfile.TemporaryDirectory() as folder:
            flags = ['--graph=' + graph, '--output_format=csv', '--output=%s/out.csv' % folder]
            return measuring.command('-m', 'scripts.label_image', *flags, *names)

    half = len(paths) // 2
    return (len(paths) - half) / (seconds(paths) - seconds(paths[:half]))


def png_bomb(width, height):
    """Returns a small PNG of many pixels, all of them black."""

    def chunk(kind, data):
        crc = struct.pack('>I', zlib.crc32(kind + data))
        return struct.pack('>I', len(data)) + kind + data + crc

    packer = zlib.compressobj()
    rows = b''.join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', rows) + chunk(b'IEND', b'')


def bad_requests(serving, photo):
    """Returns a dict from names to (method, path, body, headers) that are to be refused."""
    predict, bomb = serving.path, png_bomb(10000, 10000)
    hole = photo[: len(photo) // 2] + bytes(1000) + photo[len(photo) // 2 + 1000 :]
    post = {
        'no image': (predict, body_of(b'hello')),
        'empty photo': (predict, body_of(b'')),
        'cut photo': (predict, body_of(photo[: len(photo) // 2])),
        'photo with a hole': (predict, body_of(hole)),
        'good and bad': (predict, body_of(photo, photo[:100])),
        'bomb': (predict, body_of(bomb)),
        'bomb for the page': ('/label', bomb),
        'no image for the page': ('/label', b'<svg onload="alert(1)"/>'),
        'wrong JSON': (predict, '{"instances": [}'),
        'other JSON': (predict, '{"inputs": 1}'),
        'deep JSON': (predict, '[' * 400),
        'deeper JSON': (predict, '[' * 10**5),
        'many dicts': (predict, '{"instances": [%s]}' % ','.join(['{}'] * 10**5)),
        'no base64': (predict, '{"instances": [{"b64": "?!"}]}'),
        'no text': (predict, '{"instances": [{"b64": 1e999}]}'),
        'bytes': (predict, b'\xff\xfe\x00' * 100),
        'path': ('/v1/models/../../etc/passwd:predict', body_of(photo)),
    }
    found = {name: ('POST', path, body, {}) for name, (path, body) in post.items()}
    found.update(
        {
            'file': ('GET', '/../../../../etc/passwd', None, {}),
            'encoded file': ('GET', '/%2e%2e/%2e%2e/etc/passwd', None, {}),
            'other host': ('GET', '/', None, {'Host': 'evil.example'}),
            'other page': ('POST', '/label', photo, {'Origin': 'http://evil.example'}),
            'method': ('PUT', '/', b'', {}),
            'long path': ('GET', '/' + 'a' * 20000, None, {}),
            'huge': ('POST', predict, None, {'Content-Length': str(10**12)}),
            'no length': ('POST', predict, None, {'Transfer-Encoding': 'chunked'}),
            'wrong length': ('POST', predict, None, {'Content-Length': '-5'}),
        }
    )
    return found


def send_bad(serving, request):
    """Returns the status and the error that a bad request gets."""
    method, path, body, headers = request
    connection = serving.connect()
    connection.putrequest(method, path, skip_host='Host' in headers)
    for header in headers.items():
        connection.putheader(*header)
    if body is not None:
        body = body.encode('utf-8') if isinstance(body, str) else body
        connection.putheader('Content-Length', str(len(body)))
    connection.endheaders(body)
    return _error(connection.getresponse(), connection)


def _error(answer, connection):
    text = answer.read().decode('ascii')
    connection.close()
    assert text.count('\n') == 1 and list(json.loads(text)) == ['error'], text
    return answer.status, json.loads(text)['error']


def send_slowly(serving):
    """Returns the status and the error of a body that never ends."""
    connection = serving.connect()
    connection.putrequest('POST', serving.path)
    connection.putheader('Content-Length', '1000')
    connection.endheaders()
    for _ in range(SLOW_SECONDS):
        connection.send(b'{')
        time.sleep(1)
    return _error(connection.getresponse(), connection)


def send_cut(serving):
    """Returns the status and the error of a body that is shorter than it says."""
    connection = serving.connect()
    connection.putrequest('POST', serving.path)
    connection.putheader('Content-Length', '1000')
    connection.endheaders(b'{"instances"')
    connection.sock.shutdown(socket.SHUT_WR)
    return _error(connection.getresponse(), connection)


def bad(serving, photo, count):
    """Sends bad requests; returns what came of them, and the memory before and after."""
    requests = bad_requests(serving, photo)
    answers, lock = collections.Counter(), threading.Lock()
    numbers = iter(range(count))
    memory = []

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            if number % 500 == 0:
                memory.append(round(serving.megabytes()))
            name = list(requests)[number % (len(requests) + 1) - 1]
            is_cut = number % (len(requests) + 1) == 0
            status, _ = send_cut(serving) if is_cut else send_bad(serving, requests[name])
            with lock:
                answers['cut body' if is_cut else name, status] += 1

    slow = [
        threading.Thread(target=lambda: slow_answers.append(send_slowly(serving))) for _ in '1234'
    ]
    slow_answers = []
    threads = [threading.Thread(target=work) for _ in range(CLIENTS)] + slow
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    answers['slow body', slow_answers[0][0]] += len(slow_answers)
    memory.append(round(serving.megabytes()))
    return answers, memory


def main():
    """Prints figures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('graph')
    parser.add_argument('--requests', type=int, default=2000)
    parser.add_argument('--bad', type=int, default=10000)
    options = parser.parse_args()
    paths = sorted(glob.glob(os.path.join(SHARED_DATA, 'flower_photos', '*', '*.jpg')))[:PHOTOS]
    contents = [files.read(path, 'photo') for path in paths]
    print(measuring.machine())
    bodies = [body_of(each) for each in contents]
    with Serving(options.graph) as serving:
        photos_a_second(serving, bodies, 100)
        rates = []
        for _ in range(ROUNDS):
            alone = label_image_a_second(options.graph, paths)
            rate = photos_a_second(serving, bodies, options.requests // ROUNDS)
            rates.append((rate / alone, rate, alone))
        _, rate, alone = sorted(rates)[ROUNDS // 2]
        print(
            'label_image %.1f photos a second, server %.1f: %.0f%%'
            % (alone, rate, 100 * rate / alone)
        )
        answers, memory = bad(serving, contents[0], options.bad)
        for (name, status), count in sorted(answers.items()):
            print('%6d  %d  %s' % (count, status, name))
        print('memory, MB, every 500 requests:', memory)
        print('and still', photos_a_second(serving, bodies, 100), 'photos a second')
        print('ended within %.1f seconds' % serving.stop())


if __name__ == '__main__':
    main()
