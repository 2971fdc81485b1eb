"""Corrupt and hostile inputs: a good result or one line, and nothing else ever.

Not by hypothesis, for an input may take TensorFlow, and the process with it, down: here a process
reads, another looks on, and its inputs follow from the seed and the number of a unit.
"""

import collections
import contextlib
import functools
import logging
import os
import resource
import shutil
import sys
import traceback

import numpy as np
import pytest

from scripts.common import command, files
from scripts.common import process as process_lib
from scripts.common.errors import UserError
from scripts.dataset import labels as labels_lib
from scripts.dataset.photos import Photo
from scripts.features import cache as cache_lib
from scripts.features import kept_photos
from scripts.features import store as store_lib
from scripts.features.place import Place
from scripts.images.settings import PixelSpec
from scripts.inference import finished_graph
from tests import stand_ins
from tests.features.backbones import Backbone
from tests.robustness import bench, mutations, networks, samples
from tests.robustness.bench import SEED, Row

FULL = 10000

_HANG_SECONDS = 5
_TICK = 0.05
_MEMORY_BYTES = 4 << 30  # Address space beyond what TensorFlow itself takes.
_UNIT = 32  # Inputs between two signs of life; a batch of photos.
_SHOWN = 5

READ, REFUSED = 'read', 'refused'
_REFUSED, _FAULT = 3, 4  # The statuses of a child process.
_ENDINGS = {
    command.SUCCESS: READ,
    command.FAILURE: 'crashed TensorFlow and was told',
    _REFUSED: REFUSED,
}


def tried(name, count, seed=SEED):
    """Feeds a reader `count` corrupt inputs; returns rows. AssertionError: with what went wrong."""
    endings, faults = collections.Counter(), []
    peak = begin = 0
    units = -(-count // _UNIT)
    with bench.folder_in_memory() as folder:
        while begin < units:
            watch = _Watch(os.path.join(folder, str(begin)))
            begin = watch.run(name, seed, begin, units)
            endings.update(watch.endings)
            faults += watch.faults
            peak = max(peak, watch.peak)
    assert not faults, '%d faults with seed %d in %s\n%s' % (
        len(faults),
        seed,
        dict(endings),
        '\n'.join(faults[:_SHOWN]),
    )
    counts = ', '.join('%d %s' % (endings[key], key) for key in sorted(endings))
    ending = '%s; no %d took %d s, the process %d MB' % (
        counts,
        _UNIT,
        _HANG_SECONDS,
        peak >> 20,
    )
    return [Row('fuzz: ' + name, sum(endings.values()), ending)]


class _Watch:
    """Looks on while a process works, until it is done or dead."""

    def __init__(self, folder):
        os.mkdir(folder)
        self._folder = folder
        self.endings, self.faults = collections.Counter(), []
        self.peak = 0

    def run(self, name, seed, begin, end):
        """Returns the first unit that is left to do."""
        place = '%s, unit %d: ' % (name, begin)
        with bench.watched(_work, name, seed, range(begin, end), self._folder) as (pipe, process):
            unit = begin
            while True:
                place = '%s, unit %d: ' % (name, unit)
                if not self._waits(pipe):
                    self.faults.append(place + 'hangs\n' + self._printed())
                    return unit + 1
                try:
                    message = pipe.recv()
                except EOFError:
                    break
                unit = self._note(message, place, unit)
            process.join()
            if process.exitcode:
                self.faults.append(
                    place + 'the process died, %s\n%s' % (process.exitcode, self._printed())
                )
                return unit + 1
        return end

    def _waits(self, pipe):
        # Counted, not timed: where all is paused, this is too.
        return any(pipe.poll(_TICK) for _ in range(int(_HANG_SECONDS / _TICK)))

    def _note(self, message, place, unit):
        endings, faults, peak = message
        self.endings.update(endings)
        self.faults += [place + fault for fault in faults]
        self.peak = max(self.peak, peak)
        return unit + 1 if endings else unit

    def _printed(self):
        with open(os.path.join(self._folder, 'printed'), errors='replace') as file:
            return file.read()[-1500:]


def _work(pipe, name, seed, units, folder):
    with open(os.path.join(folder, 'printed'), 'wb', buffering=0) as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    logging.getLogger('scripts').addHandler(logging.NullHandler())
    logging.getLogger('scripts').propagate = False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory()
    work = os.path.join(folder, 'a', 'b')
    os.makedirs(work)
    read_unit = READERS[name](work)
    pipe.send(((), (), 0))  # Begun.
    for unit in units:
        endings, faults = [], []
        try:
            endings = read_unit(np.random.RandomState([seed, unit]))
        except Exception:
            endings, faults = ['traceback'], [traceback.format_exc()[-1500:]]
        outside = {
            os.path.relpath(os.path.join(place, each), folder)
            for place, folders, names in os.walk(folder)
            for each in names + folders
            if not os.path.join(place, each).startswith(work)
        } - {'a', 'printed'}
        if outside:
            faults.append('it wrote outside: %s' % outside)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        pipe.send((endings, faults, peak))


def _limit_memory():
    with open('/proc/self/statm') as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY_BYTES,) * 2)


def _each(read_one):
    """Makes a reader of units of a reader of one input, which returns READ or raises UserError."""

    def read_unit(random):
        endings = []
        for _ in range(_UNIT):
            try:
                endings.append(read_one(random))
            except UserError as error:
                assert '\n' not in str(error).strip() or len(str(error)) < 2000
                endings.append(REFUSED)
        return endings

    return read_unit


def _bottlenecks(folder):
    photo = Photo(os.path.join(folder, '0.jpg'), 'a', '0.jpg', 0, 'training')
    _write(photo.path, b'a photo')
    place = Place(os.path.join(folder, 'cache'), 'net')
    backbone = Backbone(shape=(24,))
    values = np.random.RandomState(0).randn(1, 24).astype(np.float32)
    cache = cache_lib.Cache(backbone, place, [photo])
    cache.load()
    cache.add(np.array([0]), values)
    text, kept = place.text_path(photo), place.store(backbone)
    whole = {path: _read(path) for path in (text, kept.path)}
    written = os.stat(text).st_mtime_ns

    def read(random):
        touched = []
        for path, data in whole.items():
            _write(path, data)
            if random.randint(3):
                corrupt = _corrupted_row if random.randint(2) and path == kept.path else _corrupted
                _write(path, corrupt(random, data, whole, kept))
                touched.append((path, corrupt))
                if random.randint(10) == 0:
                    os.unlink(path)
        if random.randint(2) and os.path.exists(text):
            os.utime(text, ns=(written, written))
        cache = cache_lib.Cache(backbone, place, [photo])
        cache.load()
        if not cache.found.all():
            return 'recomputed'
        found = cache.features().take(np.array([0]))
        assert np.isfinite(found).all()
        if not touched or touched == [(kept.path, _corrupted)]:
            assert (found == values).all()
        return READ

    return _each(read)


def _kept_pixels(folder):
    photo = Photo(os.path.join(folder, '0.png'), 'a', '0.png', 0, 'training')
    _write(photo.path, b'a photo')
    place, spec = os.path.join(folder, 'pixels'), PixelSpec(4, 4, 0, 1)
    image = np.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype(np.uint8)
    first = kept_photos.KeptPhotos(place, [photo], spec)
    first.load()
    assert first._add([(0, image)])
    kept = first._cache._store
    whole = {path: _read(path) for path in (kept.path, os.path.join(place, 'decoded.pixels'))}

    def read(random):
        for path, data in whole.items():
            _write(path, data)
            if random.randint(3):
                corrupt = _corrupted_row if random.randint(2) and path == kept.path else _corrupted
                _write(path, corrupt(random, data, whole, kept))
                if random.randint(10) == 0:
                    os.unlink(path)
        found = kept_photos.KeptPhotos(place, [photo], spec)
        found.load()
        if found.numbers(np.array([0]))[0] < 0:
            return 'decoded again'
        assert found.image(0).ndim == 3 and found.image(0).shape[2] == 3
        same = found.image(0).tobytes() == image.tobytes()
        return READ if same else 'pixels of a row that was made'

    return _each(read)


def _corrupted(random, data, whole, _):
    return mutations.corrupted(random, data, list(whole.values()))


def _corrupted_row(random, data, whole, kept):
    """Corrupts a row of a store, and gives it checksums that are right."""
    row = data[-kept.row_type.itemsize :]
    changed = mutations.corrupted(random, row, list(whole.values())).ljust(len(row), b'\0')
    rows = np.frombuffer(changed[: len(row)], kept.row_type).copy()
    store_lib._add_checksums(rows)
    return data[: -len(row)] + rows.tobytes()


def _labels(folder):
    path = os.path.join(folder, 'labels.txt')

    def read(random):
        sample = samples.LABELS[random.randint(len(samples.LABELS))]
        _write(path, mutations.corrupted(random, sample, samples.LABELS))
        labels = labels_lib.read(path)
        assert labels and all(isinstance(label, str) and '\n' not in label for label in labels)
        return READ

    return _each(read)


def _graphs(folder):
    import tensorflow.compat.v1 as tf

    from scripts.graphs import description
    from scripts.graphs.importing import import_graph

    path = os.path.join(folder, 'graph.pb')
    graphs = [stand_ins.mobilenet(16, 5), _without_weights(stand_ins.inception())]
    for graph_def in graphs:
        description.attach(graph_def, graph_def.node[-1].name, stand_ins.DESCRIPTION)
    graphs = [each.SerializeToString(deterministic=True) for each in graphs]
    labels = os.path.join(folder, 'labels.txt')
    labels_lib.write(['a', 'b'], labels)
    settings = finished_graph.Settings(labels=labels)

    def read(random):
        _write(path, mutations.corrupted_graph(random, graphs[random.randint(2)], graphs))
        graph = finished_graph.read(path, files.read(path, 'graph'), settings)
        with tf.Graph().as_default():
            graph_def, graph_input, output_name = graph.classifier
            import_graph(graph_def, [graph_input.name + ':0', output_name + ':0'])
        return READ

    return _each(functools.partial(_in_child, read))


def _networks(folder):
    import tensorflow.compat.v1 as tf

    from scripts.networks import backbone, registry
    from tests.networks.test_finding import pooled

    path = os.path.join(folder, 'network.pb')
    graphs = [pooled(kind).SerializeToString(deterministic=True) for kind in ('kept', 'pool')]

    def read(random):
        _write(path, mutations.corrupted_graph(random, graphs[random.randint(2)], graphs))
        loaded = backbone.load(registry.find(path), folder)
        with tf.Graph().as_default():
            backbone.import_into_graph(loaded)
        return READ

    return _each(functools.partial(_in_child, read))


def _in_child(read, random):
    """Reads as a command does, in a child process: there TensorFlow may crash, and it is told."""
    # What a child draws, this process does not: each child gets numbers of its own.
    random = np.random.RandomState(random.randint(2**31))
    child = os.fork()
    if child:
        return _ENDINGS[process_lib.watch(child, 'fuzz')]
    status = _FAULT
    with contextlib.suppress(BaseException):
        try:
            read(random)
            status = command.SUCCESS
        except UserError:
            status = _REFUSED
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
    os._exit(status)


def _without_weights(graph_def):
    """Returns a GraphDef whose weights are smaller, and so quicker to corrupt."""
    import tensorflow.compat.v1 as tf

    for node in graph_def.node:
        if node.name == 'conv/weights':
            node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(np.zeros((1, 1, 3, 8), 'f')))
    return graph_def


def _archives(folder):
    from scripts.networks import backbone as pretrained
    from scripts.networks import registry

    network = registry.find('mobilenet_0.50_160')._replace(checksum=None)
    registry.DOWNLOAD_ROOT = 'http://127.0.0.1:1/'
    graph = stand_ins.mobilenet(160, 3).SerializeToString(deterministic=True)
    sample = samples.archive_of([(network.graph_file, graph), ('a/labels.txt', b'a\nb\n')])
    models = os.path.join(folder, 'models')

    def read(random):
        shutil.rmtree(models, ignore_errors=True)
        os.mkdir(models)
        path = os.path.join(models, os.path.basename(network.archive))
        _write(path, mutations.corrupted_archive(random, sample, [sample]))
        pretrained.load(network, models)
        return READ

    return _each(read)


def _checkpoints(folder):
    from scripts.training import checkpoint

    path = os.path.join(folder, 'checkpoint')
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    variables = {'layer/weights': weights, 'layer/biases': weights[0]}
    same = {'random_seed': 3, 'labels': ['a', 'b'], 'learning_rate': 0.1, 'distortions': [0, 1]}
    saved = checkpoint.Checkpoint(7, variables, checkpoint.Best(0.5, 0.7, 4, variables), False)
    checkpoint.save(path, saved, same)
    whole = _read(path)

    def read(random):
        _write(path, mutations.corrupted_checkpoint(random, whole, [whole]))
        with contextlib.suppress(UserError):
            assert 0 <= checkpoint.random_seed(path) < 2**31
        loaded = checkpoint.load(path, same)
        shapes = {name: value.shape for name, value in variables.items()}
        checkpoint.check_variables(path, loaded, shapes)
        assert 0 < loaded.steps_done < 2**31
        for each in [loaded.variables] + ([loaded.best.variables] if loaded.best else []):
            assert set(each) == set(variables)
            assert all(np.isfinite(value).all() for value in each.values())
        return READ

    return _each(read)


class _Warnings(logging.Handler):
    """Counts what is said."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def emit(self, record):
        self.count += 1


def _event_files(folder):
    from scripts.evaluation import charts, curves

    events, counted = samples.events(), _Warnings()
    logging.getLogger('scripts').addHandler(counted)
    os.mkdir(os.path.join(folder, 'train'))
    path = os.path.join(folder, 'train', 'events.out.tfevents.1.here')

    def read(random):
        _write(path, mutations.corrupted_events(random, events, events))
        counted.count = 0
        found = curves.read(folder)
        assert counted.count <= 1
        for each, is_fraction in ((found.accuracy, True), (found.cross_entropy, False)):
            if each:
                charts.learning_curves('', each, is_fraction)
        return 'cut short' if counted.count else READ

    return _each(read)


def _photos(folder):
    import tensorflow.compat.v1 as tf

    from scripts.images import runner
    from scripts.images.settings import PixelSpec

    photos = samples.photos()
    paths = [os.path.join(folder, '%d.jpg' % number) for number in range(_UNIT)]

    def read_unit(random):
        for path in paths:
            sample = photos[random.randint(len(photos))]
            _write(path, mutations.corrupted_photo(random, sample, photos))
        results = runner.run(
            PixelSpec(32, 32, 127.5, 127.5), lambda images: tf.reduce_mean(images, [1, 2]), [paths]
        )
        ((values, readable),) = list(results)
        assert values.shape == (_UNIT, 3) and np.isfinite(values[readable]).all()
        return [READ if each else 'left out' for each in readable]

    return read_unit


def _importing(make):
    """Makes a reader of a reader of networks, in a child process: libraries may crash there."""

    def start(folder):
        read_one = make(folder)

        def read(random):
            read_one(random)
            return READ

        return _each(functools.partial(_in_child, read))

    return start


READERS = {
    'the bottleneck reader': _bottlenecks,
    'the reader of kept pixels': _kept_pixels,
    'the labels reader': _labels,
    'the graph loader': _graphs,
    'the loader of networks by path': _networks,
    'the archive reader': _archives,
    'the checkpoint reader': _checkpoints,
    'the reader of event files': _event_files,
    'the photo decoder': _photos,
    'the reader of Keras files': _importing(networks.keras_files),
    'the reader of SavedModels': _importing(networks.saved_models),
    'the importer of frozen graphs': _importing(networks.frozen_graphs),
}


def _write(path, data):
    with open(path, 'wb') as file:
        file.write(data)


def _read(path):
    with open(path, 'rb') as file:
        return file.read()


# These are code of TensorFlow, which differs between environments.
_OF_TENSORFLOW = (
    'the graph loader',
    'the loader of networks by path',
    'the photo decoder',
    'the reader of SavedModels',
    'the importer of frozen graphs',
)


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=[] if name in _OF_TENSORFLOW else pytest.mark.once)
        for name in READERS
    ],
)
def test_corrupt_input_is_read_or_refused(name, show_rows):
    # To fork for each input takes longer than to read it.
    show_rows(tried(name, FULL // (40 if name in _OF_TENSORFLOW else 20)))
