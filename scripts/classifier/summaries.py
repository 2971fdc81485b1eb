"""The folder of TensorBoard summaries."""

import os
import shutil

from scripts.errors import UserError

_EVENT_FILE = 'events.out.tfevents.'


def check_dir(summaries_dir):
    """Raises UserError unless `summaries_dir` may be emptied: it holds nothing but summaries."""
    if os.path.lexists(summaries_dir) and not os.path.isdir(summaries_dir):
        raise UserError('--summaries_dir=%s is a file, expected a folder' % summaries_dir)
    for folder, _, names in os.walk(summaries_dir):
        for name in names:
            if _EVENT_FILE not in name and not name.startswith('.'):
                raise UserError(
                    '--summaries_dir=%s is emptied at the start, and it holds %s, which '
                    'is no TensorBoard file: move it or choose another folder'
                    % (summaries_dir, os.path.join(folder, name))
                )


def empty_dir(summaries_dir):
    """Removes the summaries of earlier runs and makes the folder where it is missing."""
    try:
        if os.path.isdir(summaries_dir):
            for name in os.listdir(summaries_dir):
                path = os.path.join(summaries_dir, name)
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
        os.makedirs(summaries_dir, exist_ok=True)
    except OSError as error:
        raise UserError('cannot empty --summaries_dir=%s: %s' % (summaries_dir, error))
