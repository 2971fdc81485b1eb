"""What a reader takes grows with the size of what it reads, and no faster, be it made for that.

Each input is a worst case on purpose: it is repeated, from 1 kB on, until it is 1 MB large. The
processor's time is taken, of which another process takes none, and only its growth is judged. A
reader that grows with the square is found at the first size at which it takes any time.
"""

import contextlib
import gc
import gzip
import io
import json
import os
import struct
import tarfile
import time
import zlib
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.dataset import extensions, finding
from scripts.dataset import labels as labels_lib
from scripts.dataset import photos as photos_lib
from scripts.dataset.photos import Photo
from scripts.evaluation import curves, selection
from scripts.features import cache as cache_lib
from scripts.features import kept_photos
from scripts.features import store as store_lib
from scripts.features.place import Place
from scripts.graphs import description as description_lib
from scripts.graphs import graph_files, rewrite, search
from scripts.graphs.importing import import_graph
from scripts.graphs.session import open_session
from scripts.images import bad_images, exif, formats, graph_input, pixels, rotation, thumbnails
from scripts.images.settings import PixelSpec
from scripts.networks import archive
from scripts.training import checkpoint
from tests.features.backbones import Backbone
from tests.images import exif_kinds, photo_kinds

pytestmark = [pytest.mark.slow, pytest.mark.once]

SIZES = [2**power for power in (10, 13, 16, 20)]
_SLACK = 5  # Times what a linear reader takes: more bytes fit no cache.
_IGNORED_SECONDS = 0.03  # What takes less than that is not judged.
_TRIES = 3


def check_growth(read, make):
    """Fails unless what `read(make(size))` takes grows at most linearly from 1 kB to 1 MB.

    Args:
      read: takes what `make` returns, and may raise a UserError.
      make: takes a size; returns that many bytes or so, or writes them.
    """
    bound, before = float('inf'), None
    for size in SIZES:
        made = make(size)
        seconds = _seconds(read, made)
        for _ in range(_TRIES - 1):
            if seconds >= bound or seconds < _IGNORED_SECONDS:
                seconds = min(seconds, _seconds(read, made))
        assert seconds < bound, '%d bytes took %.3f s, %d took %.3f s' % (*before, size, seconds)
        before = size, seconds
        factor = SIZES[min(SIZES.index(size) + 1, len(SIZES) - 1)] / size
        bound = _SLACK * max(_IGNORED_SECONDS, seconds * factor)


def _seconds(read, made):
    gc.disable()  # As timeit does: what a collection takes depends on what other tests left.
    try:
        begin = time.process_time()
        with contextlib.suppress(UserError):
            read(made)
        return time.process_time() - begin
    finally:
        gc.enable()


def repeated(unit, head=b'', tail=b''):
    """Returns a function from a size to `head`, many units and `tail`, of about that size."""
    return lambda size: head + unit * ((size - len(head) - len(tail)) // len(unit) + 1) + tail


def test_the_check_finds_a_square_and_passes_a_line():
    check_growth(lambda count: sum(range(count)), int)
    with pytest.raises(AssertionError, match='65536 bytes took'):
        check_growth(lambda count: [sum(range(count // 16)) for _ in range(count // 4096)], int)


@pytest.fixture
def written(tmp_path):
    """Returns a function that writes bytes to a file and returns its path."""
    path = tmp_path / 'photo.jpg'

    def write(data):
        path.write_bytes(data)
        return str(path)

    return write


_SCAN = photo_kinds.JPEG.index(b'\xff\xda')
_HEAD, _SCAN_HEAD = photo_kinds.JPEG[:_SCAN], photo_kinds.JPEG[_SCAN : _SCAN + 14]
_FRAME = photo_kinds.JPEG.index(b'\xff\xc0')
_FRAME_SEGMENT = photo_kinds.JPEG[_FRAME : _FRAME + 19]
_TABLE = exif_kinds.segment(0xC4, bytes([0, 1]) + bytes(15) + b'\1')
_TAIL = b'\xff\xd9' + bytes(1024)  # Zeros behind its end look like a hole.
_GIF_HEAD = photo_kinds.GIF[: photo_kinds.GIF.index(b',\0\0\0\0')]
_GIF_FRAME = b',' + bytes(4) + b'\1\0\1\0\0\2'


def _png_chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


PHOTOS = {
    'JPEG with bytes of 255 in its scan': repeated(b'\xff', _HEAD + _SCAN_HEAD, b'\0' + _TAIL),
    'JPEG with escaped bytes of 255': repeated(b'\xff\0', _HEAD + _SCAN_HEAD, _TAIL),
    'JPEG with runs of 255': repeated(b'\xff' * 99 + b'\0', _HEAD + _SCAN_HEAD, _TAIL),
    'JPEG with restarts': repeated(b'\xff\xd0', _HEAD + _SCAN_HEAD, _TAIL),
    'JPEG with scans': repeated(_SCAN_HEAD, _HEAD, _TAIL),
    'JPEG with scans of zeros': repeated(_SCAN_HEAD + bytes(64), _HEAD, _TAIL),
    'JPEG with scans before a hole': repeated(_SCAN_HEAD, _HEAD, bytes(1024)),
    'JPEG with frames': repeated(_FRAME_SEGMENT, b'\xff\xd8', _HEAD[2:] + _SCAN_HEAD + _TAIL),
    'JPEG with frames and scans': repeated(_FRAME_SEGMENT + _SCAN_HEAD, _HEAD, _TAIL),
    'JPEG with Huffman tables': repeated(_TABLE, _HEAD, _SCAN_HEAD + _TAIL),
    'JPEG with tables and scans': repeated(_TABLE + _SCAN_HEAD, _HEAD, _TAIL),
    'JPEG with comments': repeated(exif_kinds.segment(0xFE, b''), b'\xff\xd8', _HEAD[2:] + _TAIL),
    'JPEG with EXIF': repeated(exif_kinds.exif(6), b'\xff\xd8', photo_kinds.JPEG[2:]),
    'JPEG with short EXIF': repeated(
        exif_kinds.segment(0xE1, b'Exif\0\0x'), b'\xff\xd8', photo_kinds.JPEG[2:]
    ),
    'JPEG with fill': repeated(b'\xff', b'\xff\xd8', photo_kinds.JPEG[2:]),
    'JPEG of zeros': repeated(b'\0', _HEAD + _SCAN_HEAD),
    'PNG with chunks': repeated(
        _png_chunk(b'tEXt', b'a\0b'), photo_kinds.PNG[:33], photo_kinds.PNG[33:]
    ),
    'PNG with data of no bytes': repeated(
        _png_chunk(b'IDAT', b''), photo_kinds.PNG[:33], photo_kinds.PNG[33:]
    ),
    'GIF with extensions': repeated(b'!\xfe\1x\0', _GIF_HEAD, photo_kinds.GIF[len(_GIF_HEAD) :]),
    'GIF with blocks': repeated(b'\1x', _GIF_HEAD + _GIF_FRAME, b'\0;'),
    'GIF with frames': repeated(_GIF_FRAME + b'\2\x4c\1\0', _GIF_HEAD, b';'),
    'GIF without an end': repeated(b'\1x', _GIF_HEAD + _GIF_FRAME),
    'BMP': repeated(b'BM', photo_kinds.BMP),
    'zeros': repeated(b'\0'),
    'spaces': repeated(b' '),
    'HTML': repeated(b'<'),
}


@pytest.mark.parametrize('kind', sorted(PHOTOS))
def test_why_a_photo_is_unreadable(kind, written):
    check_growth(bad_images.why_unreadable, lambda size: written(PHOTOS[kind](size)))


@pytest.mark.parametrize('kind', sorted(PHOTOS))
def test_holes(kind, written):
    check_growth(bad_images.hole_in, lambda size: written(PHOTOS[kind](size)))


@pytest.mark.parametrize('kind', sorted(kind for kind in PHOTOS if kind.startswith('GIF')))
def test_first_frames(kind):
    def read(data):
        with contextlib.suppress(ValueError):
            formats.first_frame(data)

    check_growth(read, PHOTOS[kind])


@pytest.fixture(scope='module')
def decode():
    """Returns a function that decodes a photo, turned as its EXIF asks; if it can be."""
    graph = tf.Graph()
    with graph.as_default():
        contents_tensor = tf.placeholder(tf.string, [])
        decoded_tensor = tf.shape(pixels.decode(contents_tensor, 'apply'))
        orientation_tensor = rotation.orientation(contents_tensor)
    with open_session(graph) as session:

        def run(data):
            session.run(orientation_tensor, {contents_tensor: data})
            with contextlib.suppress(tf.errors.OpError):
                session.run(decoded_tensor, {contents_tensor: data})

        run(photo_kinds.JPEG)  # The first run makes what it needs.
        yield run


@pytest.mark.parametrize('kind', sorted(PHOTOS))
def test_decoding(kind, decode):
    check_growth(decode, PHOTOS[kind])


@pytest.mark.parametrize('kind', sorted(PHOTOS))
def test_thumbnails(kind, written):
    check_growth(thumbnails.load, lambda size: written(PHOTOS[kind](size)))


_ENTRIES = [
    exif_kinds.segment(0xE1, b'Exif\0\0II*\0\x08\0\0\0' + struct.pack('<H', 5000) + bytes(60000)),
    exif_kinds.segment(0xE1, b'Exif\0\0MM\0*' + struct.pack('>I', 2**32 - 1)),
]


@pytest.mark.parametrize('entries', _ENTRIES)
def test_orientations(entries, decode, written):
    make = repeated(entries, b'\xff\xd8', photo_kinds.JPEG[2:])
    check_growth(exif.orientation, lambda size: written(make(size)))
    check_growth(decode, make)


LABELS = {
    'one label': lambda size: b'a\n' * (size // 2),
    'many labels': lambda size: b''.join(b'%d\n' % number for number in range(size // 7)),
    'the last label twice': lambda size: b''.join(b'%d\n' % n for n in range(size // 7)) + b'0\n',
    'empty lines': repeated(b'\n'),
    'empty lines before a label': repeated(b'\n', b'', b'a'),
    'spaces in a line': repeated(b' ', b'a', b'b\n'),
    'spaces in lines': repeated(b' \r', b'a', b'b\n'),
    'line ends of every kind': repeated(b'a\r\nb\rc\n'),
    'a long label': repeated(b'a'),
}


@pytest.mark.parametrize('kind', sorted(LABELS))
def test_labels(kind, written):
    check_growth(labels_lib.read, lambda size: written(LABELS[kind](size)))
    check_growth(
        lambda path: labels_lib.check_replaceable(path, ['a']),
        lambda size: written(LABELS[kind](size)),
    )


def test_the_label_of_a_folder():
    for unit in ('-', 'a-', 'a', '\xe9'):
        check_growth(labels_lib.label_of, lambda size, unit=unit: 'a' + unit * size)


def test_the_labels_of_a_folder_among_those_of_a_graph():
    def make(size):
        labels = tuple('%d' % number for number in range(size // 8))
        photo = photos_lib.Photo('a/0/b.jpg', '0', 'b.jpg', 0, 'testing')
        return photos_lib.Dataset(labels, (photo,), 'a', None, ())

    check_growth(lambda dataset: selection.photos_of(dataset, 'all', dataset.labels), make)


def _node(name, op='Identity', inputs=(), **attributes):
    node = tf.NodeDef(name=name, op=op, input=inputs)
    for key, value in attributes.items():
        node.attr[key].CopyFrom(value)
    return node


_FLOAT = tf.AttrValue(type=tf.float32.as_datatype_enum)


def _chain(size, backwards=False):
    nodes = [_node('input', 'Placeholder', dtype=_FLOAT)]
    for number in range(size // 40):
        nodes.append(_node('n%d' % number, inputs=[nodes[-1].name], T=_FLOAT))
    return tf.GraphDef(node=nodes[::-1] if backwards else nodes)


def _fan(size):
    graph_def = tf.GraphDef(node=[_node('input', 'Placeholder', dtype=_FLOAT)])
    graph_def.node.extend([_node('all', 'AddN', ['input'] * (size // 7), T=_FLOAT)])
    return graph_def


def _star(size):
    nodes = [_node('n%d' % number, inputs=['input'], T=_FLOAT) for number in range(size // 40)]
    return tf.GraphDef(node=[_node('input', 'Placeholder', dtype=_FLOAT)] + nodes)


def _attributes(size):
    node = _node('input', 'Placeholder', dtype=_FLOAT)
    for number in range(size // 16):
        node.attr['_%d' % number].i = number
    return tf.GraphDef(node=[node])


def _placeholders(size):
    return tf.GraphDef(
        node=[_node('p%d' % number, 'Placeholder', dtype=_FLOAT) for number in range(size // 30)]
    )


def _functions(size):
    graph_def = _chain(1024)
    for number in range(size // 30):
        graph_def.library.function.add().signature.name = 'f%d' % number
    return graph_def


def _dimensions(size):
    node = _node('input', 'Placeholder', dtype=_FLOAT)
    node.attr['shape'].shape.dim.extend([tf.TensorShape([2]).as_proto().dim[0]] * (size // 4))
    return tf.GraphDef(node=[node])


def _nested_list(size):
    """Messages inside of messages, as deep as it goes."""
    data = b''
    for _ in range(size // 5):
        if len(data) >= size:
            break
        data = b'\x0a' + _varint(len(data)) + data
    return data


def _varint(number):
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes(data) + bytes([number])


def _described(text):
    """Returns a graph that says of itself what JSON text says."""
    graph_def = _chain(1024)
    graph_def.node[-1].attr['_classifier'].s = text
    return graph_def


JSON = {
    'lists': repeated(b'[', b'', b''),
    'whole lists': lambda size: b'[' * (size // 2) + b']' * (size // 2),
    'objects': repeated(b'{"a":'),
    'a number': repeated(b'9'),
    'numbers': repeated(b'9,', b'[', b'9]'),
    'a fraction': repeated(b'9', b'0.'),
    'an exponent': repeated(b'9', b'1e'),
    'a string': repeated(b'\\u00e9', b'"', b'"'),
    'names': lambda size: json.dumps({'%d' % n: n for n in range(size // 16)}).encode(),
    'one name': repeated(b'"a":1,', b'{', b'"a":1}'),
    'spaces': repeated(b' '),
}

GRAPHS = {
    'chain': _chain,
    'chain, last node first': lambda size: _chain(size, True),
    'fan': _fan,
    'star': _star,
    'attributes': _attributes,
    'placeholders': _placeholders,
    'functions': _functions,
    'dimensions': _dimensions,
}


@pytest.mark.parametrize('kind', sorted(GRAPHS))
def test_graphs(kind):
    def read(data):
        graph_def = graph_files.parse(data, 'it')
        description_lib.find(graph_def)
        search.outputs(graph_def)
        search.downstream(graph_def, 'input')
        graph_input.read_off(graph_def)

    check_growth(read, lambda size: GRAPHS[kind](size).SerializeToString())


@pytest.mark.parametrize('name', ['n%d', 'n' * 1000 + '%d'])
def test_a_node_that_a_graph_does_not_have(name):
    def make(size):
        count = size // (len(name) + 20)
        return tf.GraphDef(node=[_node(name % number) for number in range(count)])

    check_growth(lambda graph_def: search.require_node(graph_def, 'n1x', ['n1']), make)


@pytest.mark.parametrize('kind', ['chain', 'star', 'placeholders'])
def test_graphs_as_they_are_imported(kind):
    def read(graph_def):
        with tf.Graph().as_default():
            import_graph(rewrite.allow_any_batch(graph_def, graph_def.node[0].name))

    check_growth(read, GRAPHS[kind])


@pytest.mark.parametrize('unit', [b'\x0a', b'\x0a\0', b'\x0b', b'\xff', b'\x0a\2\x0a\0'])
def test_bytes_that_are_no_graph(unit):
    check_growth(lambda data: graph_files.parse(data, 'it'), repeated(unit))


def test_messages_inside_of_messages():
    check_growth(lambda data: graph_files.parse(data, 'it'), lambda size: _nested_list(size // 64))


@pytest.mark.parametrize('kind', sorted(JSON))
def test_descriptions(kind):
    check_growth(description_lib.find, lambda size: _described(JSON[kind](size)))


@pytest.mark.parametrize('kind', sorted(JSON))
def test_checkpoints(kind, tmp_path):
    path = str(tmp_path / 'checkpoint')

    def make(size):
        with open(path, 'wb') as file:
            np.savez(file, meta=np.array(JSON[kind](size).decode()))

    check_growth(lambda _: checkpoint.load(path, {}), make)


def test_checkpoints_of_many_arrays(tmp_path):
    path = str(tmp_path / 'checkpoint')

    def make(size):
        with open(path, 'wb') as file:
            np.savez(file, **{'a%d' % number: np.zeros(1) for number in range(size // 256)})

    check_growth(lambda _: checkpoint.load(path, {}), make)


_KEPT = Backbone(shape=(4,))


@pytest.fixture
def place_and_photo(tmp_path):
    (tmp_path / 'cache' / 'class').mkdir(parents=True)
    path = tmp_path / 'x.jpg'
    path.write_bytes(photo_kinds.JPEG)
    place = Place(str(tmp_path / 'cache'), 'net')
    return place, Photo(str(path), 'class', 'x.jpg', 0, 'training')


def read_cache(place, photo):
    cache = cache_lib.Cache(_KEPT, place, [photo])
    cache.load()
    cache.features()


@pytest.mark.parametrize('unit', [b'1', b'1,', b',', b'1.5e-3,', b' ', b'-', b'9e', b'0.', b'1 '])
def test_bottleneck_files(unit, place_and_photo):
    place, photo = place_and_photo

    def make(size):
        with open(place.text_path(photo), 'wb') as file:
            file.write(repeated(unit)(size))

    check_growth(lambda _: read_cache(place, photo), make)


_ROW = store_lib.ENTRY.itemsize + 16


def _rows(size, store, same_photo):
    entries = np.zeros(size // _ROW, store_lib.ENTRY)
    if not same_photo:
        entries['photo'][:, 0] = np.arange(len(entries))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(store.path)
    store.append(entries, np.zeros((len(entries), 4), np.float32))


def _bytes_behind_header(unit):
    def make(size, store):
        _rows(0, store, True)
        with open(store.path, 'ab') as file:
            file.write(repeated(unit)(size))

    return make


STORES = {
    'rows of one photo': lambda size, store: _rows(size, store, True),
    'rows of many photos': lambda size, store: _rows(size, store, False),
    'zeros': _bytes_behind_header(b'\0'),
    'bytes of 255': _bytes_behind_header(b'\xff'),
    'headers': _bytes_behind_header(b'features 1 float32 4'.ljust(127) + b'\n'),
}


@pytest.mark.parametrize('kind', sorted(STORES))
def test_stores(kind, place_and_photo):
    place, photo = place_and_photo

    def read(_):
        rows = place.store(_KEPT).read()
        rows.intact(rows.live())
        with mock.patch.object(store_lib.Store, 'compact', lambda store: None):
            read_cache(place, photo)

    check_growth(read, lambda size: STORES[kind](size, place.store(_KEPT)))


@pytest.mark.parametrize('kind', sorted(STORES))
def test_compacting_stores(kind, place_and_photo):
    store = place_and_photo[0].store(_KEPT)
    check_growth(lambda _: store.compact(), lambda size: STORES[kind](size, store))


@pytest.mark.parametrize('unit', [b'\0', b'features ', b'{'])
def test_files_that_are_no_store(unit, place_and_photo):
    place, photo = place_and_photo

    def make(size):
        with open(place.store(_KEPT).path, 'wb') as file:
            file.write(repeated(unit)(size))

    check_growth(lambda _: read_cache(place, photo), make)


_DECODED = PixelSpec(4, 4, 0, 1)


@pytest.mark.parametrize('same_photo', [True, False])
def test_indices_of_kept_pixels(same_photo, place_and_photo):
    place, photo = place_and_photo
    cache = kept_photos.KeptPhotos(place.folder, [photo], _DECODED)._cache

    def make(size):
        store = cache._store
        entries = np.zeros(size // store.row_type.itemsize, store_lib.ENTRY)
        if not same_photo:
            entries['photo'][:, 0] = np.arange(len(entries))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(store.path)
        store.append(entries, np.full((len(entries), 5), 2**60))

    with mock.patch.object(store_lib.Store, 'compact', lambda store: None):
        check_growth(lambda _: kept_photos.KeptPhotos(place.folder, [photo], _DECODED).load(), make)


def _tar(members):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w', format=tarfile.USTAR_FORMAT) as made:
        for info, contents in members:
            info.size = len(contents)
            made.addfile(info, io.BytesIO(contents))
    return data.getvalue()


def _member(name, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


ARCHIVES = {
    'members': lambda size: _tar((_member('%d' % n), b'') for n in range(size // 512)),
    'one long name': lambda size: _tar([(_member('l', tarfile.GNUTYPE_LONGNAME), b'a/' * size)]),
    'long names': lambda size: _tar(
        (_member('l', tarfile.GNUTYPE_LONGNAME), b'a') for _ in range(size // 1024)
    ),
    'extended headers': lambda size: _tar(
        (_member('x', tarfile.XHDTYPE), b'9 a=b c\n') for _ in range(size // 1024)
    ),
    'an extended header of digits': lambda size: _tar(
        [(_member('x', tarfile.XHDTYPE), b'9' * size), (_member('a'), b'')]
    ),
    'a global header of digits': lambda size: _tar(
        [(_member('x', tarfile.XGLTYPE), b'9' * size), (_member('a'), b'')]
    ),
    'an extended header of many records': lambda size: _tar(
        [(_member('x', tarfile.XHDTYPE), b'7 a=bc\n' * (size // 7)), (_member('a'), b'')]
    ),
}


@pytest.mark.parametrize('kind', sorted(ARCHIVES))
def test_archives(kind, tmp_path):
    path = str(tmp_path / 'archive.tgz')

    def read(_):
        with contextlib.suppress(archive.DownloadError):
            archive.check(path, None)

    def make(size):
        with open(path, 'wb') as file:
            file.write(gzip.compress(ARCHIVES[kind](size)))

    check_growth(read, make)


def _events(size, tags=1, steps=True):
    events = []
    for number in range(size // 60):
        value = tf.Summary.Value(tag='accuracy_1', simple_value=0.5)
        event = tf.Event(step=number if steps else 0, summary=tf.Summary(value=[value] * tags))
        events.append(event.SerializeToString())
    return events


EVENTS = {
    'steps': _events,
    'one step': lambda size: _events(size, steps=False),
    'values of one event': lambda size: [
        tf.Event(
            summary=tf.Summary(value=[tf.Summary.Value(tag='accuracy_1')] * (size // 16))
        ).SerializeToString()
    ],
    'empty events': lambda size: [b''] * (size // 16),
    'one large event': lambda size: [tf.Event(file_version='x' * size).SerializeToString()],
}


@pytest.mark.parametrize('kind', sorted(EVENTS))
def test_event_files(kind, tmp_path):
    (tmp_path / 'train').mkdir()
    path = str(tmp_path / 'train' / 'events.out.tfevents.1')

    def make(size):
        with tf.io.TFRecordWriter(path) as writer:
            for event in EVENTS[kind](size):
                writer.write(event)

    check_growth(lambda _: curves.read(str(tmp_path)), make)


def test_folders_of_photos(tmp_path):
    class_dir = tmp_path / 'class'
    class_dir.mkdir()
    made = [0]

    def make(size):
        for number in range(made[0], size // 256):
            (class_dir / ('%d.jpg' % number)).write_bytes(b'')
        made[0] = size // 256

    split = photos_lib.split_lib.Split(10, 10, photos_lib.split_lib.BY_PATH)
    check_growth(lambda _: photos_lib.load(str(tmp_path), split), make)


@pytest.mark.parametrize('unit', ['jpg,', 'jpg, ', 'heic,', '.', ',', 'x'])
def test_extensions(unit):
    check_growth(extensions.parse, lambda size: unit * (size // len(unit)) + 'png')


@pytest.mark.parametrize('unit', [',', 'x,', ' ', 'x'])
def test_names_of_photos(unit, written):
    path = written(photo_kinds.JPEG)
    check_growth(lambda name: finding.image_paths([name]), lambda size: path + ',' + unit * size)
