"""HTML that the sections of the report share. No TensorFlow here."""

import html
import os

import numpy as np

from scripts.common import encodings, files, intervals

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


def write_page(path, title, sections):
    """Writes a page that needs nothing from outside.

    Args:
      path: of the file to write.
      title: str, text.
      sections: list of str, HTML; empty ones are left out.

    Raises:
      UserError: it cannot be written.
    """
    body = '\n'.join(section for section in sections if section)
    page = _PAGE % {'title': escape(title), 'style': style(), 'body': body}
    # A file's name need not be UTF-8.
    files.write(path, encodings.as_utf8(page).encode('utf-8', 'backslashreplace'))


def style():
    """Returns the style sheet of our pages."""
    with open(_STYLE, encoding='utf-8') as file:
        return file.read()


def tiles(rows):
    """Returns large figures side by side.

    Args:
      rows: triples of HTML: the name of a figure, the figure, and what to say of it.
    """
    return '<dl class="tiles">\n%s\n</dl>' % '\n'.join(
        '<div><dt>%s</dt><dd>%s<small>%s</small></dd></div>' % row for row in rows
    )


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
