"""Features in Parquet files: the form in which a cluster leaves them, and what all have in common.

A folder holds:

    _about.json          what all features have in common, an `About`
    _complete.json       the `Complete`, as soon as every photo is there
    table=features/      Parquet files with the columns of COLUMNS; `why` is null
    table=unreadable/    the same of unreadable photos: `why` says what is wrong, `features` is null

So all of it reads as one table with the column `table`, too. The rows are in no order. A photo may
be there twice where compacting was stopped; the rows are equal then. The files are untrusted input.
"""

import json
import typing

from scripts.common import untrusted
from scripts.common.errors import UserError

ABOUT, COMPLETE = '_about.json', '_complete.json'
TABLE, FEATURES, UNREADABLE = 'table', 'features', 'unreadable'

# The columns and their types, in the words of SQL. `bytes` and `modified`, microseconds since 1970,
# tell a photo from another version of it; `fingerprint` is the backbone's.
COLUMNS = (
    ('path', 'string'),
    ('label', 'string'),
    ('category', 'string'),
    ('bytes', 'bigint'),
    ('modified', 'bigint'),
    ('fingerprint', 'string'),
    ('features', 'array<float>'),
    ('why', 'string'),
)

# The flags of `scripts.retrain` that say which photos there are, and which network it is.
FLAGS_OF_PHOTOS = (
    'image_dir',
    'test_dir',
    'testing_percentage',
    'validation_percentage',
    'split_key',
    'image_extensions',
)
FLAGS_OF_NETWORK = (
    'architecture',
    'exif_rotation',
    'decode',
    'input_layer',
    'bottleneck_layer',
    'input_height',
    'input_width',
    'input_mean',
    'input_std',
)

_TEXTS = ('image_dir', 'split_key', 'image_extensions', 'architecture', 'exif_rotation', 'decode')
_PERCENTAGES = ('testing_percentage', 'validation_percentage')

_VERSION = 1
_MOST_NUMBERS = 1 << 24  # Of the features of a photo.


class About(typing.NamedTuple):
    """What the features of a folder have in common.

    fingerprint: of the backbone.
    shape: of the features of a photo.
    flags: a dict from FLAGS_OF_PHOTOS and FLAGS_OF_NETWORK to values.
    groups: the SHA-256 in hex of the file of groups that the split kept together, or None.
    """

    fingerprint: str
    shape: typing.Tuple[int, ...]
    flags: typing.Dict[str, typing.Any]
    groups: typing.Optional[str] = None


class Complete(typing.NamedTuple):
    """What there is when every photo is there.

    labels: list of str, in order.
    photos: how many have features.
    unreadable: how many have none.
    """

    labels: typing.List[str]
    photos: int
    unreadable: int


def to_json(value):
    """Returns an `About` or a `Complete` as bytes."""
    text = json.dumps(dict(value._asdict(), version=_VERSION), indent=2, sort_keys=True)
    return (text + '\n').encode('ascii')


def about_of(data, path):
    """Returns the `About` that the bytes of the file at a path hold; raises UserError."""

    def read(fields):
        shape = tuple(fields['shape'])
        _require(shape and all(type(each) is int and each > 0 for each in shape))
        numbers = 1
        for each in shape:
            numbers *= each
            _require(numbers <= _MOST_NUMBERS)
        _require(isinstance(fields['fingerprint'], str) and isinstance(fields['flags'], dict))
        _require(isinstance(fields['groups'], (str, type(None))))
        flags = {name: _value(each) for name, each in fields['flags'].items()}
        _require(set(flags) == {*FLAGS_OF_PHOTOS, *FLAGS_OF_NETWORK})
        _require(all(isinstance(flags[name], str) for name in _TEXTS))
        _require(isinstance(flags['test_dir'], (str, type(None))))
        _require(all(type(flags[name]) in (int, float) for name in _PERCENTAGES))
        return About(fields['fingerprint'], shape, flags, fields['groups'])

    return _parse(data, path, read)


def complete_of(data, path):
    """Returns the `Complete` that the bytes of the file at a path hold; raises UserError."""

    def read(fields):
        labels, counts = fields['labels'], (fields['photos'], fields['unreadable'])
        _require(isinstance(labels, list) and all(isinstance(each, str) for each in labels))
        _require(all(type(each) is int and each >= 0 for each in counts))
        return Complete(labels, *counts)

    return _parse(data, path, read)


def difference(about, other):
    """Returns how an `About` differs from the other of the same folder, as text; '' for not."""
    for name in sorted(set(about.flags) | set(other.flags)):
        values = [each.flags.get(name) for each in (about, other)]
        if values[0] != values[1]:
            return '--%s=%s, not %s' % (name, *values)
    if about.fingerprint != other.fingerprint or about.shape != other.shape:
        return 'another network (fingerprint %.12s, not %.12s)' % (
            about.fingerprint,
            other.fingerprint,
        )
    return '' if about.groups == other.groups else 'another file of --groups'


def _value(value):
    """Returns the value of a flag: a number for each channel is a tuple."""
    if isinstance(value, list):
        _require(all(isinstance(each, float) for each in value))
        return tuple(value)
    _require(isinstance(value, (str, int, float, type(None))))
    return value


def _parse(data, path, read):
    try:
        fields = untrusted.from_json(data.decode('utf-8'))
        _require(fields['version'] == _VERSION)
        return read(fields)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(
            '%s is corrupt, or a newer version of this program wrote it: compute the features '
            'anew, into another folder' % path
        )


def _require(condition):
    if not condition:
        raise ValueError
