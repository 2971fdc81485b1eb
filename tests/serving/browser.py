"""Chromium without a window, driven by its DevTools protocol over a WebSocket of our own.

Source: https://chromedevtools.github.io/devtools-protocol/ and RFC 6455.
"""

import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import time

SECONDS = 20
_SETTINGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
_SETTINGS += ['--disable-background-networking', '--disable-component-update', '--disable-sync']
_SETTINGS += ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']
_ERRORS = ('Runtime.exceptionThrown', 'Runtime.consoleAPICalled', 'Log.entryAdded')
_TEXT, _CLOSE, _PING = 1, 8, 9


class _WebSocket:
    """The client's side of a WebSocket."""

    def __init__(self, url):
        host, port, path = re.fullmatch(r'ws://([^:/]+):(\d+)(/.*)', url).groups()
        self._socket = socket.create_connection((host, int(port)), SECONDS)
        self._file = self._socket.makefile('rb')
        key = base64.b64encode(os.urandom(16)).decode('ascii')
        head = ['GET %s HTTP/1.1' % path, 'Host: %s:%s' % (host, port), 'Upgrade: websocket']
        head += ['Connection: Upgrade', 'Sec-WebSocket-Key: ' + key, 'Sec-WebSocket-Version: 13']
        self._socket.sendall('\r\n'.join(head + ['', '']).encode('ascii'))
        assert b' 101 ' in self._file.readline()
        while self._file.readline().strip():
            pass

    def send(self, text):
        data, mask = text.encode('utf-8'), os.urandom(4)
        length = len(data)
        if length < 126:
            head = struct.pack('>BB', 0x80 | _TEXT, 0x80 | length)
        else:
            head = struct.pack('>BBQ', 0x80 | _TEXT, 0x80 | 127, length)
        whole = mask * (length // 4 + 1)
        number = int.from_bytes(data, 'big') ^ int.from_bytes(whole[:length], 'big')
        self._socket.sendall(head + mask + number.to_bytes(length, 'big'))

    def receive(self):
        parts = []
        while True:
            first, length = self._file.read(2)
            length &= 127
            if length == 126:
                (length,) = struct.unpack('>H', self._file.read(2))
            elif length == 127:
                (length,) = struct.unpack('>Q', self._file.read(8))
            data = self._file.read(length)
            assert first & 15 != _CLOSE
            if first & 15 != _PING:
                parts.append(data)
                if first & 0x80:
                    return b''.join(parts).decode('utf-8')

    def close(self):
        self._file.close()
        self._socket.close()


class Browser:
    """A page in Chromium; used as a context manager.

    errors: list of str, what the console and the page reported.
    """

    def __init__(self, profile):
        self.errors, self._count = [], 0
        self._process = subprocess.Popen(
            [shutil.which('chromium'), *_SETTINGS, '--remote-debugging-port=0']
            + ['--user-data-dir=' + profile, 'about:blank'],
            stderr=subprocess.PIPE,
        )
        url = None
        while url is None:
            url = re.search(rb'DevTools listening on (ws://\S+)', self._process.stderr.readline())
        self._socket, self._session = _WebSocket(url.group(1).decode('ascii')), None
        (page,) = [
            each for each in self.call('Target.getTargets')['targetInfos'] if each['type'] == 'page'
        ]
        attached = self.call('Target.attachToTarget', targetId=page['targetId'], flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'DOM'):
            self.call(domain + '.enable')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()

    def call(self, method, **parameters):
        """Returns the result of a command of the protocol."""
        self._count += 1
        message = {'id': self._count, 'method': method, 'params': parameters}
        if self._session:
            message['sessionId'] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.receive())
            if answer.get('id') == self._count:
                assert 'error' not in answer, answer
                return answer['result']
            self._note(answer)

    def _note(self, event):
        if event.get('method') in _ERRORS:
            self.errors.append(json.dumps(event))

    def show(self, url, width=1280, height=900, dark=False):
        """Loads a page in a window of a size, in pixels."""
        self.resize(width, height)
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.call('Emulation.setEmulatedMedia', features=[scheme])
        self.call('Page.navigate', url=url)
        self.wait('document.readyState === "complete"')

    def resize(self, width, height=900):
        """Gives the window a size, in pixels."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def evaluate(self, expression):
        """Returns the value of JavaScript, of a promise too."""
        result = self.call(
            'Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in result, result
        return result['result'].get('value')

    def wait(self, expression):
        """Waits until JavaScript gives a true value, and returns it."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError('never true: %s; %s' % (expression, self.errors))

    def choose(self, selector, paths):
        """Chooses files in an input."""
        root = self.call('DOM.getDocument')['root']['nodeId']
        node = self.call('DOM.querySelector', nodeId=root, selector=selector)['nodeId']
        self.call('DOM.setFileInputFiles', nodeId=node, files=paths)

    def press(self, key, code=0, text=''):
        """Presses a key: `Tab`, or ` ` with its text."""
        for kind in ('keyDown', 'keyUp'):
            self.call(
                'Input.dispatchKeyEvent',
                type=kind,
                key=key,
                windowsVirtualKeyCode=code,
                **({'text': text} if kind == 'keyDown' and text else {}),
            )

    def screenshot(self, path):
        """Writes what the window shows to a PNG."""
        data = self.call('Page.captureScreenshot', format='png')['data']
        with open(path, 'wb') as file:
            file.write(base64.b64decode(data))
