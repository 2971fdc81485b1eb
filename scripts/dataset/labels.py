"""Labels: from folder names, and as the text file that goes with a graph."""

import logging
import os
import re

from scripts.common import encodings, files
from scripts.common.errors import UserError

_LOG = logging.getLogger(__name__)


def label_of(folder):
    """Returns a folder's label: lower case, each run of other characters than a-z0-9 one space.

    Raises:
      UserError: nothing would be left of the name.
    """
    label = re.sub(r'[^a-z0-9]+', ' ', encodings.as_utf8(folder).lower())
    if not label.strip():
        raise UserError(
            'the folder name %r holds no letter a-z and no digit, so no label is left '
            'of it: rename the folder' % folder
        )
    return label


def path_beside(path):
    """Returns where the labels of a TensorFlow Lite file at `path` are written."""
    return os.path.splitext(path)[0] + '_labels.txt'


def write(labels, path):
    """Writes one label a line."""
    files.write(path, ''.join(label + '\n' for label in labels).encode('utf-8'))


def check_replaceable(path, labels):
    """Raises UserError where there are other labels at `path` than the given ones."""
    if not os.path.isfile(path):
        return
    lines = files.read(path, 'labels file').decode('utf-8', 'replace').splitlines()
    present = [line.strip() for line in lines]
    if any(present) and present != [label.strip() for label in labels]:
        raise UserError(
            '%s would be replaced by the labels of this training (%s), and holds others: move it '
            'or choose another name' % (path, ', '.join(shortened(labels)))
        )


def read(path):
    """Returns the list of labels in the file at `path`, one a line.

    Raises:
      UserError: the file cannot be read, is not text, or has no label in some line.
    """
    try:
        text = files.read(path, 'labels file').decode('utf-8-sig')
    except UnicodeDecodeError:
        raise UserError('%s is not a labels file: expected UTF-8 text, one label a line' % path)
    labels = [line.strip() for line in re.split('\r\n|\r|\n', text.rstrip())]
    labels = labels if any(labels) else []
    if not labels:
        raise UserError('%s holds no labels: expected one label a line' % path)
    if '' in labels:
        raise UserError(
            'line %d of %s is empty, and labels count by lines: write the label there, or take the '
            'line out' % (labels.index('') + 1, path)
        )
    lines = {}  # Not list.count: of as many labels as some files hold, that takes minutes.
    for number, label in enumerate(labels, 1):
        lines.setdefault(label, []).append(str(number))
    twice = next((label for label in lines if len(lines[label]) > 1), None)
    if twice is not None:
        same = ' and '.join(shortened(lines[twice]))
        _LOG.warning('lines %s of %s are the same label: %s', same, path, twice)
    return labels


def shortened(labels, most=6):
    """Returns a list of labels for a message, with '...' in the place of those after the first."""
    return list(labels) if len(labels) <= most else list(labels[: most - 1]) + ['...']
