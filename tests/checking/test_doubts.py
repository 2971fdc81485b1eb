"""Out-of-fold scores, and what is doubted by them."""

import logging

import numpy as np
import pytest

from scripts.checking import doubts, findings

pytestmark = pytest.mark.once

CLASSES, EACH = 3, 20


@pytest.fixture(scope='module')
def features(pretrained):
    """Features of three classes that lie apart, float32, and their labels."""
    random = np.random.RandomState(0)
    centres = random.randn(CLASSES, pretrained.shape[0])
    labels = np.repeat(np.arange(CLASSES), EACH)
    values = 5 + centres[labels] + 0.5 * random.randn(len(labels), pretrained.shape[0])
    return values.astype(np.float32), labels


@pytest.mark.each_python
def test_a_wrong_label_is_the_most_doubtful_one(pretrained, features):
    values, labels = features
    wrong = labels.copy()
    wrong[[4, 33]] = 2, 0
    scores = doubts.scores(pretrained, values, wrong, CLASSES)
    assert scores.shape == (len(labels), CLASSES)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    found = findings.doubts_of(scores, wrong)
    assert {doubt.row for doubt in found} == {4, 33}
    assert [doubt.predicted for doubt in sorted(found)] == [0, 1]
    assert found[0].score <= found[1].score < 0.5 < found[1].predicted_score
    assert (scores == doubts.scores(pretrained, values, wrong, CLASSES)).all()


def test_no_model_has_seen_what_it_scores_nor_another_photo_of_its_group(
    pretrained, features, monkeypatch
):
    values, labels = features
    group, seen = (0, 7, 21, 45), []

    def scores(model, trained, judged):
        assert not set(trained.rows) & set(judged.rows)
        assert len(trained.rows) + len(judged.rows) == len(labels)
        assert (trained.labels == labels[trained.rows]).all()
        assert set(group) <= set(judged.rows) or not set(group) & set(judged.rows)
        seen.extend(judged.rows)
        return np.zeros((len(judged.rows), CLASSES))

    monkeypatch.setattr(doubts, '_scores', scores)
    doubts.scores(pretrained, values, labels, CLASSES, [group])
    assert sorted(seen) == list(range(len(labels)))


def test_the_only_photo_of_a_class_is_not_judged(pretrained, features):
    values, labels = features
    labels = labels.copy()
    labels[10] = CLASSES
    scores = doubts.scores(pretrained, values, labels, CLASSES + 1)
    assert np.isnan(scores[10]).all() and not np.isnan(np.delete(scores, 10, axis=0)).any()
    assert 10 not in {doubt.row for doubt in findings.doubts_of(scores, labels)}


def test_training_says_nothing(pretrained, features, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger('scripts'), 'propagate', True)
    with caplog.at_level(logging.INFO, 'scripts'):
        doubts.scores(pretrained, *features, label_count=CLASSES)
        logging.getLogger('scripts.training.fit').info('heard again')
    assert {record.getMessage() for record in caplog.records} == {'heard again'}
