"""The section of the report about misclassified photos. No TensorFlow here."""

import base64

from scripts.evaluation import markup, metrics
from scripts.images import heat, thumbnails

TOP_LOSSES = 24


_SWITCH = """<p class="switch"><input type="checkbox" id="heat" checked>
<label for="heat">Heatmaps: where the network found the predicted label</label></p>
"""


def top_rows(evaluation):
    """Returns the rows of the misclassified photos of an `Evaluation` with the highest losses."""
    return metrics.top_losses(evaluation.scores, evaluation.truth, TOP_LOSSES)


def top_losses(evaluation, heatmaps):
    """Returns the misclassified photos of an `Evaluation` with the highest losses, as HTML.

    Args:
      evaluation: an `Evaluation`.
      heatmaps: a dict from rows to heatmaps, as `heat.colours` takes them.
    """
    rows = top_rows(evaluation)
    if not len(rows):
        return '<h2>Top losses</h2>\n<p class="note">None: no photo is misclassified.</p>'
    count = int((evaluation.predicted != evaluation.truth).sum())
    return (
        '<h2>Top losses</h2>\n<p class="note">%s, the highest loss first. Scores of '
        '<span class="key wrong">the predicted label</span> '
        '<span class="key">the true label</span>'
        '</p>\n%s<ul class="losses">\n%s\n</ul>'
        % (
            'All %d misclassified photos' % count
            if count == len(rows)
            else '%d of %d misclassified photos' % (len(rows), count),
            _SWITCH if heatmaps else '',
            '\n'.join(_card(evaluation, row, heatmaps.get(row)) for row in rows),
        )
    )


def _card(evaluation, row, heatmap):
    photo, scores = evaluation.photos[row], evaluation.scores[row]
    predicted = scores.argmax()
    return (
        '<li><div class="photo">%s</div><dl>'
        '<dt class="wrong" title="predicted label">%s</dt><dd>%s</dd>'
        '<dt title="true label">%s</dt><dd>%s</dd></dl>'
        '<div class="file" title="%s">%s</div></li>'
        % (
            thumbnail(photo, evaluation.exif_rotation, heatmap),
            markup.escape(evaluation.labels[predicted]),
            markup.percent(scores[predicted]),
            markup.escape(evaluation.labels[photo.label_index]),
            markup.percent(scores[photo.label_index]),
            markup.escape(photo.path),
            markup.escape(photo.file_name),
        )
    )


def thumbnail(photo, exif_rotation, heatmap=None):
    """Returns a small picture of a `Photo` as HTML, with a heatmap over it where there is one."""
    image = thumbnails.load(photo.path, exif_rotation)
    if image is None:
        return 'no picture'
    picture = '<img src="data:image/jpeg;base64,%s" width="%d" height="%d" alt="%s">' % (
        _base64(thumbnails.jpeg(image)),
        image.width,
        image.height,
        markup.escape(photo.file_name),
    )
    if heatmap is None:
        return picture
    # A browser enlarges the few pixels as smoothly as `heat.over` does.
    colours = thumbnails.png(heat.colours(heatmap))
    return (
        '<span class="seen">%s<img class="heat" src="data:image/png;base64,%s" alt=""></span>'
        % (picture, _base64(colours))
    )


def _base64(data):
    return base64.b64encode(data).decode('ascii')
