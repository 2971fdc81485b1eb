"""Labels: from folder names, and as the text file that goes with a graph."""

import collections
import logging
import os
import re

from scripts.common import encodings, files
from scripts.common.errors import UserError

_LOG = logging.getLogger(__name__)


def label_of(folder):
    """Returns a folder's label: lower case, each run of characters outside a-z0-9 as one space.

    Raises:
      UserError: the name has no such character.
    """
    label = re.sub(r'[^a-z0-9]+', ' ', encodings.as_utf8(folder).lower())
    if not label.strip():
        raise UserError(
            'the folder name %r has no letter a-z and no digit, so its label would be '
            'empty: rename the folder' % folder
        )
    return label


def path_beside(path):
    """Returns where the labels of a TensorFlow Lite file at `path` are written."""
    return os.path.splitext(path)[0] + '_labels.txt'


def write(labels, path):
    """Writes one label a line."""
    files.write(path, ''.join(label + '\n' for label in labels).encode('utf-8'))


def check_replaceable(path, labels):
    """Raises UserError where the file at `path` holds labels other than `labels`."""
    if not os.path.isfile(path):
        return
    lines = files.read(path, 'labels file').decode('utf-8', 'replace').splitlines()
    present = [line.strip() for line in lines]
    if any(present) and present != [label.strip() for label in labels]:
        raise UserError(
            '%s holds other labels than those of this training (%s), which would replace them: '
            'move it or choose another name' % (path, ', '.join(shortened(labels)))
        )


def read(path):
    """Returns the list of labels in the file at `path`, one a line.

    Raises:
      UserError: the file is unreadable, is not text, or has an empty line.
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
            "line %d of %s is empty, and a label's index is its line: write the label there, or "
            'delete the line' % (labels.index('') + 1, path)
        )
    counts = collections.Counter(labels)  # Not list.count: of many labels, that takes minutes.
    twice = next((label for label in labels if counts[label] > 1), None)
    if twice is not None:
        lines = [str(number) for number, label in enumerate(labels, 1) if label == twice]
        same = ' and '.join(shortened(lines))
        _LOG.warning('lines %s of %s are the same label: %s', same, path, twice)
    return labels


def shortened(labels, most=6):
    """Returns a list of labels for a message, with '...' for those after the first."""
    return list(labels) if len(labels) <= most else list(labels[: most - 1]) + ['...']
