"""The labels of photos as text, CSV or JSON. No TensorFlow here."""

import csv
import io
import json
import typing

from scripts.common import encodings
from scripts.common.printing import printable

TEXT, CSV, JSON = FORMATS = ('text', 'csv', 'json')

UNKNOWN = 'unknown'  # The label of a photo whose best score is too low.


class Labelled(typing.NamedTuple):
    """One photo's path and its best labels, (label, score) with the best one first.

    best is None if the photo is unreadable.
    """

    path: str
    best: typing.Optional[typing.Sequence[typing.Tuple[str, float]]]


def best_labels(scores, labels, count, min_score=0):
    """Returns the `count` best (label, score), best first, of float32 `[labels]` scores.

    Of equal scores the label that comes first is the better one, as for `argmax`. Where the best
    score is below `min_score`, that score is given to UNKNOWN, which is then alone.
    """
    highest = float(scores.max())
    if highest < min_score:
        return [(UNKNOWN, highest)]
    order = (-scores).argsort(kind='mergesort')[:count]  # Stable in every numpy.
    return [(labels[index], float(scores[index])) for index in order]


def as_text(best):
    """Returns one photo's labels as the classic lines, `daisy (score=0.98718)`."""
    return ''.join('%s (score=%0.5f)\n' % (printable(label), score) for label, score in best)


def as_line(number, best, rate):
    """Returns the labels of a frame as a line: `12: daisy (score=0.98718), 14.2 a second`."""
    labels = ', '.join('%s (score=%0.5f)' % (printable(label), score) for label, score in best)
    return '%d: %s, %.1f a second' % (number, labels, rate)


def render(photos, output_format):
    """Returns the text that lists `Labelled` photos in one of FORMATS.

    CSV has the columns image, rank (from 1 on), label and score, and no rows for photos that
    are unreadable; JSON is a list of objects with image and labels, or image and error.
    """
    if output_format == CSV:
        return _as_csv(photos)
    if output_format == JSON:
        return json.dumps([_as_object(photo) for photo in photos], indent=1) + '\n'
    return '\n'.join(
        '%s\n%s' % (printable(photo.path), as_text(photo.best))
        for photo in photos
        if photo.best is not None
    )


def _as_csv(photos):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['image', 'rank', 'label', 'score'])
    for photo in photos:
        for rank, (label, score) in enumerate(photo.best or (), 1):
            writer.writerow([photo.path, rank, label, '%.7g' % score])
    return text.getvalue()


def _as_object(photo):
    if photo.best is None:
        return {'image': encodings.as_utf8(photo.path), 'error': 'cannot be read'}
    labels = [{'label': label, 'score': score} for label, score in photo.best]
    return {'image': encodings.as_utf8(photo.path), 'labels': labels}
