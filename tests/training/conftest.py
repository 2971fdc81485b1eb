"""Fixtures of the training's tests."""

import pytest

from scripts.training import settings as settings_lib


@pytest.fixture
def settings(tmp_path):
    """A `settings.Training` of 25 steps, evaluated after each tenth."""
    return settings_lib.Training(
        how_many_training_steps=25,
        learning_rate=0.1,
        eval_step_interval=10,
        train_batch_size=20,
        validation_batch_size=15,
        test_batch_size=-1,
        final_tensor_name='final_result',
        summaries_dir=str(tmp_path / 'summaries'),
        intermediate_output_graphs_dir=str(tmp_path / 'intermediate'),
        intermediate_store_frequency=0,
        random_seed=4,
    )
