"""The trials of a search as CSV and as sections of the report. No TensorFlow here."""

import csv
import io

from scripts.evaluation import markup
from scripts.searching import space

_COLUMNS = ('trial', 'result', 'loss', 'accuracy', 'seconds')
_BEST = 60  # That the report shows.


def as_csv(rows):
    """Returns `study.Row`s as CSV, bytes: a column for each flag of retrain that one has."""
    names = sorted({name for row in rows for name in row.flags or ()})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow([*_COLUMNS, *names])
    for row in rows:
        flags = row.flags or {}
        writer.writerow(
            [
                row.number,
                row.why or 'complete',
                '' if row.loss is None else '%.4f' % row.loss,
                '' if row.accuracy is None else '%.4f' % row.accuracy,
                '%.1f' % row.seconds,
                *(flags.get(name, '') for name in names),
            ]
        )
    return text.getvalue().encode('utf-8', 'surrogateescape')


def sections(rows, importances):
    """Returns sections of the report, as HTML: the best trials, and what mattered.

    Args:
      rows: list of `study.Row`.
      importances: a dict from the names of settings to numbers that add up to 1; may be empty.
    """
    return [_trials(rows), _importances(importances)]


def _trials(rows):
    complete = [row for row in rows if row.loss is not None]
    best = sorted(complete, key=lambda row: row.loss)[:_BEST]
    cells = [
        '<tr><th scope="row">%d</th><td>%.3f</td><td>%s</td><td>%.0f</td><td>%s</td></tr>'
        % (
            row.number,
            row.loss,
            markup.percent(row.accuracy),
            row.seconds,
            ' '.join(
                '<code>%s</code>' % markup.escape(flag)
                for flag in space.as_typed(space.telling(row.flags))
            ),
        )
        for row in best
    ]
    note = (
        '%d of %d trials came to their end; the others were among the worst, or there was no time '
        'for them. The loss is the cross entropy of all validation photos, at the temperature that '
        'suits the trial. The first trial is taken whose loss is not more than one standard error '
        'of the difference above the lowest, since the lowest of many is low by chance.'
        % (len(complete), len(rows))
    )
    headers = ['Trial', 'Loss', 'Accuracy', 'Seconds', 'Flags of retrain']
    return _table('Trials', note, headers, cells, 'trials')


def _importances(importances):
    if not importances:
        return ''
    note = 'How much of the differences between trials each setting explains.'
    cells = [
        '<tr><th scope="row">%s</th><td>%s</td></tr>'
        % (markup.escape(name.replace('_', ' ')), markup.percent(value))
        for name, value in importances.items()
    ]
    return _table('What mattered', note, ['Setting', 'Importance'], cells)


def _table(title, note, headers, cells, kind=''):
    table = markup.table(title, kind, headers, cells)
    return table.replace('</h2>\n', '</h2>\n<p class="note">%s</p>\n' % note, 1)
