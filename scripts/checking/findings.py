"""What is found in a set of photos, as lines and as CSV. No TensorFlow here."""

import collections
import csv
import io
import statistics
import typing

import numpy as np

from scripts.common.printing import printable
from scripts.dataset import split as split_lib
from scripts.dataset.photos import FEW_PHOTOS, Photo
from scripts.evaluation.text import table
from scripts.images import exif, formats
from scripts.images.settings import IGNORE

ACROSS_SPLIT, ACROSS_CLASSES, WITHIN_CLASS = (
    'across the split',
    'across classes',
    'within a class',
)
_SHOWN = 20  # Groups, and doubtful labels, on a terminal.
_COLUMNS = ['kind', 'group', 'image', 'label', 'category', 'score', 'detail']


class Group(typing.NamedTuple):
    """Photos that are one shot.

    rows: tuple of int.
    similarity: 0 to 1, that of the two of them that are least alike, of those that were compared.
    kinds: of ACROSS_SPLIT, ACROSS_CLASSES and WITHIN_CLASS, those that it is.
    """

    rows: typing.Tuple[int, ...]
    similarity: float
    kinds: typing.Tuple[str, ...]


class Doubt(typing.NamedTuple):
    """A photo whose label is doubtful: its row, the score of its label, the label with the best."""

    row: int
    score: float
    predicted: int
    predicted_score: float


class Findings(typing.NamedTuple):
    """What is found.

    labels: list of str.
    photos: list of `Photo`, those that are readable.
    groups: list of `Group`, those across the split first, then those across classes.
    doubts: list of `Doubt`, the most doubtful first.
    sizes: list of the (width, height) of each photo, or None where it does not tell.
    fed: the (width, height) that the network is fed.
    rotated: rows of photos that carry an EXIF rotation which is not applied.
    unreadable: list of `Photo`.
    """

    labels: typing.Sequence[str]
    photos: typing.Sequence[Photo]
    groups: typing.Sequence[Group]
    doubts: typing.Sequence[Doubt]
    sizes: typing.Sequence[typing.Optional[typing.Tuple[int, int]]]
    fed: typing.Tuple[int, int]
    rotated: typing.Sequence[int]
    unreadable: typing.Sequence[Photo]

    @property
    def small(self):
        """Rows of photos that are enlarged before the network is fed."""
        width, height = self.fed
        known = [(row, size) for row, size in enumerate(self.sizes) if size is not None]
        return [row for row, size in known if size[0] < width or size[1] < height]

    @property
    def small_classes(self):
        """Pairs of a label and its number of photos, of classes with fewer than FEW_PHOTOS."""
        counts = collections.Counter(photo.label_index for photo in self.photos)
        found = [(label, counts[index]) for index, label in enumerate(self.labels)]
        return [(label, count) for label, count in found if count < FEW_PHOTOS]


def groups_of(rows_of_groups, pairs, photos):
    """Returns the `Group`s of lists of rows, and of the `duplicates.Pair`s that made them."""
    found = []
    least = {pair.first: 1.0 for pair in pairs}
    for pair in pairs:
        least[pair.first] = min(least[pair.first], pair.similarity)
    for rows in rows_of_groups:
        members = [photos[row] for row in rows]
        is_one_class = len({photo.label_index for photo in members}) == 1
        kinds = [WITHIN_CLASS if is_one_class else ACROSS_CLASSES]
        if len({photo.category for photo in members}) > 1:
            kinds.insert(0, ACROSS_SPLIT)
        similarity = min(least[row] for row in rows if row in least)
        found.append(Group(tuple(rows), similarity, tuple(kinds)))
    order = {ACROSS_SPLIT: 0, ACROSS_CLASSES: 1, WITHIN_CLASS: 2}
    return sorted(found, key=lambda group: (order[group.kinds[0]], group.rows))


def doubts_of(scores, truth):
    """Returns the `Doubt`s in out-of-fold scores: photos that get another label than theirs.

    Args:
      scores: float `[photos, labels]`; a row of NaN is not judged.
      truth: int `[photos]`.
    """
    judged = np.flatnonzero(~np.isnan(scores).any(axis=1))
    own = scores[judged, truth[judged]]
    predicted = scores[judged].argmax(axis=1)
    order = np.argsort(own, kind='mergesort')
    return [
        Doubt(
            int(judged[each]),
            float(own[each]),
            int(predicted[each]),
            float(scores[judged[each], predicted[each]]),
        )
        for each in order
        if predicted[each] != truth[judged[each]]
    ]


def sizes_of(photos):
    """Returns the (width, height) of each photo in pixels, or None where it does not tell."""
    return [(formats.of_file(photo.path) or (None, None))[1] for photo in photos]


def rotated_of(photos, exif_rotation):
    """Returns the rows of photos that carry a rotation which is not applied."""
    if exif_rotation != IGNORE:
        return []
    return [row for row, photo in enumerate(photos) if exif.orientation(photo.path) != exif.UPRIGHT]


def lines(findings, folders):
    """Returns the lines for a terminal.

    Args:
      findings: `Findings`.
      folders: of the photos, as text.
    """
    found = [
        '%d photos of %d classes in %s'
        % (len(findings.photos), len(findings.labels), printable(folders))
    ]
    for section in (_group_lines, _doubt_lines, _class_lines, _photo_lines):
        found += [''] + section(findings)
    return found


def _group_lines(findings):
    groups = findings.groups
    if not groups:
        return ['Near-duplicates: none']
    counts = collections.Counter(kind for group in groups for kind in group.kinds)
    found = [
        'Near-duplicates: %d groups, of %d photos (%s)'
        % (
            len(groups),
            sum(len(group.rows) for group in groups),
            ', '.join('%d %s' % (counts[kind], kind) for kind in counts),
        )
    ]
    for number, group in enumerate(groups[:_SHOWN], 1):
        found.append('  group %d, %s:' % (number, ', '.join(group.kinds)))
        rows = [[findings.photos[row].path, findings.photos[row].category] for row in group.rows]
        found += ['    ' + line for line in table(rows)]
    return found + _more(groups, 'groups')


def _doubt_lines(findings):
    doubts = findings.doubts
    if not doubts:
        return ['Doubtful labels: none']
    rows = [['', 'label', 'score', 'better', 'score']]
    for doubt in doubts[:_SHOWN]:
        photo = findings.photos[doubt.row]
        rows.append(
            [
                photo.path,
                findings.labels[photo.label_index],
                '%.3f' % doubt.score,
                findings.labels[doubt.predicted],
                '%.3f' % doubt.predicted_score,
            ]
        )
    head = 'Doubtful labels: %d photos get another label from a model that did not see them'
    return [head % len(doubts)] + ['  ' + line for line in table(rows)] + _more(doubts, 'photos')


def _more(found, what):
    left = len(found) - _SHOWN
    return ['  and %d more %s: see --report and --output' % (left, what)] if left > 0 else []


def _class_lines(findings):
    counts = collections.Counter((each.label_index, each.category) for each in findings.photos)
    rows = [['', 'photos'] + list(split_lib.CATEGORIES)]
    for index, label in enumerate(findings.labels):
        each = [counts[index, category] for category in split_lib.CATEGORIES]
        rows.append([label] + [str(count) for count in [sum(each)] + each])
    found = table(rows)
    if findings.small_classes:
        found.append(
            'Too few photos to trust, fewer than %d: %s'
            % (
                FEW_PHOTOS,
                printable(', '.join('%s (%d)' % each for each in findings.small_classes)),
            )
        )
    return found


def _photo_lines(findings):
    sizes = [size for size in findings.sizes if size is not None]
    found = []
    if sizes:
        widths, heights = zip(*sizes)
        found.append(
            'Sizes: %d x %d to %d x %d pixels, %g x %g in the median; the network takes %d x %d'
            % (
                *min(sizes, key=np.prod),
                *max(sizes, key=np.prod),
                statistics.median(widths),
                statistics.median(heights),
                *findings.fed,
            )
        )
    found.append('Smaller than that, and enlarged: %d photos' % len(findings.small))
    found.append(
        'With an EXIF rotation that is not applied: %d photos%s'
        % (
            len(findings.rotated),
            '; --exif_rotation=apply turns them' if findings.rotated else '',
        )
    )
    found.append('Unreadable: %d photos' % len(findings.unreadable))
    return found


def as_csv(findings):
    """Returns all that is found as text, a row for each photo of a kind of finding."""
    rows = []
    for number, group in enumerate(findings.groups, 1):
        for row in group.rows:
            score, detail = '%.3f' % group.similarity, ', '.join(group.kinds)
            rows.append(['near_duplicate', number, *_of_photo(findings, row), score, detail])
    for doubt in findings.doubts:
        detail = '%s %.3f' % (findings.labels[doubt.predicted], doubt.predicted_score)
        place = _of_photo(findings, doubt.row)
        rows.append(['doubtful_label', '', *place, '%.6f' % doubt.score, detail])
    for label, count in findings.small_classes:
        rows.append(['small_class', '', '', label, '', '', '%d photos' % count])
    for row in findings.small:
        detail = '%d x %d' % findings.sizes[row]
        rows.append(['small_photo', '', *_of_photo(findings, row), '', detail])
    for row in findings.rotated:
        rows.append(['rotated_photo', '', *_of_photo(findings, row), '', ''])
    for photo in findings.unreadable:
        label = findings.labels[photo.label_index]
        rows.append(['unreadable_photo', '', photo.path, label, photo.category, '', ''])
    return _csv([_COLUMNS] + rows)


def _of_photo(findings, row):
    photo = findings.photos[row]
    return [photo.path, findings.labels[photo.label_index], photo.category]


def _csv(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    return text.getvalue()
