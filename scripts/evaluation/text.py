"""An evaluation as lines for a terminal."""

import typing

import numpy as np

from scripts.common import intervals
from scripts.common.printing import printable
from scripts.evaluation import metrics

THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
MATRIX_LABELS = 30  # As many columns as fit on a wide terminal.


class Compared(typing.NamedTuple):
    """A graph among others: its name, `Evaluation`, size, and time a photo."""

    name: str
    evaluation: typing.Any
    byte_count: int
    milliseconds: float


def summary(evaluation, counted, top_k):
    """Returns the lines of a full summary, the classic two first.

    Args:
      evaluation: an `Evaluation`.
      counted: the line that says which photos these are.
      top_k: up to how many best labels to look for the true one among.
    """
    scores, truth, confusion = evaluation.scores, evaluation.truth, evaluation.confusion
    accuracies = metrics.top_k_accuracies(scores, truth, top_k)
    return (
        [
            'Accuracy: %.2f' % metrics.accuracy(confusion),
            'Cross Entropy: %.2f' % metrics.cross_entropy(scores, truth),
            intervals.as_text(np.trace(confusion), confusion.sum()),
            counted,
            '',
        ]
        + _class_lines(evaluation.labels, confusion)
        + ['', 'The true label is among the']
        + [
            '  %s %.3f' % ('best:' if k == 1 else 'best %d:' % k, accuracy)
            for k, accuracy in enumerate(accuracies, 1)
        ]
        + ['']
        + _coverage_lines(scores, truth)
        + ['']
        + _matrix_lines(evaluation.labels, confusion)
    )


def comparison(compared):
    """Returns the lines of a table of `Compared` graphs; labels agree with the first one's."""
    rows = [['graph', 'accuracy', 'cross entropy', 'same label', 'bytes', 'ms a photo']]
    for each in compared:
        predicted = each.evaluation.predicted
        rows.append(
            [
                each.name,
                '%.1f%%' % (100 * metrics.accuracy(each.evaluation.confusion)),
                '%.4f' % metrics.cross_entropy(each.evaluation.scores, each.evaluation.truth),
                '%.1f%%' % (100 * (predicted == compared[0].evaluation.predicted).mean()),
                f'{each.byte_count:,}',
                '%.1f' % each.milliseconds,
            ]
        )
    return table(rows)


def table(rows):
    """Returns lines with columns aligned: the first to the left, the others to the right.

    Args:
      rows: lists of str, equally long.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return [
        '  '.join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        ).rstrip()
        for row in rows
    ]


def _class_lines(labels, confusion):
    classes = metrics.per_class(confusion)
    rows = [['', 'precision', 'recall', 'F1', 'photos', '95% of recall']]
    for row, (label, precision, recall, f1, photos) in enumerate(zip(labels, *classes)):
        interval = _interval(confusion[row, row], photos)
        rows.append([label, *_decimals(precision, recall, f1), str(photos), interval])
    average = metrics.macro_average(classes)
    rows.append(['macro average', *_decimals(*average), str(classes.photos.sum()), ''])
    return table(rows)


def _coverage_lines(scores, truth):
    """Returns what `label_image --min_score` would do with these photos."""
    rows = [['--min_score', 'labelled', 'of all', 'right', 'accuracy', '95%']]
    for least, covered, right in metrics.coverages(scores, truth, THRESHOLDS):
        interval, accuracy = _interval(right, covered), right / covered if covered else np.nan
        share = '%.3f' % (covered / len(truth))
        row = ['%g' % least, str(covered), share, str(right), *_decimals(accuracy), interval]
        rows.append(row)
    return ['With label_image --min_score, other photos are unknown:'] + table(rows)


def _interval(right, total):
    return '%.3f to %.3f' % intervals.wilson(right, total) if total else '-'


def _decimals(*values):
    return ['-' if np.isnan(value) else '%.3f' % value for value in values]


def _matrix_lines(labels, confusion):
    """Returns the confusion matrix; its columns are numbers, since labels may be long."""
    shown = metrics.hardest_labels(confusion, MATRIX_LABELS)
    head = 'True label by row, predicted label by column'
    if len(shown) < len(labels):
        head += ', of the %d labels with the most errors' % len(shown)
    rows = [[''] + ['[%d]' % (index + 1) for index in shown]]
    for index in shown:
        counts = ['.' if count == 0 else str(count) for count in confusion[index, shown]]
        rows.append(['[%d] %s' % (index + 1, labels[index])] + counts)
    return [head + ':'] + table(rows)
