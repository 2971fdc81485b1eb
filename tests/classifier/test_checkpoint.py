"""Checkpoints on disk."""

import numpy as np
import pytest

from scripts.classifier import checkpoint
from scripts.classifier.checkpoint import Best, Checkpoint
from scripts.errors import UserError

VARIABLES = {'layer/weights': np.arange(6, dtype=np.float32).reshape(2, 3)}
SAME = {'random_seed': 3, 'labels': ['a', 'b'], 'learning_rate': 0.1}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'below' / 'checkpoint')


@pytest.mark.parametrize('best', [None, Best(0.75, 4, {'layer/weights': np.ones((2, 3))})])
def test_a_checkpoint_survives_the_disk(path, best):
    checkpoint.save(path, Checkpoint(7, VARIABLES, best, best is not None), SAME)
    loaded = checkpoint.load(path, SAME)
    assert loaded.steps_done == 7 and loaded.stopped_early == (best is not None)
    assert (loaded.variables['layer/weights'] == VARIABLES['layer/weights']).all()
    if best is None:
        assert loaded.best is None
    else:
        assert loaded.best[:2] == best[:2]
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
def test_a_damaged_one_is_told(path, keep):
    checkpoint.save(path, Checkpoint(7, VARIABLES, None, False), SAME)
    with open(path, 'r+b') as file:
        file.truncate(keep)
    with pytest.raises(UserError, match='is damaged: delete it'):
        checkpoint.load(path, SAME)


def test_without_a_path_nothing_is_due(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, 'SECONDS_BETWEEN', 0)
    keeper = checkpoint.Keeper('', SAME)
    assert not keeper.due()
    keeper.save(Checkpoint(7, VARIABLES, None, False))
    assert checkpoint.Keeper(str(tmp_path / 'c'), SAME).due()
