"""The sample network while it is trained."""

import numpy as np
import pytest

from scripts.sample import things
from scripts.sample.model import Model
from scripts.training.batches import Batch

pytestmark = pytest.mark.each_tensorflow

_STEPS = 3


@pytest.fixture(scope='module')
def model():
    with Model(_STEPS, seed=1) as model:
        yield model


@pytest.fixture(scope='module')
def batch():
    random = np.random.RandomState(2)
    images = random.uniform(-1, 1, [6, 32, 32, 3]).astype(np.float32)
    return Batch(images, random.randint(len(things.CLASSES), size=6))


def _changed(model, run, *arguments):
    """Returns the names of the variables that a call changes."""
    before = model.values()
    run(*arguments)
    return {name for name, value in model.values().items() if (value != before[name]).any()}


def _averages(model):
    return {name for name in model.values() if 'moving_' in name}


def test_a_step_trains_all_weights_at_a_rate_that_falls_to_zero(model, batch):
    assert _changed(model, model.train, 0, batch, False) == set(model.values())
    assert _changed(model, model.train, _STEPS, batch, False) == _averages(model)


def test_steps_lower_the_cross_entropy(model, batch):
    before = model.evaluate(batch).cross_entropy
    for _ in range(3):
        model.train(0, batch, False)
    assert model.evaluate(batch).cross_entropy < before


def test_calibration_changes_moving_averages_only(model, batch):
    logits = model.calibrate(batch)
    assert logits.shape == (6, len(things.CLASSES))
    assert _changed(model, model.calibrate, batch) == _averages(model)


def test_an_evaluation_measures_the_scores_and_changes_nothing(model, batch):
    assert not _changed(model, model.evaluate, batch)
    result = model.evaluate(batch)
    of_truth = result.scores[np.arange(6), batch.labels]
    assert result.accuracy == pytest.approx((result.scores.argmax(1) == batch.labels).mean())
    assert result.cross_entropy == pytest.approx(-np.log(of_truth).mean(), rel=1e-4)
    assert result.summaries is None
