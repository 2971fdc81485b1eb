"""The cache of bottlenecks: corruption of it is noticed and made good; several runs share it."""

import os
import shutil
import tempfile
import time

import numpy as np
import pytest

from tests.robustness import bench, mutations
from tests.robustness.bench import SEED, Row

pytestmark = [pytest.mark.slow, pytest.mark.once]

CORRUPTIONS = 105
ROUNDS = 20

_AT_ONCE = 4
_KINDS = {'a text file': '.txt', 'the store': '.features'}
_ENDINGS = {
    '.txt': 'noticed, and recomputed, or its numbers are used',
    '.features': 'noticed; the same graph',
}


def corrupted(count, seed=SEED):
    """Corrupts a file of a cache `count` times; returns rows of the table."""
    random = np.random.RandomState(seed)
    with tempfile.TemporaryDirectory() as folder:
        photos = bench.prepare_photos(folder)
        place = os.path.join(folder, 'run')
        flags = bench.retrain_flags(photos, place)
        printed = os.path.join(folder, 'printed')
        bench.Run('scripts.retrain', flags, printed).good()
        usual = bench.Run('scripts.retrain', flags, printed).good().warnings()
        whole = _state(place)
        shutil.copytree(os.path.join(place, 'bottlenecks'), os.path.join(folder, 'whole'))
        rows = []
        for what, extension in _KINDS.items():
            for number in range(count // len(_KINDS)):
                corrupt = _CORRUPTIONS[number % len(_CORRUPTIONS)]
                cache = os.path.join(place, 'bottlenecks')
                shutil.rmtree(cache)
                shutil.copytree(os.path.join(folder, 'whole'), cache)
                path = _any_file(random, cache, extension)
                corrupt(random, path)
                warned = bench.Run('scripts.retrain', flags, printed).good().warnings()
                allowed = [[]]
                if extension == '.txt' and warned == usual:
                    # Deleted and recomputed, or the same numbers in other digits.
                    allowed.append([os.path.relpath(path, place) + ' differs'])
                else:
                    assert warned != usual, (path, corrupt)
                edited = extension == '.txt' and any(' were edited, ' in each for each in warned)
                if not edited:
                    different = bench.differences(_state(place), whole)
                    assert different in allowed, (path, corrupt, different)
                assert bench.Run('scripts.retrain', flags, printed).good().warnings() == usual
            rows.append(Row('cache: %s corrupt' % what, number + 1, _ENDINGS[extension]))
    return rows


def together(rounds, seed=SEED):
    """Runs four at once over one cache, in every second round one of them killed; returns rows."""
    random = np.random.RandomState(seed)
    with tempfile.TemporaryDirectory() as folder:
        photos = bench.prepare_photos(folder)
        alone = os.path.join(folder, 'alone')
        run = bench.Run('scripts.retrain', bench.retrain_flags(photos, alone), alone + '.printed')
        usual, whole = run.good().warnings(), _state(alone)
        for number in range(rounds):
            cache = os.path.join(folder, 'bottlenecks')
            shutil.rmtree(cache, ignore_errors=True)
            _four_at_once(photos, cache, (random, number % 2 == 1), usual)
            for each in range(_AT_ONCE):
                found = _state(os.path.join(folder, str(each)))
                found.update(('bottlenecks/' + key, sum_) for key, sum_ in _state(cache).items())
                assert found == whole, bench.differences(found, whole)
    return [
        Row('four runs at once over one cache', rounds * _AT_ONCE, 'each ends as one alone does')
    ]


def _four_at_once(photos, cache, choices, usual):
    random, kills = choices
    folder = os.path.dirname(cache)
    places = [os.path.join(folder, str(each)) for each in range(_AT_ONCE)]

    def start(place):
        flags = bench.retrain_flags(photos, place, bottleneck_dir=cache)
        return bench.Run('scripts.retrain', flags, place + '.printed')

    runs = []
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
        time.sleep(random.uniform(0, 0.1))
        runs.append(start(place))
    if kills:
        time.sleep(random.uniform(0.1, 0.5))
        runs[0].kill()
        runs[0].status()
    for run in runs[kills:]:
        assert run.good().warnings() == usual, run.text()
    if kills:
        assert start(places[0]).good().warnings() == usual


def _state(place):
    return bench.state(place, ('summaries',))


def _any_file(random, folder, extension):
    paths = sorted(
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.endswith(extension)
    )
    return paths[random.randint(len(paths))]


def _change(path, change):
    with open(path, 'rb') as file:
        data = file.read()
    changed = change(data)
    assert changed != data
    with open(path, 'wb') as file:
        file.write(changed)


def _flip(random, path):
    def change(data):
        place = random.randint(len(data))
        return data[:place] + bytes([data[place] ^ 1 << random.randint(8)]) + data[place + 1 :]

    _change(path, change)


def _digit(random, path):
    """What is left is a number, but another one."""

    def change(data):
        places = [place for place, byte in enumerate(data[:-1]) if byte in b'12345678']
        place = places[random.randint(len(places))]
        return data[:place] + bytes([data[place] + 1]) + data[place + 1 :]

    _change(path, change)


def _cut(random, path):
    _change(path, lambda data: data[: random.randint(1, len(data) - 1)])


def _empty(_, path):
    _change(path, lambda data: b'')


def _zero(random, path):
    def change(data):
        place = random.randint(len(data) - 8)
        return data[:place] + bytes(8) + data[place + 8 :]

    _change(path, change)


def _replace(random, path):
    _change(path, lambda data: random.bytes(len(data)))


def _mix(random, path):
    _change(path, lambda data: mutations.corrupted(random, data + b'1', [data]))


def _delete(_, path):
    os.unlink(path)


_CORRUPTIONS = (_digit, _flip, _cut, _empty, _zero, _replace, _mix, _delete)


def test_corruption_is_noticed_and_made_good(show_rows):
    show_rows(corrupted(CORRUPTIONS // 10))


def test_four_runs_at_once_end_as_one_alone(show_rows):
    show_rows(together(ROUNDS // 10))
