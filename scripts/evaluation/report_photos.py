"""The section of the report about misclassified photos. No TensorFlow here."""

import base64

from scripts.evaluation import markup, metrics, thumbnails

TOP_LOSSES = 24


def top_losses(evaluation):
    """Returns the misclassified photos of an `Evaluation` with the highest losses, as HTML."""
    rows = metrics.top_losses(evaluation.scores, evaluation.truth, TOP_LOSSES)
    if not len(rows):
        return '<h2>Top losses</h2>\n<p class="note">None: no photo is misclassified.</p>'
    count = int((evaluation.predicted != evaluation.truth).sum())
    return (
        '<h2>Top losses</h2>\n<p class="note">%s, the highest loss first. Scores of '
        '<span class="key wrong">the predicted label</span> '
        '<span class="key">the true label</span>'
        '</p>\n<ul class="losses">\n%s\n</ul>'
        % (
            'All %d misclassified photos' % count
            if count == len(rows)
            else '%d of %d misclassified photos' % (len(rows), count),
            '\n'.join(_card(evaluation, row) for row in rows),
        )
    )


def _card(evaluation, row):
    photo, scores = evaluation.photos[row], evaluation.scores[row]
    predicted = scores.argmax()
    return (
        '<li><div class="photo">%s</div><dl>'
        '<dt class="wrong" title="predicted label">%s</dt><dd>%s</dd>'
        '<dt title="true label">%s</dt><dd>%s</dd></dl>'
        '<div class="file" title="%s">%s</div></li>'
        % (
            thumbnail(photo, evaluation.exif_rotation),
            markup.escape(evaluation.labels[predicted]),
            markup.percent(scores[predicted]),
            markup.escape(evaluation.labels[photo.label_index]),
            markup.percent(scores[photo.label_index]),
            markup.escape(photo.path),
            markup.escape(photo.file_name),
        )
    )


def thumbnail(photo, exif_rotation):
    """Returns a small picture of a `Photo` as HTML."""
    image = thumbnails.load(photo.path, exif_rotation)
    if image is None:
        return 'no picture'
    return '<img src="data:image/jpeg;base64,%s" width="%d" height="%d" alt="%s">' % (
        base64.b64encode(thumbnails.jpeg(image)).decode('ascii'),
        image.width,
        image.height,
        markup.escape(photo.file_name),
    )
