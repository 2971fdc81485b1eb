"""What is found in a set of photos, as one page of HTML. No TensorFlow here."""

import collections

from scripts.checking import findings as findings_lib
from scripts.dataset import split as split_lib
from scripts.dataset.photos import FEW_PHOTOS
from scripts.evaluation import markup, report_photos

_GROUPS, _DOUBTS = 60, 60  # That are shown.


def write(path, findings, folders, exif_rotation):
    """Writes the page.

    Args:
      path: of the file to write.
      findings: `Findings`.
      folders: of the photos, as text.
      exif_rotation: as in `settings.PixelSpec`.

    Raises:
      UserError: it cannot be written.
    """
    title = 'Photos in ' + folders
    sections = [
        '<h1>%s</h1>\n<p class="quiet">%s photos of %s classes</p>'
        % (markup.escape(title), f'{len(findings.photos):,}', f'{len(findings.labels):,}'),
        _tiles(findings),
        *sections_on_photos(findings, exif_rotation),
        _classes(findings),
    ]
    markup.write_page(path, title, sections)


def sections_on_photos(findings, exif_rotation):
    """Returns the sections, as HTML, on near-duplicates and on doubtful labels."""
    return [_groups(findings, exif_rotation), _doubts(findings, exif_rotation)]


def _tiles(findings):
    across = sum(findings_lib.ACROSS_SPLIT in group.kinds for group in findings.groups)
    return markup.tiles(
        [
            ('Near-duplicates', len(findings.groups), 'groups, %d across the split' % across),
            ('Doubtful labels', len(findings.doubts), 'get another label out of fold'),
            ('Small classes', len(findings.small_classes), 'of fewer than %d photos' % FEW_PHOTOS),
            ('Small photos', len(findings.small), 'of fewer than %d x %d pixels' % findings.fed),
            ('Rotated', len(findings.rotated), 'by EXIF, which is not applied'),
            ('Unreadable', len(findings.unreadable), 'left out'),
        ]
    )


def _groups(findings, exif_rotation):
    groups = findings.groups
    if not groups:
        return '<h2>Near-duplicates</h2>\n<p class="note">None.</p>'
    parts = [
        '<h2>Near-duplicates</h2>\n<p class="note">%s. Photos of a group are one shot. Across the '
        'split, a test photo was trained on; across classes, one of the labels is wrong.</p>'
        % _shown(len(groups), _GROUPS, 'groups')
    ]
    for number, group in enumerate(groups[:_GROUPS], 1):
        cards = [_card(findings, row, exif_rotation) for row in group.rows]
        parts.append(
            '<h3>Group %d, %s</h3>\n<ul class="losses">\n%s\n</ul>'
            % (number, ', '.join(group.kinds), '\n'.join(cards))
        )
    return '\n'.join(parts)


def _card(findings, row, exif_rotation):
    photo = findings.photos[row]
    return _item(
        photo,
        exif_rotation,
        '<dt>%s</dt><dd>%s</dd>'
        % (markup.escape(findings.labels[photo.label_index]), photo.category),
    )


def _doubts(findings, exif_rotation):
    doubts = findings.doubts
    if not doubts:
        return '<h2>Doubtful labels</h2>\n<p class="note">None.</p>'
    cards = []
    for doubt in doubts[:_DOUBTS]:
        photo = findings.photos[doubt.row]
        facts = (
            '<dt class="wrong" title="its label">%s</dt><dd>%s</dd>'
            '<dt title="a better label">%s</dt><dd>%s</dd>'
        ) % (
            markup.escape(findings.labels[photo.label_index]),
            markup.percent(doubt.score),
            markup.escape(findings.labels[doubt.predicted]),
            markup.percent(doubt.predicted_score),
        )
        cards.append(_item(photo, exif_rotation, facts))
    return (
        '<h2>Doubtful labels</h2>\n<p class="note">%s, the most doubtful first. Scores are of '
        'a model that was trained on other photos, of <span class="key wrong">the label</span> '
        '<span class="key">a better one</span></p>\n<ul class="losses">\n%s\n</ul>'
        % (_shown(len(doubts), _DOUBTS, 'photos'), '\n'.join(cards))
    )


def _item(photo, exif_rotation, facts):
    return (
        '<li><div class="photo">%s</div><dl>%s</dl><div class="file" title="%s">%s</div></li>'
        % (
            report_photos.thumbnail(photo, exif_rotation),
            facts,
            markup.escape(photo.path),
            markup.escape(photo.file_name),
        )
    )


def _shown(count, most, what):
    return 'All %d %s' % (count, what) if count <= most else '%d of %d %s' % (most, count, what)


def _classes(findings):
    counts = collections.Counter((each.label_index, each.category) for each in findings.photos)
    rows = []
    for index, label in enumerate(findings.labels):
        each = [counts[index, category] for category in split_lib.CATEGORIES]
        cells = ''.join('<td>%d</td>' % count for count in [sum(each)] + each)
        rows.append('<tr><th scope="row">%s</th>%s</tr>' % (markup.escape(label), cells))
    return markup.table('Classes', '', ['Class', 'Photos', *split_lib.CATEGORIES], rows)
