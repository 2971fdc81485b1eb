"""Checkpoints on disk."""

import io
import json
import os
import struct
import zipfile

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.training import checkpoint
from scripts.training.checkpoint import Best, Checkpoint

VARIABLES = {'layer/weights': np.arange(6, dtype=np.float32).reshape(2, 3)}
SAME = {'random_seed': 3, 'labels': ['a', 'b'], 'learning_rate': 0.1}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'below' / 'checkpoint')


@pytest.mark.parametrize(
    'best', [None, Best(0.75, 0.5, 4, {'layer/weights': np.ones((2, 3), 'f')})]
)
def test_a_checkpoint_survives_the_disk(path, best):
    checkpoint.save(path, Checkpoint(7, VARIABLES, best, best is not None), SAME)
    loaded = checkpoint.load(path, SAME)
    assert loaded.steps_done == 7 and loaded.stopped_early == (best is not None)
    assert (loaded.variables['layer/weights'] == VARIABLES['layer/weights']).all()
    if best is None:
        assert loaded.best is None
    else:
        assert loaded.best[:3] == best[:3]
        assert (loaded.best.variables['layer/weights'] == 1).all()
    assert checkpoint.random_seed(path) == 3


def test_there_may_be_none(path):
    assert checkpoint.load(path, SAME) is None
    assert checkpoint.random_seed(path) is None


def test_one_of_another_run_is_told_with_what_differs(path):
    checkpoint.save(path, Checkpoint(7, VARIABLES, None, False), SAME)
    with pytest.raises(UserError, match='with other labels, learning_rate:'):
        checkpoint.load(path, dict(SAME, labels=['a'], learning_rate=0.2))


@pytest.mark.parametrize('keep', [0, 1, 100, 400])
def test_a_corrupt_one_is_told(path, keep):
    checkpoint.save(path, Checkpoint(7, VARIABLES, None, False), SAME)
    with open(path, 'r+b') as file:
        file.truncate(keep)
    with pytest.raises(UserError, match='is corrupt: delete it'):
        checkpoint.load(path, SAME)


GOOD = {'steps_done': 7, 'stopped_early': False, 'best': [0.75, 0.5, 4], 'identity': SAME}
WEIGHTS = VARIABLES['layer/weights']


def crafted(path, meta=(), **arrays):
    """Writes a checkpoint that is untrusted input: a good one with changes."""
    values = {'variable/layer/weights': WEIGHTS, 'best/layer/weights': WEIGHTS}
    values.update({name.replace('__', '/'): value for name, value in arrays.items()})
    values = {name: value for name, value in values.items() if value is not None}
    if not isinstance(meta, (str, np.ndarray)):
        meta = json.dumps({**GOOD, **dict(meta)})
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        np.savez(file, **dict({'meta': np.array(meta)}, **values))


def test_a_crafted_one_like_a_good_one_is_taken(path):
    crafted(path)
    assert checkpoint.load(path, SAME).best.step == 4


@pytest.mark.parametrize(
    'meta',
    [{'steps_done': value} for value in (-5, 0, 10**12, 2**31, 7.0, '7', None, True, [7])]
    + [{'stopped_early': value} for value in (0, 1, None, 'no')]
    + [
        {'best': [value, 0.5, 4]}
        for value in (float('nan'), float('inf'), -0.1, 1.1, '0.5', None, 1)
    ]
    + [{'best': [0.5, value, 4]} for value in (float('nan'), float('inf'), -0.1, '0.5', None, 1)]
    + [{'best': [0.5, 0.5, value]} for value in (-2, 7, 8, 10**12, 4.0, None, '4')]
    + [{'best': value} for value in (False, 0, 'ab', [], [0.5], [0.5, 4], [0.5, 0.5, 4, 4], 1e9)]
    + [{'identity': value} for value in (None, [], 'SAME', 7)]
    + ['', '[]', 'null', '{}', '{"steps_done": 7}', '[' * 100000, '9' * 10**6]
    + ['{"steps_done": %s}' % ('9' * 10**6)],
    ids=lambda meta: str(meta)[:40],
)
def test_a_crafted_description_is_told(path, meta):
    crafted(path, meta)
    with pytest.raises(UserError, match='is corrupt: delete it'):
        checkpoint.load(path, SAME)


BROKEN = np.array([[0, 1, np.nan], [1, 2, 3]], 'f')


@pytest.mark.parametrize(
    'arrays',
    [
        {name: value}
        for name in ('variable__layer__weights', 'best__layer__weights')
        for value in (
            BROKEN,
            np.full((2, 3), np.inf, 'f'),
            WEIGHTS.astype('f8'),
            WEIGHTS.astype('i4'),
        )
        + (WEIGHTS.astype('S'), np.zeros((2, 3), 'V0'), None)
    ]
    + [{'best__layer__weights': WEIGHTS.T}, {'best__layer__other': WEIGHTS}]
    + [{'meta': value} for value in (WEIGHTS, np.array(b'{}'), np.array(['{}'] * 2))],
    ids='-'.join,
)
def test_crafted_values_are_told(path, arrays):
    crafted(path, **arrays)
    with pytest.raises(UserError, match='is corrupt: delete it'):
        checkpoint.load(path, SAME)


def member(data):
    """Returns the bytes of a checkpoint with one member of these bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('meta.npy', data)
    return file.getvalue()


def npy(header):
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header


HEADER = b"{'descr': '%s', 'fortran_order': False, 'shape': (%d,)}\n"


def compressed(size):
    file = io.BytesIO()
    np.savez_compressed(file, meta=np.zeros(size))
    return file.getvalue()


@pytest.mark.parametrize(
    'data',
    [
        member(npy(HEADER % (b'<f4', 10**12))),
        member(npy(HEADER % (b'<U1', 10**12))),
        member(npy(HEADER % (b'|V0', 10**12))),
        member(npy(HEADER % (b'|O', 1))),
        member(npy(b'(' * 60000)),
        member(npy(b"{'descr': " + b'-' * 60000 + b'1}')),
        member(b'\x93NUMPY\x09\x00'),
        member(b'cos\nsystem\n(S"true"\ntR.'),
        compressed(10),
        compressed(10**7),
        b'PK\x05\x06' + bytes(18),
        member(b'')[:-30] + b'\xff' * 8 + member(b'')[-22:],
        member(npy(HEADER % (b'<f4', 1)) + bytes(4)).replace(b'\x00\x00', b'\x01\x00'),
    ],
    ids=lambda _: 'crafted',
)
def test_a_crafted_file_is_told(path, data):
    os.makedirs(os.path.dirname(path))
    with open(path, 'wb') as file:
        file.write(data)
    for read in (lambda: checkpoint.load(path, SAME), lambda: checkpoint.random_seed(path)):
        with pytest.raises(UserError, match='is corrupt: delete it'):
            read()


@pytest.mark.parametrize('seed', [-1, 2**31, 3.0, '3', None, True, [3]])
def test_a_crafted_seed_is_told(path, seed):
    crafted(path, {'identity': dict(SAME, random_seed=seed)})
    with pytest.raises(UserError, match='is corrupt: delete it'):
        checkpoint.random_seed(path)


@pytest.mark.parametrize('identity', [dict(SAME, more=1), {'random_seed': 3}])
def test_one_with_more_or_less_is_of_another_run(path, identity):
    crafted(path, {'identity': identity})
    with pytest.raises(UserError, match='with other (more|labels, learning_rate):'):
        checkpoint.load(path, SAME)


def test_variables_of_another_graph_are_told(path):
    crafted(path)
    saved = checkpoint.load(path, SAME)
    checkpoint.check_variables(path, saved, {'layer/weights': (2, 3)})
    for shapes in ({}, {'layer/weights': (3, 2)}, {'layer/weights': (2, 3), 'more': (1,)}):
        with pytest.raises(UserError, match='is corrupt: delete it'):
            checkpoint.check_variables(path, saved, shapes)


def test_without_a_path_nothing_is_due(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, 'SECONDS_BETWEEN', 0)
    manager = checkpoint.CheckpointManager('', SAME)
    assert not manager.due()
    manager.save(Checkpoint(7, VARIABLES, None, False))
    assert checkpoint.CheckpointManager(str(tmp_path / 'c'), SAME).due()
