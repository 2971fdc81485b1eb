"""An evaluation as one page of HTML that needs nothing from outside. No TensorFlow here."""

import base64
import hashlib
import html
import os
import typing

import numpy as np

from scripts.common import encodings, files, intervals
from scripts.evaluation import charts, metrics, thumbnails

MATRIX_LABELS = 40  # A larger matrix is no picture any more; the hardest labels are shown then.
MIXED_UP = 10
MISTAKES = 24

_DENSE_MATRIX = 14  # From so many labels on its cells are small and hold counts only.
_LEAST_SHADE = 0.08  # One photo of many must still show.
_STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'report.css')

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>%(title)s</title>
<link rel="icon" href="data:,">
<style>
%(style)s</style>
</head>
<body>
%(body)s
</body>
</html>
"""


class Subject(typing.NamedTuple):
    """What was evaluated, for the page to tell.

    graph: the graph's path.
    sha256: of its bytes, in hex.
    byte_count: how many they are.
    image_dir: the folder of photos.
    category: which photos of it: 'testing', say, or 'all'.
    date: a datetime.
    """

    graph: str
    sha256: str
    byte_count: int
    image_dir: str
    category: str
    date: typing.Any


def subject_of(graph, graph_data, photos, date):
    """Returns the `Subject`.

    Args:
      graph: the graph's path.
      graph_data: its bytes.
      photos: the folder of photos and the category, both str.
      date: a datetime.
    """
    sha256 = hashlib.sha256(graph_data).hexdigest()
    return Subject(graph, sha256, len(graph_data), photos[0], photos[1], date)


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
    with open(_STYLE, encoding='utf-8') as file:
        style = file.read()
    sections = [
        _head(evaluation, subject),
        _tiles(evaluation, top_k),
        _matrix(evaluation),
        _mixed_up(evaluation),
        _mistakes(evaluation),
        _classes(evaluation),
        _calibration(evaluation),
        _learning_curves(curves),
        _facts(evaluation, subject),
    ]
    page = _PAGE % {
        'title': 'Evaluation of ' + _escape(os.path.basename(subject.graph)),
        'style': style,
        'body': '\n'.join(section for section in sections if section),
    }
    # A file's name need not be UTF-8.
    files.write(path, encodings.as_utf8(page).encode('utf-8', 'backslashreplace'))


def _head(evaluation, subject):
    return '<h1>%s</h1>\n<p class="quiet">%s, %d labels, %s</p>' % (
        _escape(os.path.basename(subject.graph)),
        _photo_words(evaluation, subject),
        len(evaluation.labels),
        subject.date.strftime('%d %B %Y').lstrip('0'),
    )


def _photo_words(evaluation, subject):
    return '{:,} {}photo{}'.format(
        len(evaluation.photos),
        '' if subject.category == 'all' else _escape(subject.category) + ' ',
        '' if len(evaluation.photos) == 1 else 's',
    )


def _tiles(evaluation, top_k):
    scores, truth, confusion = evaluation.scores, evaluation.truth, evaluation.confusion
    accuracy = metrics.accuracy(confusion)
    right = int(np.trace(confusion))
    counted, interval = f'{right:,} of {len(truth):,}', _interval(right, len(truth))
    macro_f1 = metrics.macro_average(metrics.per_class(confusion))[2]
    tiles = [
        ('Accuracy', _percent(accuracy), '%s; 95%% interval: %s' % (counted, interval)),
        ('Cross entropy', '%.2f' % metrics.cross_entropy(scores, truth), 'lower is better'),
        ('Macro F1', '%.2f' % macro_f1, 'every class counts the same'),
    ]
    accuracies = metrics.top_k_accuracies(scores, truth, top_k)
    for k, each in list(enumerate(accuracies, 1))[1:3]:
        tiles.append(('Top %d accuracy' % k, _percent(each), 'among the best %d' % k))
    error = metrics.calibration(scores, truth).error
    tiles.append(('Calibration error', _percent(error), 'between score and accuracy'))
    return '<dl class="tiles">\n%s\n</dl>' % '\n'.join(
        '<div><dt>%s</dt><dd>%s<small>%s</small></dd></div>' % tile for tile in tiles
    )


def _matrix(evaluation):
    confusion, labels = evaluation.confusion, evaluation.labels
    shown = metrics.hardest_labels(confusion, MATRIX_LABELS)
    note = 'Each row holds the photos of one label, each column what they were taken for.'
    if len(shown) < len(labels):
        note += ' Of %d labels, the %d with the most mistakes.' % (len(labels), len(shown))
    longest = max(len(labels[index]) for index in shown)
    head = ''.join('<th scope="col"%s><span>%s</span></th>' % _named(labels[i]) for i in shown)
    rows = []
    for index in shown:
        total = confusion[index].sum()
        cells = [_cell(confusion[index, other], total, index == other) for other in shown]
        name = '<th scope="row"%s>%s</th>' % _named(labels[index])
        rows.append('<tr>%s%s</tr>' % (name, ''.join(cells)))
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


def _named(label):
    """Returns an attribute with the whole of a label, which the page may cut, and the label."""
    return ' title="%s"' % _escape(label), _escape(label)


def _cell(count, total, is_right):
    if not count:
        return '<td style="--share: 0"></td>'
    share = count / total
    marks = ('right', is_right), ('strong', share > 0.55)
    classes = ' '.join(mark for mark, wanted in marks if wanted)
    return '<td%s style="--share: %.2f" title="%s of the row">%d<small>%s</small></td>' % (
        ' class="%s"' % classes if classes else '',
        _LEAST_SHADE + (1 - _LEAST_SHADE) * share,
        _percent(share),
        count,
        _percent(share, 0),
    )


def _mixed_up(evaluation):
    pairs = metrics.most_mixed_up(evaluation.confusion, MIXED_UP)
    if not pairs:
        return ''
    rows = [
        '<tr><th scope="row">%s</th><th>%s</th><td>%d</td>'
        '<td class="bar" style="--share: %.3f">%s</td></tr>'
        % (
            _escape(evaluation.labels[pair.true]),
            _escape(evaluation.labels[pair.given]),
            pair.photos,
            pair.share,
            _percent(pair.share, 0),
        )
        for pair in pairs
    ]
    return _table(
        'Mixed up most',
        'mixed',
        ['True label', 'Taken for', 'Photos', 'Of its photos'],
        rows,
    )


def _mistakes(evaluation):
    scores = evaluation.scores
    rows = metrics.worst_mistakes(scores, evaluation.truth, MISTAKES)
    if not len(rows):
        return '<h2>Worst mistakes</h2>\n<p class="note">None: every photo got its label.</p>'
    cards = []
    for row in rows:
        photo, predicted = evaluation.photos[row], scores[row].argmax()
        cards.append(
            '<li><div class="photo">%s</div><dl>'
            '<dt class="wrong" title="predicted label">%s</dt><dd>%s</dd>'
            '<dt title="true label">%s</dt><dd>%s</dd></dl>'
            '<div class="file" title="%s">%s</div></li>'
            % (
                _thumbnail(photo, evaluation.exif_rotation),
                _escape(evaluation.labels[predicted]),
                _percent(scores[row, predicted]),
                _escape(evaluation.labels[photo.label_index]),
                _percent(scores[row, photo.label_index]),
                _escape(photo.path),
                _escape(photo.file_name),
            )
        )
    mistakes = int((evaluation.given != evaluation.truth).sum())
    return (
        '<h2>Worst mistakes</h2>\n<p class="note">%s, the most confident first. Scores of '
        '<span class="key wrong">the predicted label</span> '
        '<span class="key">the true label</span>'
        '</p>\n<ul class="mistakes">\n%s\n</ul>'
        % (
            'All %d' % mistakes if mistakes == len(rows) else '%d of %d' % (len(rows), mistakes),
            '\n'.join(cards),
        )
    )


def _thumbnail(photo, exif_rotation):
    image = thumbnails.load(photo.path, exif_rotation)
    if image is None:
        return 'no picture'
    return '<img src="data:image/jpeg;base64,%s" width="%d" height="%d" alt="%s">' % (
        base64.b64encode(thumbnails.jpeg(image)).decode('ascii'),
        image.width,
        image.height,
        _escape(photo.file_name),
    )


def _classes(evaluation):
    classes, right = metrics.per_class(evaluation.confusion), np.diag(evaluation.confusion)
    rows = [
        '<tr><th scope="row">%s</th>%s<td>%d</td><td>%s</td></tr>'
        % (
            _escape(label),
            ''.join(_bar(share) for share in shares),
            photos,
            _interval(right[row], photos) if photos else '–',
        )
        for row, (label, *shares, photos) in enumerate(zip(evaluation.labels, *classes))
    ]
    average = ''.join('<td>%s</td>' % _percent(share) for share in metrics.macro_average(classes))
    rows.append(
        '<tr class="sum"><th scope="row">Macro average</th>%s<td>%d</td><td></td></tr>'
        % (average, len(evaluation.photos))
    )
    heads = ['Label', 'Precision', 'Recall', 'F1', 'Photos', '95% interval of recall']
    return _table('Classes', '', heads, rows)


def _interval(right, total):
    return '%.0f–%.0f%%' % tuple(100 * end for end in intervals.wilson(right, total))


def _bar(share):
    if np.isnan(share):
        return '<td>–</td>'
    return '<td class="bar" style="--share: %.3f">%s</td>' % (share, _percent(share))


def _table(title, kind, heads, rows):
    head = ''.join('<th scope="col">%s</th>' % each for each in heads)
    return (
        '<h2>%s</h2>\n<div class="wide"><table class="figures %s">\n'
        '<thead><tr>%s</tr></thead>\n<tbody>\n%s\n</tbody></table></div>'
        % (title, kind, head, '\n'.join(rows))
    )


def _calibration(evaluation):
    calibration = metrics.calibration(evaluation.scores, evaluation.truth)
    return (
        '<h2>Confidence</h2>\n<p class="note">On the dashed line a score can be taken at its '
        'word: of the labels that get 80%%, four in five are right. Above it the network is '
        'too modest, below it too sure. Over all photos it is off by %s.</p>\n'
        '<div class="charts">\n<figure><figcaption>How often labels are right</figcaption>%s'
        '</figure>\n<figure><figcaption>Photos <span class="key">right</span> '
        '<span class="key wrong">wrong</span></figcaption>%s</figure>\n</div>'
        % (
            _percent(calibration.error),
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
            charts.learning_curves(title + ' by training step', lines, is_share),
        )
        for title, lines, is_share in (
            ('Accuracy', curves.accuracy, True),
            ('Cross entropy', curves.cross_entropy, False),
        )
        if lines
    ]
    if not figures:
        return ''
    return (
        '<h2>Learning curves</h2>\n<p class="note">Smoothed, over what was measured.</p>\n'
        '<div class="charts">\n%s\n</div>' % '\n'.join(figures)
    )


def _facts(evaluation, subject):
    facts = [
        ('Graph', _escape(subject.graph)),
        ('Size', f'{subject.byte_count:,} bytes'),
        ('SHA-256', subject.sha256),
        ('Photos', _escape(subject.image_dir)),
        ('Category', _photo_words(evaluation, subject)),
        ('Left out', '%d that cannot be read' % evaluation.unreadable),
        ('Date', subject.date.strftime('%Y-%m-%d %H:%M')),
    ]
    if not evaluation.unreadable:
        facts = [fact for fact in facts if fact[0] != 'Left out']
    return '<h2>What was evaluated</h2>\n<dl class="facts">\n%s\n</dl>' % '\n'.join(
        '<dt>%s</dt><dd>%s</dd>' % fact for fact in facts
    )


def _percent(share, decimals=1):
    return '%.*f%%' % (decimals, 100 * share)


def _escape(text):
    return html.escape(text)
