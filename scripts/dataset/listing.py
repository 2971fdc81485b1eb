"""The photos of a folder, by class, and messages where the folder is not as expected."""

import collections
import logging
import os
import posixpath
import shlex
import typing

from scripts.common.errors import UserError
from scripts.dataset import extensions as extensions_lib

# The flags that folders of classes are given by.
IMAGE_DIR, TEST_DIR = '--image_dir', '--test_dir'

_TRAIN, _TEST = 'train', 'test'  # The folders of a data set that has test photos of its own.
_TEST_LIKE = ('val', 'valid', 'validation')  # What may be meant for one.

# How far to search for the right folder below one without classes.
_DEPTH, _MOST_FOLDERS, _SUGGESTIONS = 3, 1000, 3
_ENOUGH_CLASSES = 2

_LOG = logging.getLogger(__name__)


class _Kind(typing.NamedTuple):
    """A kind of files or folders that are left out, and what to do about them, if anything."""

    what: str
    advice: str = ''


class _Seen:
    """What a folder holds besides photos of classes.

    beside: paths of photos outside of class folders.
    others: a dict from extension, in lower case, to paths of files with other extensions.
    left_out: a dict from the `_Kind` of anything else that is left out to its paths.
    """

    def __init__(self):
        self.beside = []
        self.others = collections.defaultdict(list)
        self.left_out = collections.defaultdict(list)


_NESTED = _Kind('folders inside class folders, with all their files')
_SPECIAL = _Kind('broken links and special files')


def photo_names(image_dir, extensions, flag=IMAGE_DIR):
    """Returns a dict from each class folder's name to its list of photos' names, in order.

    Each kind of files and folders that are left out is a warning.

    Args:
      image_dir: the folder of class folders.
      extensions: as of `extensions.of`.
      flag: by which the folder is given, IMAGE_DIR or TEST_DIR.

    Raises:
      UserError: no such folder, or none with photos in it.
    """
    if not image_dir:
        raise UserError(
            '%s is not set: give the folder that holds one sub-folder of '
            'photos for each class' % flag
        )
    names, seen = {}, _Seen()
    try:
        for entry in _visible(image_dir):
            if _is_dir(entry):
                found = _names_in(entry.path, extensions, seen)
                if found:
                    names[entry.name] = found
            elif _is_decoded(entry.name):
                seen.beside.append(entry.path)
    except FileNotFoundError:
        raise UserError('%s=%s: no such folder' % (flag, image_dir))
    except NotADirectoryError:
        raise UserError(
            '%s=%s is a file, expected a folder of class-named sub-folders' % (flag, image_dir)
        )
    except OSError as error:
        raise UserError(
            '%s=%s: cannot read %s: %s' % (flag, image_dir, error.filename, error.strerror)
        )
    if not names:
        raise UserError(
            '%s=%s has no sub-folder with photos (%s)%s'
            % (
                flag,
                image_dir,
                extensions_lib.listed(extensions),
                _advice(flag, image_dir, extensions, seen) or '; expected one for each class',
            )
        )
    _warn(extensions, seen)
    return names


def train_and_test(image_dir):
    """Returns the folders `train` and `test` in a folder that is made of these two, or None.

    Both hold class folders, and neither they nor other sub-folders hold photos: a folder whose
    classes are called train and test is none. What is beside them is left out, with a warning.

    Args:
      image_dir: the folder, as typed.
    """
    # With a forward slash, as it would be typed: the split depends on it.
    pair = posixpath.join(image_dir, _TRAIN), posixpath.join(image_dir, _TEST)
    if not image_dir or not all(map(os.path.isdir, pair)):
        return None
    try:
        entries = _visible(image_dir)
        folders = [entry.path for entry in entries if _is_dir(entry)]
        if any(map(_has_photos, folders)) or not all(map(_has_photos_below, pair)):
            return None
    except OSError:  # It is told where the classes are listed.
        return None
    photos = [entry.path for entry in entries if _is_decoded(entry.name)]
    left_out = {*folders, *photos} - {os.path.join(image_dir, name) for name in (_TRAIN, _TEST)}
    if left_out:
        _LOG.warning(
            'left out: folders and photos beside %s (%d), such as %s',
            ' and '.join(pair),
            len(left_out),
            min(left_out),
        )
    return pair


def did_you_mean(folder, flag=IMAGE_DIR):
    """Returns '; did you mean --image_dir=...?' with folders of classes below one, or ''."""
    found = _folders_of_classes(folder)
    train, test, *others = (os.path.join(folder, each) for each in (_TRAIN, _TEST, *_TEST_LIKE))
    meant = [each for each in others if each in found]
    if flag == IMAGE_DIR and meant and train in found and test not in found:
        pair = shlex.quote(train), shlex.quote(meant[0])
        return '; did you mean --image_dir=%s --test_dir=%s?' % pair
    return _question(flag, found)


def _names_in(folder, extensions, seen):
    # The classic order is the file system's. Sorted within each extension, a copy of the folder on
    # another disk trains the same network from the same seed.
    ranked = []
    for entry in _visible(folder):
        rank = extensions_lib.rank(entry.name, extensions)
        if _is_dir(entry):
            seen.left_out[_NESTED].append(entry.path)
        elif rank is None:
            extension = extensions_lib.of_file(entry.name).lower()
            seen.others[extension].append(entry.path)
        elif _is_file(entry):
            ranked.append((rank, entry.name))
        else:
            seen.left_out[_SPECIAL].append(entry.path)
    if not ranked:
        wanted = extensions_lib.listed(extensions)
        seen.left_out[_Kind('folders without photos (%s)' % wanted)].append(folder)
    return [name for _, name in sorted(ranked)]


def _warn(extensions, seen):
    """Warns of what is left out, in one line for each kind."""
    left_out = collections.defaultdict(list, seen.left_out)
    left_out[_Kind('photos outside of class folders')] = seen.beside
    for extension, paths in seen.others.items():
        if extension in extensions_lib.DECODED:
            flag = extensions_lib.flag_for(extensions, [extension])
            kind = _Kind('files with the extension .' + extension, '; %s includes them' % flag)
        elif extension in extensions_lib.FOREIGN:
            how = extensions_lib.how_to_convert(extension)
            kind = _Kind(extension.upper() + ' files', '; ' + how)
        else:
            kind = _Kind('files without the extensions ' + extensions_lib.listed(extensions))
        left_out[kind] += paths
    for kind, paths in sorted(left_out.items()):
        if paths:
            _LOG.warning(
                'left out: %s (%d), such as %s%s', kind.what, len(paths), min(paths), kind.advice
            )


def _advice(flag, folder, extensions, seen):
    """Returns what to do about a folder without classes, as the end of a sentence, or None."""
    if seen.beside:
        return _advice_on_photos(flag, folder, len(seen.beside))
    decoded = [each for each in seen.others if each in extensions_lib.DECODED]
    if decoded:
        return '; %d files have the extension %s: include them with %s' % (
            sum(len(seen.others[each]) for each in decoded),
            ' or '.join('.' + each for each in sorted(decoded)),
            extensions_lib.flag_for(extensions, decoded),
        )
    foreign = [each for each in seen.others if each in extensions_lib.FOREIGN]
    if foreign:
        most = max(foreign, key=lambda each: len(seen.others[each]))
        count, how = len(seen.others[most]), extensions_lib.how_to_convert(most)
        return '; %d files are %s: %s' % (count, most.upper(), how)
    return did_you_mean(folder, flag) or None


def _advice_on_photos(flag, folder, count):
    above = os.path.dirname(folder.rstrip(os.sep))
    if os.path.basename(folder.rstrip(os.sep)) in (os.curdir, os.pardir):
        above = os.path.join(folder, os.pardir)
    if os.path.normpath(folder) == os.curdir:
        above = os.pardir
    above = above or os.curdir
    if _has_classes(above):
        return _question(flag, [above])
    return (
        '; expected one for each class, and %d photos are directly in it: put those of each '
        'class into one' % count
    )


def _question(flag, folders):
    if not folders:
        return ''
    flags = ['%s=%s' % (flag, shlex.quote(folder)) for folder in folders]
    return '; did you mean %s?' % ' or '.join(
        [', '.join(flags[:-1])] * (len(flags) > 1) + flags[-1:]
    )


def _has_classes(folder):
    """Returns whether a folder has sub-folders of photos."""
    return folder in _folders_of_classes(folder, depth=1)


def _folders_of_classes(top, depth=_DEPTH):
    """Returns the first few folders, at most `depth` deep, with several sub-folders of photos."""
    classes, waiting = collections.Counter(), collections.deque([(top, 0)])
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            break
        folder, level = waiting.popleft()
        try:
            entries = sorted(_visible(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        if level and any(_is_decoded(entry.name) for entry in entries):
            classes[os.path.dirname(folder)] += 1
        elif level <= depth:
            waiting.extend((each.path, level + 1) for each in entries if _is_dir(each))
    found = [folder for folder, count in classes.items() if count >= _ENOUGH_CLASSES]
    return sorted(found)[:_SUGGESTIONS]


def _has_photos_below(folder):
    """Returns whether a sub-folder of a folder has photos."""
    entries = _visible(folder)
    return any(_has_photos(entry.path) for entry in entries if _is_dir(entry))


def _has_photos(folder):
    return any(_is_decoded(entry.name) for entry in _visible(folder))


# Reading a folder tells what is a link, a folder or a file. Links are followed by path: the entry's
# own functions fail on a loop of links.
def _is_dir(entry):
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _is_file(entry):
    return os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()


def _visible(folder):
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith('.')]


def _is_decoded(name):
    return extensions_lib.of_file(name).lower() in extensions_lib.DECODED
