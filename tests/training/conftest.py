"""Fixtures of the training's tests."""

import pytest

from scripts.training import settings as settings_lib


@pytest.fixture
def settings(tmp_path):
    """A `settings.Training` of 25 steps, evaluated after each tenth."""
    return settings_lib.Training(
        how_many_training_steps=25,
        learning_rate=0.1,
        train_batch_size=20,
        validation_batch_size=15,
        summary_interval=1,
        summaries_dir=str(tmp_path / 'summaries'),
        intermediate_output_graphs_dir=str(tmp_path / 'intermediate'),
        random_seed=4,
    )
