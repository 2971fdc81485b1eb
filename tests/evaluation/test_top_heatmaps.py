"""Heatmaps of top losses: of photos that are there."""

import numpy as np
import pytest

from scripts.dataset.photos import Photo
from scripts.evaluation import top_heatmaps
from scripts.evaluation.evaluating import Evaluation


@pytest.mark.once
def test_photos_that_are_not_there_have_none_and_are_not_read():
    photos = [Photo('nowhere/a/1.jpg', 'a', '1.jpg', 0, 'testing')]
    evaluation = Evaluation(('a', 'b'), photos, np.array([[0, 1]], np.float32))
    assert top_heatmaps.find(None, evaluation) == {}
