"""Commands are killed at random moments; the next run ends with the bytes of an undisturbed one."""

import functools
import http.server
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import typing

import numpy as np
import pytest

from scripts.graphs import graph_files
from scripts.networks import registry
from tests import stand_ins
from tests.robustness import bench, samples
from tests.robustness.bench import SEED, Row

FULL = 500

# Of these calls, made below a function of ours, one in the middle of which a command is killed.
_FILE_CALLS = frozenset(
    ['open', 'close', 'write', 'chmod', 'replace', 'unlink', 'mkdir', 'flock', 'rmdir', 'listdir']
)
_FRAMES_UP = 8
_OURS = os.sep + 'scripts' + os.sep

_DOWNLOADED = 'mobilenet_0.50_128'
_CHUNKS, _SECONDS_A_CHUNK = 20, 0.004


class Victim(typing.NamedTuple):
    """A command to kill.

    name: for the table.
    percent: of all kills.
    module, flags: what runs, in a folder that `flags`, a function of it, takes.
    begins, ends: what the command prints where the part begins in which it is killed, and where
      it ends; None: with the command.
    template: a folder that each run begins with a copy of, or None.
    prepare: what happens in the process before the command, or None.
    """

    name: str
    percent: int
    module: str
    flags: typing.Callable
    begins: typing.Optional[str] = None
    ends: typing.Optional[str] = None
    template: typing.Optional[str] = None
    prepare: typing.Optional[typing.Callable] = None


def tried(count, seed=SEED):
    """Kills `count` times; returns rows of the table. AssertionError: a run was not whole."""
    random = np.random.RandomState(seed)
    with tempfile.TemporaryDirectory() as folder, Serving(_archive()) as root:
        return [
            _kill_often(victim, count * victim.percent // 100, os.path.join(folder, 'run'), random)
            for victim in _victims(folder, root)
        ]


def _victims(folder, root):
    photos = bench.prepare_photos(folder)
    warm = os.path.join(folder, 'warm')
    bench.Run(
        'scripts.retrain', bench.retrain_flags(photos, warm), os.path.join(folder, 'printed')
    ).good()
    graph, labels = (os.path.join(warm, 'out', name) for name in ('graph.pb', 'labels.txt'))

    def flags_of(**changes):
        return lambda place: bench.retrain_flags(photos, place, **changes)

    def long_training(place):
        checkpoint = os.path.join(place, 'checkpoint')
        return bench.retrain_flags(
            photos, place, how_many_training_steps=150, checkpoint_path=checkpoint, resume=True
        )

    def exports(place):
        model = os.path.join(place, 'saved_model')
        return bench.retrain_flags(photos, place, saved_model_dir=model)

    cached = os.path.join(folder, 'cached')
    shutil.copytree(os.path.join(warm, 'bottlenecks'), os.path.join(cached, 'bottlenecks'))
    few = bench.prepare_photos(os.path.join(folder, 'few'), 6)
    retrain = 'scripts.retrain'
    quick = functools.partial(_seconds_between_checkpoints, 0.01)
    return [
        Victim('retrain, bottlenecks', 20, retrain, flags_of(), ' bottlenecks found', 'Step 0'),
        Victim('retrain, training', 16, retrain, long_training, 'Step 0', 'Final', cached, quick),
        Victim('retrain, export', 14, retrain, exports, 'Final test', None, cached),
        _fine_tuning_victim(os.path.join(folder, 'tuned'), quick),
        _download_victim(few, root),
    ] + _victims_of_a_graph(graph, labels, photos)


def _fine_tuning_victim(folder, prepare):
    """Returns a run of both stages: bottlenecks, the head, distorted copies, the last blocks."""
    photos = bench.prepare_photos(folder)
    network = registry.find(bench.NETWORK).graph_file
    graph_files.write(stand_ins.mobilenet_of_blocks(), os.path.join(folder, 'models', network))

    def flags(place):
        return bench.retrain_flags(
            photos,
            place,
            checkpoint_path=os.path.join(place, 'checkpoint'),
            resume=True,
            fine_tune_blocks=2,
            head_steps=60,
            how_many_training_steps=60,
            train_batch_size=10,
            flip_left_right=True,
            distorted_copies=3,
        )

    return Victim(
        'retrain, fine-tuning', 10, 'scripts.retrain', flags, ' bottlenecks found', 'Final', None,
        prepare,
    )  # fmt: skip


def _download_victim(photos, root):
    def flags(place):
        models = os.path.join(place, 'models')
        return bench.retrain_flags(photos, place, architecture=_DOWNLOADED, model_dir=models)

    serving = functools.partial(_download_from, root)
    return Victim(
        'download', 16, 'scripts.retrain', flags, 'Downloading', ' bottlenecks found', None, serving
    )


def _victims_of_a_graph(graph, labels, photos):
    def quantize(place):
        return [
            '--input=' + graph,
            '--output=' + os.path.join(place, 'quantized.pb'),
            '--output_node_names=final_result',
            '--mode=weights',
        ]

    def label(place):
        return [
            '--graph=' + graph,
            '--labels=' + labels,
            '--output=' + os.path.join(place, 'labelled.csv'),
            '--output_format=csv',
            photos,
        ]

    return [
        Victim('quantize_graph', 12, 'scripts.quantize_graph', quantize),
        Victim('label_image --output', 12, 'scripts.label_image', label),
    ]


def _kill_often(victim, count, folder, random):
    """Kills a victim `count` times, half of them at a moment, half at a call; returns its row."""
    reference, seconds, calls = _undisturbed(victim, folder)
    for number in range(count):
        killed = False
        while not killed:  # A command may have ended before.
            _begin(victim, folder)
            if number % 2:
                killed = _kill_at_call(victim, folder, random.randint(1, calls + 1))
            else:
                killed = _kill_at_moment(victim, folder, random.uniform(0, seconds))
        _check_whole(folder, reference)
        ended = _start(victim, folder).good()
        found = bench.state(folder, ('summaries',))
        assert found == reference.files, bench.differences(found, reference.files)
        assert ended.warnings() == reference.warnings, ended.text()
    return Row('SIGKILL: ' + victim.name, count, 'next run: the same bytes, nothing left over')


class _Reference(typing.NamedTuple):
    files: typing.Dict[str, str]
    warnings: typing.List[str]


def _undisturbed(victim, folder):
    """Returns what a run that is not killed leaves, its seconds, and its number of calls."""
    _begin(victim, folder)
    run = _start(victim, folder)
    run.reached(victim.begins or '')
    start = time.monotonic()
    run.reached(victim.ends or 'the end of it')
    seconds = time.monotonic() - start
    reference = _Reference(bench.state(folder, ('summaries',)), run.good().warnings())
    assert reference.files
    reference = reference._replace(files=bench.state(folder, ('summaries',)))
    _begin(victim, folder)
    counter = folder + '.calls'
    _start(victim, folder, functools.partial(_kill_at, 0, counter)).good()
    return reference, seconds, os.path.getsize(counter)


def _begin(victim, folder):
    shutil.rmtree(folder, ignore_errors=True)
    if victim.template is None:
        os.mkdir(folder)
    else:
        shutil.copytree(victim.template, folder)


def _start(victim, folder, prepare=None):
    steps = [each for each in (victim.prepare, prepare) if each is not None]
    return bench.Run(
        victim.module,
        victim.flags(folder),
        folder + '.printed',
        functools.partial(_all_of, steps),
    )


def _kill_at_moment(victim, folder, seconds):
    run = _start(victim, folder)
    run.reached(victim.begins or '')
    time.sleep(seconds)
    run.kill()
    return run.killed()


def _kill_at_call(victim, folder, number):
    run = _start(victim, folder, functools.partial(_kill_at, number, None))
    return run.killed()


def _check_whole(folder, reference):
    """What a killed run leaves under its final name is whole, but for a checkpoint on its way."""
    for path, checksum in bench.state(folder, ('summaries', 'checkpoint')).items():
        name = os.path.basename(path)
        if not name.startswith('.writing-') and not name.endswith(('.features', '.part')):
            assert reference.files.get(path) == checksum, '%s is not whole' % path


def _all_of(steps):
    for step in steps:
        step()


def _seconds_between_checkpoints(seconds):
    from scripts.training import checkpoint

    checkpoint.SECONDS_BETWEEN = seconds


def _download_from(root):
    registry.DOWNLOAD_ROOT = root


def _kill_at(number, counter):
    """Kills the command in its `number`th call for a file; writes a byte for each to `counter`."""
    calls, begun_as = 0, os.getpid()
    handle = counter and os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def profile(frame, event, argument):
        nonlocal calls
        if event not in ('c_call', 'c_return') or argument.__name__ not in _FILE_CALLS:
            return
        if not _below_ours(frame):
            return
        calls += 1
        if calls == number:
            if os.getpid() != begun_as:  # The work, whose parent is the command, too.
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        if handle:
            os.write(handle, b'.')

    threading.setprofile(profile)
    sys.setprofile(profile)


def _below_ours(frame):
    for _ in range(_FRAMES_UP):
        if frame is None or 'importlib' in frame.f_code.co_filename:
            return False
        if _OURS in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _archive():
    graph = stand_ins.mobilenet(128, 1001).SerializeToString(deterministic=True)
    return samples.archive_of([(registry.find(_DOWNLOADED).graph_file, graph)])


class Serving:
    """Serves an archive, slowly, under any name; gives the address."""

    def __init__(self, data):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                size = len(data) // _CHUNKS + 1
                for start in range(0, len(data), size):
                    self.wfile.write(data[start : start + size])
                    time.sleep(_SECONDS_A_CHUNK)

            def log_message(self, *_):
                """Says nothing."""

        self._server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        self._server.handle_error = lambda *_: None  # Who asked was killed.

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return 'http://127.0.0.1:%d/' % self._server.server_port

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(1200)
def test_what_is_killed_goes_on_and_ends_the_same(show_rows):
    show_rows(tried(FULL // 20))
