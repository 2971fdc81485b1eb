"""HTML that the sections of the report share. No TensorFlow here."""

import html

import numpy as np

from scripts.common import intervals


def escape(text):
    """Returns text as HTML, fit for an attribute too."""
    return html.escape(text)


def percent(fraction, decimals=1):
    """Returns a fraction as text: '12.5%'."""
    return '%.*f%%' % (decimals, 100 * fraction)


def interval(right, total):
    """Returns the 95% interval of right / total as text: '40–60%'."""
    return '%.0f–%.0f%%' % tuple(100 * end for end in intervals.wilson(right, total))


def bar(fraction, decimals=1):
    """Returns a cell of a table: a fraction over a bar of that length, or a dash for NaN."""
    if np.isnan(fraction):
        return '<td>–</td>'
    return '<td class="bar" style="--fraction: %.3f">%s</td>' % (
        fraction,
        percent(fraction, decimals),
    )


def table(title, kind, heads, rows):
    """Returns a section that is a table.

    Args:
      title: str.
      kind: the table's class in the style sheet, or ''.
      heads: list of str, of the columns.
      rows: list of str, each an HTML row.
    """
    head = ''.join('<th scope="col">%s</th>' % each for each in heads)
    return (
        '<h2>%s</h2>\n<div class="wide"><table class="figures %s">\n'
        '<thead><tr>%s</tr></thead>\n<tbody>\n%s\n</tbody></table></div>'
        % (title, kind, head, '\n'.join(rows))
    )
