"""Exported files against the graph."""

import glob
import os

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.dataset.photos import Photo
from scripts.export import trial as trial_lib
from scripts.images import graph_input as graph_input_lib
from scripts.inference import labelling
from tests import stand_ins

pytestmark = pytest.mark.each_tensorflow

OUTPUT = 'MobilenetV1/Predictions/Softmax'


@pytest.fixture
def classifier():
    graph_def = stand_ins.mobilenet(64, 4)
    return labelling.ScoringGraph(graph_def, graph_input_lib.read_off(graph_def), OUTPUT)


@pytest.fixture
def photos(photo_dir):
    """72 photos, every fourth of which is for testing."""
    paths = sorted(glob.glob(os.path.join(photo_dir, '*', '*.jpg')))
    return [
        Photo(path, '', '', 0, 'training' if number % 4 else 'testing')
        for number, path in enumerate(paths)
    ]


def test_a_file_is_compared_on_training_photos_of_all_classes(classifier, photos, monkeypatch):
    read = []
    run = trial_lib.Trial._run

    def noted(self, batches):
        read.extend(path for batch in batches for path in batch)
        return run(self, batches)

    monkeypatch.setattr(trial_lib.Trial, '_run', noted)
    trial = trial_lib.Trial(classifier, photos)
    with labelling.Scorer(classifier) as scorer:
        trial.check(scorer.score_pixels, 1e-6, 'x.onnx', 'try')
        for tolerance in (0.3, 0.05):  # All scores are off by a tenth.
            wrong = lambda images: 1.1 * scorer.score_pixels(images)  # noqa: E731
            if tolerance > 0.1:
                trial.check(wrong, tolerance, 'x.onnx', 'try')
                continue
            with pytest.raises(UserError, match='x.onnx contradicts .* 8 .* error of 0.1, where'):
                trial.check(wrong, tolerance, 'x.onnx', 'try')
    assert len(read) == 8  # Once for all.
    assert len({os.path.dirname(path) for path in read}) == 3
    testing = {photo.path for photo in photos if photo.category == 'testing'}
    assert not testing & set(read)


@pytest.mark.parametrize(
    'score', [lambda images: np.full([len(images), 4], np.nan), lambda images: images[:, 0, 0]]
)
def test_what_is_no_score_contradicts_the_graph(classifier, photos, score):
    with pytest.raises(UserError, match='error of inf'):
        trial_lib.Trial(classifier, photos).check(score, 0.5, 'x.onnx', 'try')


def test_calibration_takes_what_the_network_is_fed(classifier, photos):
    pixels = list(trial_lib.Trial(classifier, photos).calibration())
    assert len(pixels) == 54  # All that are for training.
    assert pixels[0].shape == (64, 64, 3) and pixels[0].dtype == np.float32
    assert -1 <= np.min(pixels) < -0.2 and 0.2 < np.max(pixels) <= 1


def test_unreadable_photos_are_left_out(classifier, tmp_path):
    path = tmp_path / 'broken.jpg'
    path.write_bytes(b'no photo')
    photos = [Photo(str(path), '', '', 0, 'training')] * 20
    trial = trial_lib.Trial(classifier, photos)
    assert list(trial.calibration()) == []
    with pytest.raises(UserError, match='none of the training photos'):
        trial.check(lambda images: images, 0.5, 'x.onnx', 'try')
