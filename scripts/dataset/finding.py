"""Finding photos by what a person typed: files, folders, globs, lists with commas."""

import glob
import os

from scripts.errors import UserError

_ENDINGS = ('.jpg', '.jpeg', '.png', '.gif', '.bmp')


def image_paths(names):
    """Returns the paths of the photos that `names` stand for, each once, in order.

    Args:
      names: list of str; each is a file, a folder (every photo below it, by its ending), a glob, or
        several of these with commas between them. What exists as it is typed is taken so.

    Raises:
      UserError: one of them stands for nothing.
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
                'the folder %s has no photos: expected files that end in %s'
                % (name, ', '.join(_ENDINGS))
            )
        return found
    if os.path.isfile(name):
        return [name]
    found = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
    if not found:
        raise UserError('no image at %s: expected a photo, a folder of photos or a glob' % name)
    return found


def _photos_below(folder):
    return sorted(
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_ENDINGS) and not name.startswith('.')
    )
