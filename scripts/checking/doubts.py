"""Doubtful labels: what a model says of photos that it was not trained on.

The photos are dealt into folds; a new last layer is trained on all folds but one, and gives scores
to the photos of that one (out-of-fold scores, as in Northcutt et al. 2021, arXiv:1911.00068). A
photo whose label gets a low score has a wrong label, or is a hard photo.
"""

import numpy as np

from scripts.common import printing
from scripts.common.progress import Progress
from scripts.training import batches, evaluating, settings
from scripts.training import fit as fit_lib
from scripts.training.model import Model
from scripts.training.settings import Training

FOLDS = 5
_SEED = 0
# On features of mean 0 and variance 1, with all photos in each step. Chosen on the 600 flowers of
# ../shared/data with 30 wrong labels, ten drawings of them.
_SETTINGS = Training(
    how_many_training_steps=100,
    learning_rate=0.002,
    random_seed=_SEED,
    optimizer=settings.MOMENTUM,
    weight_decay=0.1,
    train_batch_size=settings.ALL,
    eval_step_interval=10**9,
)
_NO_VALIDATION = batches.of_arrays(np.empty([0, 1], np.float32), np.empty(0, np.int64), [])


def scores(backbone, features, labels, label_count, groups=()):
    """Returns the scores of photos by models that saw neither them nor others of their group.

    Args:
      backbone: the `Backbone` that gave the features, which are bottlenecks.
      features: float32 `[photos, length]`.
      labels: int64 `[photos]`, 0 to below `label_count`.
      label_count: int.
      groups: lists of rows that are one shot.

    Returns:
      float32 `[photos, label_count]`. Rows of photos that are the only ones of their class are NaN.
    """
    folds = _folds(labels, groups)
    normalized = features - features.mean(axis=0)
    normalized /= max(float(normalized.std()), np.finfo(np.float32).tiny)
    examples = batches.of_arrays(normalized, labels, ())
    found = np.full((len(labels), label_count), np.nan, np.float32)
    with Progress('Scoring', FOLDS, 'folds') as progress, printing.quiet(fit_lib.__name__):
        for fold in range(FOLDS):
            rows, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            rows = rows[np.isin(labels[rows], labels[others])]
            if len(rows):
                with Model(backbone, label_count, _SETTINGS) as model:
                    found[rows] = _scores(model, _of(examples, others), _of(examples, rows))
            progress.advance(1)
    return found


def _scores(model, trained, judged):
    """Trains a new model on some examples; returns the scores that it gives others."""
    fit_lib.fit(model, batches.KeptBatches(trained, _SETTINGS), _NO_VALIDATION, _SETTINGS)
    return evaluating.evaluate(model, judged, np.arange(len(judged.labels))).scores


def _of(examples, rows):
    return examples._replace(labels=examples.labels[rows], rows=examples.rows[rows])


def _folds(labels, groups):
    """Returns the fold of each photo, int `[photos]`: each class is dealt out evenly."""
    order = np.random.RandomState(_SEED).permutation(len(labels))
    order = order[np.argsort(labels[order], kind='mergesort')]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % FOLDS
    for group in groups:
        folds[list(group)] = folds[group[0]]
    return folds
