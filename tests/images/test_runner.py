"""A graph runs over photos: what comes out, what goes in, and what unreadable photos cost."""

import threading

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts.common.errors import UserError
from scripts.graphs.session import open_session
from scripts.images import bad_images, pixels, runner
from scripts.images.settings import PixelSpec
from tests.images import photo_kinds

SPEC = PixelSpec(4, 4, 0, 1)


def red(pixels_tensor):
    """Returns the red of each photo's first pixel, float32 `[batch]`."""
    return pixels_tensor[:, 0, 0, 0]


def batches_of(paths):
    return [paths[group] for group in runner.groups(len(paths))]


@pytest.fixture
def red_photos(tmp_path):
    """Paths of photos whose red is their number: a whole batch and 3 more."""
    paths = []
    for number in range(runner.BATCH_SIZE + 3):
        paths.append(str(tmp_path / ('%d.png' % number)))
        Image.new('RGB', (5, 5), (number, 0, 0)).save(paths[-1])
    return paths


@pytest.fixture
def fed(monkeypatch):
    """A list of what sessions are fed, run by run: lists of arrays."""
    runs, run = [], tf.Session.run

    def recording(session, fetches, feed_dict=None, *more):
        runs.append([np.asarray(value) for value in (feed_dict or {}).values()])
        return run(session, fetches, feed_dict, *more)

    monkeypatch.setattr(tf.Session, 'run', recording)
    return runs


def convolutions(pixels_tensor):
    """A small network whose last bits any other order of additions would change."""
    random = np.random.RandomState(3)
    tensor = pixels_tensor
    for depth in (3, 16):
        filters = random.normal(size=[3, 3, depth, 16]).astype(np.float32)
        tensor = tf.nn.relu(tf.nn.conv2d(tensor, filters, [1, 1, 1, 1], 'SAME'))
    return tf.reduce_mean(tensor, [1, 2])


@pytest.mark.parametrize(
    'spec',
    [
        PixelSpec(20, 30, 127.5, 63.75),
        PixelSpec(20, 30, (123.68, 116.78, 103.94), (58.4, 57.1, 57.4)),
    ],
    ids=['one mean and std', 'three'],
)
def test_values_are_those_of_a_plain_session_to_the_last_bit(tmp_path, spec):
    random = np.random.RandomState(1)
    paths = [str(tmp_path / ('%d.jpg' % number)) for number in range(runner.BATCH_SIZE + 3)]
    for path in paths:
        image = random.randint(0, 256, (random.randint(9, 60), random.randint(9, 60), 3))
        Image.fromarray(image.astype(np.uint8)).save(path)
    batches = batches_of(paths)
    batches[1] += [runner.BLANK_PATH] * (runner.BATCH_SIZE - 3)

    with tf.Graph().as_default() as graph:
        path_tensor = tf.placeholder(tf.string, [])
        loaded_tensor = pixels.load(path_tensor, spec)
        pixels_tensor = tf.placeholder(tf.float32, [None, 20, 30, 3])
        values_tensor = convolutions(pixels_tensor)
    with open_session(graph) as session:
        blank = np.zeros([20, 30, 3], np.float32)
        expected = [
            session.run(
                values_tensor,
                {
                    pixels_tensor: [
                        session.run(loaded_tensor, {path_tensor: path}) if path else blank
                        for path in batch
                    ]
                },
            )
            for batch in batches
        ]
    results = list(runner.run(spec, convolutions, batches))
    assert [values.tobytes() for values, _ in results] == [each.tobytes() for each in expected]
    assert [readable.sum() for _, readable in results] == [runner.BATCH_SIZE, 3]


def test_no_pixels_are_fed(red_photos, fed):
    list(runner.run(SPEC, red, batches_of(red_photos)))
    assert fed and all(array.dtype.kind in 'SO' for run in fed for array in run)


def test_photos_are_resized_on_the_cpu_even_where_there_is_a_gpu():
    devices = {}

    def build(pixels_tensor):
        devices.update({each.type: each.device for each in pixels_tensor.graph.get_operations()})
        return pixels_tensor

    runner.Runner(SPEC, build).close()
    for op in ('DecodeJpeg', 'ResizeBilinear', 'Sub', 'Mul'):
        assert devices[op] == '/device:CPU:0', op


def test_photos_come_in_order_in_whole_batches(red_photos):
    results = list(runner.run(SPEC, red, batches_of(red_photos)))
    assert [len(values) for values, _ in results] == [runner.BATCH_SIZE, 3]
    assert np.concatenate([values for values, _ in results]).tolist() == list(range(35))
    assert all(readable.all() for _, readable in results)


def test_no_batches_give_nothing():
    assert list(runner.run(SPEC, red, [])) == []


def test_two_batches_are_under_way_at_once(red_photos):
    both = threading.Barrier(2, timeout=60)

    def meet(values):
        both.wait()
        return values

    def build(pixels_tensor):
        return tf.numpy_function(meet, [red(pixels_tensor)], tf.float32)

    results = list(runner.run(SPEC, build, batches_of(red_photos)))
    assert [len(values) for values, _ in results] == [runner.BATCH_SIZE, 3]


def test_it_runs_ahead_no_further_than_two_batches(red_photos, fed):
    results = runner.run(SPEC, red, [[path] for path in red_photos])
    assert next(results)[0].tolist() == [0]
    results.close()
    assert len(fed) <= 3


def test_unreadable_photos_are_named_and_the_rest_goes_on(red_photos, tmp_path, warnings_of):
    (tmp_path / '2.png').write_bytes(b'<html>')
    data = (tmp_path / '5.png').read_bytes()
    (tmp_path / '5.png').write_bytes(data[: len(data) // 2])
    (tmp_path / '33.png').unlink()
    results = []
    warned = warnings_of(lambda: results.extend(runner.run(SPEC, red, batches_of(red_photos))))
    readable = np.concatenate([readable for _, readable in results])
    assert np.flatnonzero(~readable).tolist() == [2, 5, 33]
    values = np.concatenate([values for values, _ in results])
    assert (values[readable] == np.arange(35)[readable]).all()
    assert [text.split(' is unreadable and is left out: it ')[0] for text in warned] == [
        'photo ' + red_photos[row] for row in (2, 5, 33)
    ]


def test_a_batch_with_unreadable_photos_is_run_twice_and_others_once(red_photos, tmp_path, fed):
    batches = [red_photos[start : start + 5] for start in range(0, 35, 5)]
    for batch in batches[:-1]:
        for path in batch[1:3]:
            with open(path, 'wb') as file:
                file.write(b'<html>')
    results = list(runner.run(SPEC, red, batches))
    assert [readable.tolist() for _, readable in results] == (
        [[True, False, False, True, True]] * 6 + [[True] * 5]
    )
    sizes = [array.size for run in fed for array in run]
    # Each batch; each but the last again, and each photo of these alone.
    assert sorted(sizes) == [1] * 30 + [5] * 13


def test_a_fault_of_the_network_passes(red_photos):
    def build(pixels_tensor):
        return tf.check_numerics(pixels_tensor / 0.0, 'broken')

    for photo in (photo_kinds.PNG, b'<html>'):
        with open(red_photos[1], 'wb') as file:
            file.write(photo)
        with pytest.raises(tf.errors.InvalidArgumentError, match='broken'):
            list(runner.run(SPEC, build, [red_photos[:3]]))


@pytest.mark.parametrize('kind', ['HTML', 'JPEG with a hole'])
def test_the_first_unreadable_photo_ends_the_run_with_its_name(tmp_path, kind):
    paths = [str(tmp_path / ('%d.jpg' % number)) for number in range(5)]
    for number, path in enumerate(paths):
        with open(path, 'wb') as file:
            file.write(photo_kinds.UNREADABLE[kind][0] if number in (2, 4) else photo_kinds.JPEG)
    with pytest.raises(UserError, match='2.jpg is unreadable: it .*--bad_images=skip'):
        list(runner.run(SPEC, red, [paths], bad_images.STOP))
    with pytest.raises(UserError, match='2.jpg is unreadable: it [^;]*$'):
        list(runner.run(SPEC, red, [paths], bad_images.ONLY))
    ((_, readable),) = runner.run(SPEC, red, [paths], bad_images.SKIP)
    assert np.flatnonzero(~readable).tolist() == [2, 4]


def test_results_of_overlapped_calls_come_in_order():
    assert list(runner.overlapped(lambda number: number * number, range(50))) == [
        number * number for number in range(50)
    ]


def test_no_more_arguments_are_made_than_are_needed_soon():
    made = []

    def arguments():
        for number in range(50):
            made.append(number)
            yield number

    results = runner.overlapped(str, arguments())
    assert next(results) == '0'
    assert len(made) == 3
    results.close()
    assert len(made) == 3


def test_an_error_of_an_overlapped_call_comes_out_in_its_place():
    results = runner.overlapped(lambda number: 1 // number, [1, 1, 0, 1])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
