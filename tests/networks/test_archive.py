"""Downloads that go wrong in every way, and archives that mean harm."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
import time

import pytest

from scripts.common import locking
from scripts.common.errors import UserError
from scripts.networks import archive, registry
from scripts.networks import backbone as pretrained
from tests.conftest import NO_LOCALE, REPOSITORY
from tests.networks.test_backbone import ARCHIVE, NETWORK, SHA256, serving, tgz, whole

KNOWN = NETWORK._replace(checksum=SHA256)
PART = 'mobilenet_v1_0.50_160_frozen.tgz.part'


def cut_at(count):
    """An answer that promises the archive and ends after `count` bytes."""
    return whole(ARCHIVE[:count], promised=len(ARCHIVE))


def ranged(handler):
    """Answers as a server that can go on from the middle; the ranges asked for are kept."""
    begin = int(handler.headers.get('Range', 'bytes=0-')[len('bytes=') : -1])
    ranged.begins.append(begin)
    if begin >= len(ARCHIVE):
        handler.send_error(416)
        return
    handler.send_response(206 if begin else 200)
    rest = ARCHIVE[begin:]
    if begin:
        content_range = 'bytes %d-%d/%d' % (begin, len(ARCHIVE) - 1, len(ARCHIVE))
        handler.send_header('Content-Range', content_range)
    handler.send_header('Content-Length', str(len(rest)))
    handler.end_headers()
    handler.wfile.write(rest)


def redirect(path):
    def answer(handler):
        handler.send_response(302)
        handler.send_header('Location', path)
        handler.end_headers()

    return answer


def garbage(handler):
    handler.wfile.write(b'nonsense\r\n\r\n')


def silent(_):
    """Closes without a word."""


def hanging(handler):
    handler.send_response(200)
    handler.send_header('Content-Length', str(len(ARCHIVE)))
    handler.end_headers()
    handler.wfile.write(ARCHIVE[:100])
    handler.wfile.flush()
    time.sleep(1.5)


@pytest.mark.parametrize('quarter', [0, 1, 2, 3])
@pytest.mark.parametrize('network', [KNOWN, NETWORK], ids=['checksum', 'no checksum'])
def test_a_cut_download_goes_on(tmp_path, quarter, network):
    count = quarter * len(ARCHIVE) // 4
    ranged.begins = []
    with serving([cut_at(count), ranged]):
        with pytest.raises(UserError, match='ended after %d of' % count) as raised:
            pretrained.load(network, str(tmp_path))
        assert ('partial download kept; rerun to resume' in str(raised.value)) == bool(count)
        assert os.listdir(str(tmp_path)) == [PART] * bool(count)
        pretrained.load(network, str(tmp_path))
    assert ranged.begins == [count]
    assert (tmp_path / PART[: -len('.part')]).read_bytes() == ARCHIVE
    assert PART not in os.listdir(str(tmp_path))


def test_a_server_that_cannot_go_on_begins_again(tmp_path):
    with serving([cut_at(700), whole(ARCHIVE)]):
        with pytest.raises(UserError):
            pretrained.load(KNOWN, str(tmp_path))
        pretrained.load(KNOWN, str(tmp_path))


@pytest.mark.parametrize('status, begin', [(200, 700), (206, 0)])
def test_a_full_response_is_not_appended_to_a_partial_download(tmp_path, status, begin):
    def all_of_it(handler):
        handler.send_response(status)
        content_range = 'bytes %d-%d/%d' % (begin, len(ARCHIVE) - 1, len(ARCHIVE))
        handler.send_header('Content-Range', content_range)
        handler.send_header('Content-Length', str(len(ARCHIVE)))
        handler.end_headers()
        handler.wfile.write(ARCHIVE)

    (tmp_path / PART).write_bytes(ARCHIVE[:700])
    with serving([all_of_it]) as asked:
        pretrained.load(KNOWN, str(tmp_path))
    assert len(asked) == 1
    assert (tmp_path / PART[: -len('.part')]).read_bytes() == ARCHIVE


def test_a_disk_without_room_is_told_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(archive.limits, 'free_bytes', lambda folder: 3 * len(ARCHIVE) - 1)
    with serving([whole(ARCHIVE)]), pytest.raises(UserError, match='make room or choose another'):
        pretrained.load(KNOWN, str(tmp_path))


@pytest.mark.parametrize('network', [KNOWN, NETWORK], ids=['checksum', 'no checksum'])
@pytest.mark.parametrize(
    'length', [100, len(ARCHIVE), len(ARCHIVE) + 5], ids=['short', 'as long', 'longer']
)
def test_a_part_of_something_else_is_not_built_on(tmp_path, network, length):
    (tmp_path / PART).write_bytes(b'\x1f\x8b' + bytes(length - 2))
    ranged.begins = []
    with serving([ranged, ranged]):
        pretrained.load(network, str(tmp_path))
    assert ranged.begins == [length, 0]
    assert (tmp_path / PART[: -len('.part')]).read_bytes() == ARCHIVE


@pytest.mark.parametrize(
    'answer, words',
    [
        (garbage, 'incomplete response'),
        (silent, 'incomplete response|closed connection'),
        (redirect('/models/elsewhere'), 'redirect'),
        (redirect('file:///etc/passwd'), 'is not allowed'),
        (hanging, 'broke after 100 bytes .timed out'),
    ],
    ids=['garbage', 'silence', 'redirect loop', 'redirect to a file', 'hang'],
)
def test_a_server_gone_wrong_is_one_line(tmp_path, monkeypatch, answer, words):
    monkeypatch.setattr(archive, '_TIMEOUT_SECONDS', 0.5)
    with serving([answer] * 12), pytest.raises(UserError, match=words) as raised:
        pretrained.load(KNOWN, str(tmp_path))
    assert '\n' not in str(raised.value)
    assert set(os.listdir(str(tmp_path))) <= {PART}


def test_a_server_that_never_answers_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, '_TIMEOUT_SECONDS', 0.5)
    with serving([lambda _: time.sleep(1.5)]), pytest.raises(UserError, match='timed out'):
        pretrained.load(KNOWN, str(tmp_path))


def test_a_redirect_is_followed_but_not_from_https_to_http(tmp_path):
    with serving([redirect('/mirror/a.tgz'), whole(ARCHIVE)]) as asked:
        pretrained.load(KNOWN, str(tmp_path))
    assert asked[1] == '/mirror/a.tgz'
    request = archive.urllib.request.Request('https://here/a.tgz')
    handler = archive._SameScheme()
    with pytest.raises(archive.urllib.error.URLError, match='which is not https'):
        handler.redirect_request(request, None, 302, '', {}, 'http://here/a.tgz')


def test_two_runs_at_once_download_once(tmp_path):
    def slowly(handler):
        time.sleep(0.3)
        whole(ARCHIVE)(handler)

    with serving([slowly, slowly]) as asked:
        url = registry.DOWNLOAD_ROOT + 'a.tgz'
        path = str(tmp_path / 'a.tgz')
        runs = [
            threading.Thread(target=archive.download, args=(url, path, SHA256)) for _ in range(2)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
    assert len(asked) == 1 and os.listdir(str(tmp_path)) == ['a.tgz']


def bomb_of_zeros(size):
    """A .tgz of some kilobytes whose one file is `size` bytes."""
    data = io.BytesIO()
    info = tarfile.TarInfo(NETWORK.graph_file)
    info.size = size
    with gzip.open(data, 'wb') as packed:
        packed.write(info.tobuf())
        for _ in range(size >> 20):
            packed.write(bytes(1 << 20))
    return data.getvalue()


def claiming(size, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo('large')
    info.size, info.type = size, kind
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


BOMBS = {
    'zeros': lambda: bomb_of_zeros(64 << 20),
    'a size that is not there': lambda: claiming(1 << 40),
    'a sparse file': lambda: claiming(1 << 40, tarfile.GNUTYPE_SPARSE),
    'files without number': lambda: tgz([('f%d' % number, b'') for number in range(1100)]),
}


@pytest.mark.parametrize('kind', sorted(BOMBS))
def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(archive, '_MOST_UNPACKED_BYTES', 32 << 20)
    data = BOMBS[kind]()
    network = NETWORK._replace(checksum=hashlib.sha256(data).hexdigest())
    with serving([whole(data)]), pytest.raises(UserError, match='more than|not a complete'):
        pretrained.load(network, str(tmp_path))
    assert os.listdir(str(tmp_path)) == []


def test_a_flipped_bit_is_noticed_without_a_checksum(tmp_path):
    for place in (len(ARCHIVE) // 2, len(ARCHIVE) - 6):
        data = bytearray(ARCHIVE)
        data[place] ^= 1
        (tmp_path / 'a.tgz').write_bytes(bytes(data))
        with pytest.raises(archive.DownloadError, match='not a complete'):
            archive.check(str(tmp_path / 'a.tgz'), None)


@pytest.mark.parametrize('kind', [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_of_any_letters_are_unpacked_without_a_locale(tmp_path, kind):
    path, folder = str(tmp_path / 'archive.tgz'), str(tmp_path / 'unpacked')
    with tarfile.open(path, 'w:gz', format=kind, encoding='utf-8') as made:
        made.addfile(tarfile.TarInfo('caf\u00e9.pb'))
    code = 'import sys; from scripts.networks import archive; archive.take_out(*sys.argv[1:])'
    environment = dict(os.environ, **NO_LOCALE)
    subprocess.run(
        [sys.executable, '-c', code, path, 'caf\u00e9.pb'.encode(), folder],
        cwd=REPOSITORY,
        env=environment,
        check=True,
    )
    assert os.listdir(os.fsencode(folder)) == ['caf\u00e9.pb'.encode()]


def test_a_download_renames_no_file_that_is_open_where_that_cannot_be(tmp_path, monkeypatch):
    """As on Windows, which has no fcntl either."""
    monkeypatch.setattr(locking, 'AVAILABLE', False)

    def checked(function):
        def call(path, *more):
            opened = [os.path.join('/proc/self/fd', each) for each in os.listdir('/proc/self/fd')]
            assert path not in [os.path.realpath(each) for each in opened]
            return function(path, *more)

        return call

    for name in ('replace', 'unlink'):
        monkeypatch.setattr(os, name, checked(getattr(os, name)))
    with serving([whole(b'<html>'), whole(ARCHIVE)]):
        with pytest.raises(UserError, match='web page'):
            pretrained.load(KNOWN, str(tmp_path))
        assert os.listdir(str(tmp_path)) == []
        pretrained.load(KNOWN, str(tmp_path))
    assert PART not in os.listdir(str(tmp_path))
    # Another run has got it meanwhile.
    archive.download('http://127.0.0.1:1/', str(tmp_path / PART[: -len('.part')]), SHA256)
    assert PART not in os.listdir(str(tmp_path))


@pytest.mark.parametrize('answer', [None, whole(b'no', 404), silent, cut_at(0)])
def test_a_download_that_gets_nothing_leaves_nothing(tmp_path, monkeypatch, answer):
    with serving([answer]):
        if answer is None:
            monkeypatch.setattr(registry, 'DOWNLOAD_ROOT', 'http://127.0.0.1:1/')
        with pytest.raises(UserError):
            pretrained.load(KNOWN, str(tmp_path))
    assert os.listdir(str(tmp_path)) == []
