"""An evaluation as one page of HTML that needs nothing from outside. No TensorFlow here."""

import hashlib
import os
import typing

import numpy as np

from scripts.evaluation import charts, markup, metrics, report_labels, report_photos


class Subject(typing.NamedTuple):
    """What was evaluated, as the page shows it.

    graph, graph_data: the graph's path, and its bytes.
    image_dir: the folder of photos.
    category: which photos of it: 'testing', say, or 'all'.
    date: a datetime.
    heatmaps: a dict from rows of the evaluation, of top losses, to their heatmaps.
    sections: more of them, as HTML, such as on what is wrong with the photos.
    """

    graph: str
    graph_data: bytes
    image_dir: str
    category: str
    date: typing.Any
    heatmaps: typing.Mapping[int, np.ndarray] = {}
    sections: typing.Sequence[str] = ()


def write(path, evaluation, subject, curves=None, top_k=5):
    """Writes the page.

    Args:
      path: of the file to write.
      evaluation: an `Evaluation`.
      subject: a `Subject`.
      curves: the `Curves` of the training, or None.
      top_k: up to how many best labels to look for the true one among.

    Raises:
      UserError: it cannot be written.
    """
    sections = [
        _head(evaluation, subject),
        _tiles(evaluation, top_k),
        report_labels.confusion_matrix(evaluation),
        report_labels.top_confusions(evaluation),
        report_photos.top_losses(evaluation, subject.heatmaps),
        report_labels.classes(evaluation),
        *subject.sections,
        _calibration(evaluation),
        _learning_curves(curves),
        _facts(evaluation, subject),
    ]
    markup.write_page(path, 'Evaluation of ' + os.path.basename(subject.graph), sections)


def _head(evaluation, subject):
    return '<h1>%s</h1>\n<p class="quiet">%s, %d labels, %s</p>' % (
        markup.escape(os.path.basename(subject.graph)),
        _photo_words(evaluation, subject),
        len(evaluation.labels),
        subject.date.strftime('%d %B %Y').lstrip('0'),
    )


def _photo_words(evaluation, subject):
    return '{:,} {}photo{}'.format(
        len(evaluation.photos),
        '' if subject.category == 'all' else markup.escape(subject.category) + ' ',
        '' if len(evaluation.photos) == 1 else 's',
    )


def _tiles(evaluation, top_k):
    scores, truth, confusion = evaluation.scores, evaluation.truth, evaluation.confusion
    accuracy = metrics.accuracy(confusion)
    right = int(np.trace(confusion))
    counted, interval = f'{right:,} of {len(truth):,}', markup.interval(right, len(truth))
    macro_f1 = metrics.macro_average(metrics.per_class(confusion))[2]
    tiles = [
        ('Accuracy', markup.percent(accuracy), '%s; 95%% interval: %s' % (counted, interval)),
        ('Cross entropy', '%.2f' % metrics.cross_entropy(scores, truth), 'lower is better'),
        ('Macro F1', '%.2f' % macro_f1, 'every class counts the same'),
    ]
    accuracies = metrics.top_k_accuracies(scores, truth, top_k)
    for k, each in list(enumerate(accuracies, 1))[1:3]:
        tiles.append(('Top %d accuracy' % k, markup.percent(each), 'among the best %d' % k))
    error = metrics.calibration(scores, truth).error
    tiles.append(('Calibration error', markup.percent(error), 'between score and accuracy'))
    return markup.tiles(tiles)


def _calibration(evaluation):
    calibration = metrics.calibration(evaluation.scores, evaluation.truth)
    return (
        '<h2>Confidence</h2>\n<p class="note">On the dashed line, scores are calibrated: of the '
        'labels that get 80%%, four in five are right. Above it the network is underconfident, '
        'below it overconfident. The expected calibration error is %s.</p>\n'
        '<div class="charts">\n<figure><figcaption>Accuracy by score</figcaption>%s'
        '</figure>\n<figure><figcaption>Photos <span class="key">right</span> '
        '<span class="key wrong">wrong</span></figcaption>%s</figure>\n</div>'
        % (
            markup.percent(calibration.error),
            charts.reliability(calibration),
            charts.confidence_histogram(calibration),
        )
    )


def _learning_curves(curves):
    if curves is None:
        return ''
    figures = [
        '<figure><figcaption>%s %s</figcaption>%s</figure>'
        % (
            title,
            ' '.join('<span class="key %s">%s</span>' % (each.run, each.run) for each in lines),
            charts.learning_curves(title + ' by training step', lines, is_fraction),
        )
        for title, lines, is_fraction in (
            ('Accuracy', curves.accuracy, True),
            ('Cross entropy', curves.cross_entropy, False),
        )
        if lines
    ]
    if not figures:
        return ''
    return (
        '<h2>Learning curves</h2>\n<p class="note">Smoothed, over the values measured.</p>\n'
        '<div class="charts">\n%s\n</div>' % '\n'.join(figures)
    )


def _facts(evaluation, subject):
    facts = [
        ('Graph', markup.escape(subject.graph)),
        ('Size', f'{len(subject.graph_data):,} bytes'),
        ('SHA-256', hashlib.sha256(subject.graph_data).hexdigest()),
        ('Photos', markup.escape(subject.image_dir)),
        ('Category', _photo_words(evaluation, subject)),
        ('Left out', '%d unreadable' % evaluation.unreadable),
        ('Date', subject.date.strftime('%Y-%m-%d %H:%M')),
    ]
    if not evaluation.unreadable:
        facts = [fact for fact in facts if fact[0] != 'Left out']
    return '<h2>What was evaluated</h2>\n<dl class="facts">\n%s\n</dl>' % '\n'.join(
        '<dt>%s</dt><dd>%s</dd>' % fact for fact in facts
    )
