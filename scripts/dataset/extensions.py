"""File name extensions: which files of a folder are photos, and in which order."""

import re

from scripts.common.errors import UserError

CLASSIC = ('jpg', 'jpeg', 'JPG', 'JPEG')

# Those of the formats that TensorFlow decodes, and of others that photos come in.
DECODED = ('jpg', 'jpeg', 'jpe', 'jfif', 'png', 'gif', 'bmp')
FOREIGN = ('heic', 'heif', 'avif', 'webp', 'tif', 'tiff', 'jp2', 'cr2', 'nef', 'arw', 'dng')

_HEIC = ('heic', 'heif')
FROM_HEIC = (
    'convert such photos to JPEG, for example by heif-convert IN.heic OUT.jpg (Linux, package '
    'libheif-examples) or sips -s format jpeg IN.heic --out OUT.jpg (macOS)'
)


def parse(text):
    """Returns the extensions that `--image_extensions` lists: as `of` gives them, in order.

    Args:
      text: as typed: 'jpg,jpeg,png'; each may have a dot and be in upper case.

    Raises:
      UserError: one is none of DECODED.
    """
    names = [each.strip().lower() for each in text.split(',')]
    for name in names:
        plain = re.sub(r'^\.', '', name)
        if plain in FOREIGN:
            raise UserError(
                '--image_extensions=%s: TensorFlow does not decode %s: %s'
                % (text, plain, how_to_convert(plain))
            )
        if plain not in DECODED:
            raise UserError(
                '--image_extensions=%s: TensorFlow does not decode %r; expected some of %s, '
                'separated by commas' % (text, name, ', '.join(DECODED))
            )
    return of(re.sub(r'^\.', '', name) for name in names)


def of(names):
    """Returns extensions in the classic order: in lower case, then in upper case.

    Args:
      names: extensions in lower case, without dots.
    """
    names = tuple(dict.fromkeys(names))
    return names + tuple(name.upper() for name in names)


def rank(file_name, extensions):
    """Returns the rank of a file among the photos of its folder, or None where it is no photo.

    Mixed case, such as .Jpg, comes last; the classic script ignored it.
    """
    extension = of_file(file_name)
    if extension in extensions:
        return extensions.index(extension)
    return len(extensions) if extension.lower() in extensions else None


def of_file(file_name):
    """Returns the extension of a file's name as it is, without its dot; '' where it has none."""
    return file_name.rpartition('.')[2] if '.' in file_name else ''


def listed(extensions):
    """Returns extensions for a message: '.jpg, .jpeg, .JPG, .JPEG'."""
    return ', '.join('.' + each for each in extensions)


def flag_for(extensions, others):
    """Returns the flag that also includes files with `others`, in lower case."""
    names = [each for each in extensions if each == each.lower()]
    return '--image_extensions=' + ','.join(names + sorted(others))


def how_to_convert(extension):
    """Returns what to do with photos of one of FOREIGN, in lower case."""
    return FROM_HEIC if extension in _HEIC else 'convert such photos to JPEG'
