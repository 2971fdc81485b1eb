"""Finding photos by what the user typed: files, folders, globs, comma-separated lists."""

import glob
import logging
import os

from scripts.common.errors import UserError
from scripts.dataset import extensions

_LOG = logging.getLogger(__name__)


def image_paths(names):
    """Returns the paths of the photos that `names` match, each once, in order.

    Args:
      names: list of str; each is a file, a folder (every photo below it, by its extension), a glob,
        or several of these separated by commas. A path that exists as typed is not split.

    Raises:
      UserError: one of them matches nothing.
    """
    paths = []
    for name in names:
        exists = os.path.lexists(name)
        for part in [name] if exists else [part for part in name.split(',') if part]:
            paths.extend(_expand(part))
    if not paths:
        raise UserError('no image given: name a photo, a folder of photos or a glob')
    return list(dict.fromkeys(paths))


def _expand(name):
    if os.path.isdir(name):
        found = _photos_below(name)
        if not found:
            raise UserError(
                'the folder %s has no photos: expected files with the extensions %s'
                % (name, extensions.listed(extensions.DECODED))
            )
        return found
    if os.path.isfile(name):
        return [name]
    found = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
    if not found:
        raise UserError('no image at %s: expected a photo, a folder of photos or a glob' % name)
    return found


def _photos_below(folder):
    photos, others = [], []
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith('.')]
        for name in names:
            extension = extensions.of_file(name).lower()
            if extension in extensions.DECODED and not name.startswith('.'):
                path = os.path.join(place, name)
                # Reading a pipe would block, and some devices never end.
                (photos if os.path.isfile(path) else others).append(path)
    if others:
        _LOG.warning(
            'left out: broken links and special files (%d), such as %s',
            len(others),
            min(others),
        )
    return sorted(photos)
