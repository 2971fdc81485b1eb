"""What scores are worth, as numbers. No TensorFlow here.

Everywhere: `scores` is float `[photos, labels]`, each row one photo's probabilities; `truth` is
int `[photos]`, the index of each photo's true label; `confusion` is int64 `[labels, labels]`,
photos by true label (row) and given label (column).
"""

import typing

import numpy as np

# A probability of 0 for the true label would make the whole cross entropy infinite.
LEAST_PROBABILITY = 1e-7


class ClassMetrics(typing.NamedTuple):
    """float64 `[labels]` each, NaN where undefined, and int64 `[labels]` photos.

    precision: of the photos that got a label, the share that it is true for.
    recall: of the photos that a label is true for, the share that got it.
    f1: the harmonic mean of the two.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    photos: np.ndarray


class Calibration(typing.NamedTuple):
    """How far confidence, the best label's score, can be taken at its word.

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
        """float64 `[bins]`, the share that is right in each bin, NaN in an empty one."""
        return _share(self.right, self.right + self.wrong)


class MixedUp(typing.NamedTuple):
    """A label that was taken for another: both indices, how many photos, and their share."""

    true: int
    given: int
    photos: int
    share: float


def accuracy(confusion):
    """Returns the share of photos, 0 to 1, that got their true label."""
    return np.trace(confusion) / confusion.sum()


def cross_entropy(scores, truth):
    """Returns the mean of -ln(score of the true label), scores below LEAST_PROBABILITY raised."""
    probabilities = scores[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.clip(probabilities, LEAST_PROBABILITY, 1)).mean()


def confusion_of(truth, given, label_count):
    """Returns the confusion matrix; `given` is int `[photos]`, the labels that photos got."""
    cells = np.bincount(truth * label_count + given, minlength=label_count**2)
    return cells.reshape(label_count, label_count)


def per_class(confusion):
    """Returns the `ClassMetrics`."""
    right, photos, given = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return ClassMetrics(
        _share(right, given), _share(right, photos), _share(2 * right, given + photos), photos
    )


def macro_average(classes):
    """Returns the mean precision, recall and F1 of the classes that have photos.

    A class that no photo got has no precision; it counts as 0, since none of its photos was found.
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
        _share(sums, counts),
        np.abs(right - sums).sum() / len(truth),
    )


def most_mixed_up(confusion, limit):
    """Returns up to `limit` `MixedUp`, those with the most photos first."""
    mistakes = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-mistakes, axis=None, kind='stable')[:limit]
    found = []
    for true, given in zip(*np.unravel_index(order, confusion.shape)):
        photos = mistakes[true, given]
        if photos:
            found.append(MixedUp(true, given, photos, photos / confusion[true].sum()))
    return found


def hardest_labels(confusion, limit):
    """Returns the indices, ascending, of the up to `limit` labels with a part in most mistakes."""
    mistakes = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diag(confusion)
    return np.sort(np.argsort(-mistakes, kind='stable')[:limit])


def worst_mistakes(scores, truth, limit):
    """Returns the rows of up to `limit` photos with a wrong label, the highest score of one first.

    Of equal ones, the lower score of the true label comes first.
    """
    predicted = scores.argmax(axis=1)
    rows = np.flatnonzero(predicted != truth)
    order = np.lexsort((scores[rows, truth[rows]], -scores[rows, predicted[rows]]))
    return rows[order][:limit]


def _share(part, whole):
    """Returns part / whole, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0)
