"""Metrics of classification. No TensorFlow here.

Everywhere: `scores` is float `[photos, labels]`, each row one photo's probabilities; `truth` is
int `[photos]`, the index of each photo's true label; `confusion` is int64 `[labels, labels]`,
photos by true label (row) and predicted label (column).
"""

import typing

import numpy as np

# A probability of 0 for the true label would make the mean cross entropy infinite.
LEAST_PROBABILITY = 1e-7


class ClassMetrics(typing.NamedTuple):
    """float64 `[labels]` each, NaN where undefined, and int64 `[labels]` photos.

    precision: the fraction of the photos with a predicted label for which it is true.
    recall: the fraction of the photos with a true label for which it is predicted.
    f1: the harmonic mean of the two.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    photos: np.ndarray


class Calibration(typing.NamedTuple):
    """How close confidence, the score of the predicted label, is to accuracy.

    edges: float64 `[bins + 1]`, from 0 to 1.
    right, wrong: int64 `[bins]`, the photos whose confidence falls into each bin.
    confidence: float64 `[bins]`, its mean in each bin, NaN in an empty one.
    error: the expected calibration error, 0 to 1: the mean over the photos of how far the
      accuracy in their bin is from the confidence there (Guo et al. 2017, arXiv:1706.04599).
    """

    edges: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    confidence: np.ndarray
    error: float

    @property
    def accuracy(self):
        """float64 `[bins]`, the fraction that is right in each bin, NaN in an empty one."""
        return _ratio(self.right, self.right + self.wrong)


class Coverage(typing.NamedTuple):
    """What is left where labels with a score below a threshold are not trusted.

    least: the threshold.
    covered, right: how many photos are labelled then, and how many of them rightly.
    """

    least: float
    covered: int
    right: int


class Confusion(typing.NamedTuple):
    """A label that was predicted for another: both indices, and how many of the latter's photos."""

    true: int
    predicted: int
    photos: int
    fraction: float


def accuracy(confusion):
    """Returns the fraction of photos, 0 to 1, whose predicted label is the true one."""
    return np.trace(confusion) / confusion.sum()


def cross_entropy(scores, truth):
    """Returns the mean of -ln(score of the true label), scores below LEAST_PROBABILITY raised."""
    probabilities = scores[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.clip(probabilities, LEAST_PROBABILITY, 1)).mean()


def confusion_of(truth, predicted, label_count):
    """Returns the confusion matrix; `predicted` is int `[photos]`, the predicted labels."""
    cells = np.bincount(truth * label_count + predicted, minlength=label_count**2)
    return cells.reshape(label_count, label_count)


def per_class(confusion):
    """Returns the `ClassMetrics`."""
    right, photos, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return ClassMetrics(
        _ratio(right, predicted),
        _ratio(right, photos),
        _ratio(2 * right, predicted + photos),
        photos,
    )


def macro_average(classes):
    """Returns the mean precision, recall and F1 of the classes that have photos.

    A class that is never predicted has no precision; it counts as 0, since none of its photos was
    found.
    """
    present = classes.photos > 0
    return tuple(
        np.nan_to_num(values[present]).mean()
        for values in (classes.precision, classes.recall, classes.f1)
    )


def top_k_accuracies(scores, truth, most):
    """Returns float64 `[min(most, labels)]`: how often the true label is among the best 1, 2 ...

    Of equal scores the label that comes first is the better one, as for `argmax`.
    """
    of_truth = scores[np.arange(len(truth)), truth][:, np.newaxis]
    before = np.arange(scores.shape[1]) < truth[:, np.newaxis]
    ranks = ((scores > of_truth) | ((scores == of_truth) & before)).sum(axis=1)
    return np.array([(ranks < k).mean() for k in range(1, min(most, scores.shape[1]) + 1)])


def calibration(scores, truth, bins=10):
    """Returns the `Calibration` over `bins` equal steps of confidence."""
    confidence = np.clip(scores.max(axis=1).astype(np.float64), 0, 1)
    is_right = scores.argmax(axis=1) == truth
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    right = np.bincount(places[is_right], minlength=bins)
    sums = np.bincount(places, confidence, minlength=bins)
    return Calibration(
        np.linspace(0, 1, bins + 1),
        right,
        counts - right,
        _ratio(sums, counts),
        np.abs(right - sums).sum() / len(truth),
    )


def coverages(scores, truth, thresholds):
    """Returns the `Coverage` of each threshold."""
    confidence = scores.max(axis=1).astype(np.float64)  # As label_image compares it.
    is_right = scores.argmax(axis=1) == truth
    covered = [confidence >= least for least in thresholds]
    return [
        Coverage(least, int(each.sum()), int((each & is_right).sum()))
        for least, each in zip(thresholds, covered)
    ]


def top_confusions(confusion, limit):
    """Returns up to `limit` `Confusion`s, those with the most photos first."""
    errors = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-errors, axis=None, kind='stable')[:limit]
    found = []
    for true, predicted in zip(*np.unravel_index(order, confusion.shape)):
        photos = errors[true, predicted]
        if photos:
            found.append(Confusion(true, predicted, photos, photos / confusion[true].sum()))
    return found


def hardest_labels(confusion, limit):
    """Returns the indices, ascending, of the up to `limit` labels with a part in most errors."""
    errors = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diag(confusion)
    return np.sort(np.argsort(-errors, kind='stable')[:limit])


def top_losses(scores, truth, limit):
    """Returns the rows of up to `limit` misclassified photos, the highest loss first.

    A photo's loss is its cross entropy: the lower the score of its true label, the higher the
    loss. Of equal ones, the higher score of the predicted label comes first.
    """
    predicted = scores.argmax(axis=1)
    rows = np.flatnonzero(predicted != truth)
    order = np.lexsort((-scores[rows, predicted[rows]], scores[rows, truth[rows]]))
    return rows[order][:limit]


def _ratio(part, whole):
    """Returns part / whole, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0)
