"""Getting networks: from archives, from a server, and never from corrupt files."""

import contextlib
import hashlib
import http.server
import io
import os
import tarfile
import threading

import pytest

from scripts.common.errors import UserError
from scripts.graphs import graph_files
from scripts.networks import archive, registry
from scripts.networks import backbone as pretrained
from tests import stand_ins

NETWORK = registry.find('mobilenet_0.50_160')._replace(checksum=None)
GRAPH = stand_ins.of(NETWORK).SerializeToString()


def tgz(members):
    """Returns the bytes of a .tgz; members are (name, bytes) or TarInfo."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:gz') as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                made.addfile(info, io.BytesIO(member[1]))
    return data.getvalue()


ARCHIVE = tgz([(NETWORK.graph_file, GRAPH), ('mobilenet_v1_0.50_160/labels.txt', b'labels')])
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


@contextlib.contextmanager
def serving(answers):
    """Serves on loopback; each of `answers` takes a request handler. Gives the list of paths."""
    asked = []
    remaining = list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            remaining.pop(0)(self)

        def log_message(self, *_):
            """Says nothing: the output is the tests'."""

    with http.server.HTTPServer(('127.0.0.1', 0), Handler) as server:
        # So often it looks whether it is to shut down: half a second is its own default.
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        old = registry.DOWNLOAD_ROOT
        registry.DOWNLOAD_ROOT = 'http://127.0.0.1:%d/models/' % server.server_port
        try:
            yield asked
        finally:
            registry.DOWNLOAD_ROOT = old
            server.shutdown()


def whole(data, status=200, promised=None):
    """An answer of `data`, with a Content-Length of `promised` bytes where that is given."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header('Content-Length', str(promised or len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def files_below(folder):
    return sorted(
        os.path.relpath(os.path.join(place, name), str(folder))
        for place, _, names in os.walk(str(folder))
        for name in names
    )


def test_a_network_is_downloaded_taken_out_and_then_there(tmp_path):
    network = NETWORK._replace(checksum=SHA256)
    with serving([whole(ARCHIVE)]) as asked:
        for _ in range(2):
            loaded = pretrained.load(network, str(tmp_path / 'new' / 'models'))
    assert asked == ['/models/mobilenet_v1_0.50_160_frozen.tgz']
    assert loaded.graph_def == graph_files.parse(GRAPH, 'here')
    assert loaded.sha256 == hashlib.sha256(GRAPH).hexdigest()
    assert files_below(tmp_path / 'new' / 'models') == [
        'mobilenet_v1_0.50_160/frozen_graph.pb',
        'mobilenet_v1_0.50_160_frozen.tgz',
    ]


def test_an_archive_may_be_of_another_server(tmp_path):
    with serving([whole(ARCHIVE)]) as asked:
        elsewhere = registry.DOWNLOAD_ROOT.replace('/models/', '/other/') + 'a.tgz'
        pretrained.load(NETWORK._replace(archive=elsewhere), str(tmp_path))
    assert asked == ['/other/a.tgz']
    assert 'a.tgz' in files_below(tmp_path)


def test_an_archive_put_there_by_hand_is_unpacked(tmp_path):
    (tmp_path / 'mobilenet_v1_0.50_160_frozen.tgz').write_bytes(ARCHIVE)
    with serving([]) as asked:
        pretrained.load(NETWORK, str(tmp_path))
    assert asked == []


def test_a_corrupt_archive_is_downloaded_again(tmp_path, warnings_of):
    (tmp_path / 'mobilenet_v1_0.50_160_frozen.tgz').write_bytes(ARCHIVE[:-500])
    with serving([whole(ARCHIVE)]) as asked:
        warned = warnings_of(lambda: pretrained.load(NETWORK, str(tmp_path)))
    assert len(asked) == 1
    assert 'is corrupt; downloading it again' in warned[0]


@pytest.mark.parametrize(
    'answer, words',
    [
        (whole(b'no', 404), 'responded 404'),
        (whole(ARCHIVE[:-300], promised=len(ARCHIVE)), 'it ended after'),
        (whole(b'<html>sign in</html>'), 'it is a web page'),
        (whole(ARCHIVE[:-300]), 'SHA-256'),
    ],
    ids=['not found', 'cut', 'a page', 'other bytes'],
)
def test_a_bad_answer_leaves_nothing_and_says_what_to_do(tmp_path, answer, words):
    network = NETWORK._replace(checksum=SHA256)
    with serving([answer]), pytest.raises(UserError) as raised:
        pretrained.load(network, str(tmp_path))
    message = str(raised.value)
    assert words in message
    assert 'http://127.0.0.1' in message and str(tmp_path) in message
    assert '--architecture=sample' in message
    assert files_below(tmp_path) in ([], ['mobilenet_v1_0.50_160_frozen.tgz.part'])


@pytest.mark.parametrize(
    'data',
    [b'<html>sign in</html>', ARCHIVE[:-300], ARCHIVE[:40], b''],
    ids=['a page', 'most of it', 'its start', 'nothing'],
)
def test_without_a_checksum_a_partial_archive_is_still_told(tmp_path, data):
    with serving([whole(data)]), pytest.raises(UserError, match='not a complete .tgz|web page'):
        pretrained.load(NETWORK, str(tmp_path))
    assert files_below(tmp_path) == []


def test_no_server_is_told(tmp_path):
    with serving([]) as asked:
        del asked[:]
    table_root, registry.DOWNLOAD_ROOT = registry.DOWNLOAD_ROOT, 'http://127.0.0.1:1/'
    try:
        with pytest.raises(UserError, match='cannot download http://127.0.0.1:1/mobilenet'):
            pretrained.load(NETWORK, str(tmp_path))
    finally:
        registry.DOWNLOAD_ROOT = table_root


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    'member',
    [
        ('../outside', b'x'),
        ('a\\..\\..\\outside', b'x'),
        ('/tmp/retrain-test-absolute', b'x'),
        ('a/../../outside', b'x'),
        link('a', '/etc/passwd', tarfile.SYMTYPE),
        link('a', 'mobilenet_v1_0.50_160/frozen_graph.pb', tarfile.LNKTYPE),
        link('a', '', tarfile.FIFOTYPE),
    ],
    ids=['up', 'with backslashes', 'absolute', 'down and up', 'symbolic link', 'hard link', 'fifo'],
)
def test_an_unsafe_member_is_refused_before_anything_is_unpacked(tmp_path, member):
    folder = tmp_path / 'models'
    folder.mkdir()
    data = tgz([(NETWORK.graph_file, GRAPH), member])
    (folder / 'mobilenet_v1_0.50_160_frozen.tgz').write_bytes(data)
    with pytest.raises(UserError, match='unsafe member'):
        pretrained.load(NETWORK, str(folder))
    assert files_below(tmp_path) == ['models/mobilenet_v1_0.50_160_frozen.tgz']


def test_only_the_wanted_graph_is_taken_out(tmp_path):
    """What an archive without a known checksum holds beside it may be anything."""
    others = ['mobilenet_v1_1.0_224/frozen_graph.pb', 'notes.txt', 'a/new/file']
    for name in others[:2]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'mine')
    members = [(name, b'theirs') for name in others]
    members += [(NETWORK.graph_file, b'an older one'), ('./' + NETWORK.graph_file, GRAPH)]
    (tmp_path / 'mobilenet_v1_0.50_160_frozen.tgz').write_bytes(tgz(members))
    pretrained.load(NETWORK, str(tmp_path))  # Of several of that name the last one counts.
    assert sorted(files_below(tmp_path)) == sorted(
        others[:2] + [NETWORK.graph_file, 'mobilenet_v1_0.50_160_frozen.tgz']
    )
    assert all((tmp_path / name).read_bytes() == b'mine' for name in others[:2])


@pytest.mark.parametrize('kind', ['folder', 'below a file'])
def test_a_graph_that_cannot_be_taken_out_is_one_line(tmp_path, kind):
    folder = tarfile.TarInfo(NETWORK.graph_file)
    folder.type = tarfile.DIRTYPE
    data = tgz([folder]) if kind == 'folder' else ARCHIVE
    (tmp_path / 'mobilenet_v1_0.50_160_frozen.tgz').write_bytes(data)
    if kind == 'below a file':
        (tmp_path / 'mobilenet_v1_0.50_160').write_bytes(b'')
    with pytest.raises(UserError, match='holds no mobilenet|cannot write'):
        pretrained.load(NETWORK, str(tmp_path))


@pytest.mark.parametrize('start', ['', '../'])
def test_a_member_thousands_of_folders_deep_is_one_line(tmp_path, warnings_of, start):
    deep = start + '/'.join(['a'] * 5000)
    data = tgz([(NETWORK.graph_file, GRAPH), (deep, b'deep')])
    (tmp_path / 'mobilenet_v1_0.50_160_frozen.tgz').write_bytes(data)

    def load():
        with pytest.raises(UserError, match='cannot download') as raised:
            pretrained.load(NETWORK, str(tmp_path))
        assert len(str(raised.value)) < 500

    (warning,) = warnings_of(load)
    assert 'it has a header of 100' in warning


def test_an_archive_of_another_network_is_told(tmp_path):
    (tmp_path / 'mobilenet_v1_0.50_160_frozen.tgz').write_bytes(tgz([('other.pb', b'x')]))
    with pytest.raises(UserError, match='holds no mobilenet_v1_0.50_160/frozen_graph.pb'):
        pretrained.load(NETWORK, str(tmp_path))


def test_another_graph_in_its_place_is_told(tmp_path):
    graph_files.write(stand_ins.inception(), str(tmp_path / NETWORK.graph_file))
    with pytest.raises(UserError, match='has no node input'):
        pretrained.load(NETWORK, str(tmp_path))


def test_a_graph_with_other_bottlenecks_is_told(tmp_path):
    graph_files.write(stand_ins.mobilenet(160, 12), str(tmp_path / NETWORK.graph_file))
    loaded = pretrained.load(NETWORK, str(tmp_path))
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), pytest.raises(UserError, match=r'12.* expected \[1001\]'):
        pretrained.import_into_graph(loaded)


def test_importing_leaves_the_graph_as_it_was(tmp_path):
    import tensorflow.compat.v1 as tf

    graph_files.write(stand_ins.of(NETWORK), str(tmp_path / NETWORK.graph_file))
    loaded = pretrained.load(NETWORK, str(tmp_path))
    before = loaded.graph_def.SerializeToString(deterministic=True)
    with tf.Graph().as_default():
        pretrained.import_into_graph(loaded)
    assert loaded.graph_def.SerializeToString(deterministic=True) == before


def test_a_whole_archive_passes(tmp_path):
    (tmp_path / 'a.tgz').write_bytes(ARCHIVE)
    archive.check(str(tmp_path / 'a.tgz'), SHA256)
    with pytest.raises(archive.DownloadError, match='expected ' + 'f' * 64):
        archive.check(str(tmp_path / 'a.tgz'), 'f' * 64)
