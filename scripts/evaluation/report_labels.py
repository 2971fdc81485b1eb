"""The sections of the report about labels. No TensorFlow here."""

import numpy as np

from scripts.evaluation import markup, metrics

MATRIX_LABELS = 40  # A larger matrix is no picture any more; the hardest labels are shown then.
CONFUSIONS = 10

_DENSE_MATRIX = 14  # From so many labels on its cells are small and hold counts only.
_LEAST_SHADE = 0.08  # One photo of many must still show.


def confusion_matrix(evaluation):
    """Returns the confusion matrix of an `Evaluation`, true label by row, as HTML."""
    confusion, labels = evaluation.confusion, evaluation.labels
    shown = metrics.hardest_labels(confusion, MATRIX_LABELS)
    note = 'Each row holds the photos of one true label, each column those of one predicted label.'
    if len(shown) < len(labels):
        note += ' Of %d labels, the %d with the most errors.' % (len(labels), len(shown))
    longest = max(len(labels[index]) for index in shown)
    head = ''.join(_heading('col', labels[index]) for index in shown)
    rows = []
    for index in shown:
        total = confusion[index].sum()
        cells = [_cell(confusion[index, other], total, index == other) for other in shown]
        rows.append('<tr>%s%s</tr>' % (_heading('row', labels[index]), ''.join(cells)))
    return (
        '<h2>Confusion matrix</h2>\n<p class="note">%s</p>\n<div class="wide">'
        '<table class="matrix%s" style="--tall: %.1fem">\n'
        '<thead><tr><th class="axis">true label</th>%s</tr></thead>\n<tbody>\n%s\n</tbody>'
        '</table></div>'
        % (
            note,
            ' dense' if len(shown) >= _DENSE_MATRIX else '',
            0.6 * longest + 1,
            head,
            '\n'.join(rows),
        )
    )


def top_confusions(evaluation):
    """Returns a table of the labels that were most often confused, as HTML; '' where none was."""
    found = metrics.top_confusions(evaluation.confusion, CONFUSIONS)
    if not found:
        return ''
    rows = [
        '<tr><th scope="row">%s</th><th>%s</th><td>%d</td>%s</tr>'
        % (
            markup.escape(evaluation.labels[each.true]),
            markup.escape(evaluation.labels[each.predicted]),
            each.photos,
            markup.bar(each.fraction, 0),
        )
        for each in found
    ]
    heads = ['True label', 'Predicted label', 'Photos', 'Fraction of true label']
    return markup.table('Top confusions', 'confusions', heads, rows)


def classes(evaluation):
    """Returns a table of precision, recall and F1 of each label, as HTML."""
    by_class, right = metrics.per_class(evaluation.confusion), np.diag(evaluation.confusion)
    rows = [
        '<tr><th scope="row">%s</th>%s<td>%d</td><td>%s</td></tr>'
        % (
            markup.escape(label),
            ''.join(markup.bar(each) for each in fractions),
            photos,
            markup.interval(right[row], photos) if photos else '–',
        )
        for row, (label, *fractions, photos) in enumerate(zip(evaluation.labels, *by_class))
    ]
    average = ''.join(
        '<td>%s</td>' % markup.percent(each) for each in metrics.macro_average(by_class)
    )
    rows.append(
        '<tr class="sum"><th scope="row">Macro average</th>%s<td>%d</td><td></td></tr>'
        % (average, len(evaluation.photos))
    )
    heads = ['Label', 'Precision', 'Recall', 'F1', 'Photos', '95% interval of recall']
    return markup.table('Classes', '', heads, rows)


def _heading(scope, label):
    """Returns the heading of a row or column, with the whole label as title: a page may cut it."""
    label = markup.escape(label)
    return '<th scope="%s" title="%s"><span>%s</span></th>' % (scope, label, label)


def _cell(count, total, is_right):
    if not count:
        return '<td style="--fraction: 0"></td>'
    fraction = count / total
    kinds = ' '.join(['right'] * bool(is_right) + ['strong'] * bool(fraction > 0.55))
    return '<td%s style="--fraction: %.2f" title="%s of the row">%d<small>%s</small></td>' % (
        ' class="%s"' % kinds if kinds else '',
        _LEAST_SHADE + (1 - _LEAST_SHADE) * fraction,
        markup.percent(fraction),
        count,
        markup.percent(fraction, 0),
    )
