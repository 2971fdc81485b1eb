"""File names in other programs' encodings."""

import sys

from scripts.common.errors import UserError


def as_utf8(text):
    """Returns a text that holds file names as it is on a machine whose file names are UTF-8.

    Elsewhere, such as in a container without a locale under Python 3.6, names that are not ASCII
    come as surrogates, one for each byte; so do bytes that are not UTF-8, everywhere.
    """
    if sys.getfilesystemencoding() == 'utf-8':
        return text
    return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'surrogateescape')


def for_tensorflow(path):
    """Returns a path as TensorFlow's own writers and readers take it: the same without a locale.

    Raises:
      UserError: the path is not UTF-8.
    """
    text = as_utf8(path)
    try:
        text.encode('utf-8')
    except UnicodeEncodeError:
        raise UserError('TensorBoard needs paths in UTF-8, and %s is not: rename it' % path)
    return text
