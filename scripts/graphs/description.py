"""The description that a finished graph carries, so that nothing downstream has to guess.

The attribute `_classifier` of the output node holds the bytes of one JSON object: the fields of
`Description`, and `version`. TensorFlow ignores attributes whose names begin with an
underscore, and `optimize_for_inference` keeps those of the output node. There is no date in it: two
runs of one environment write the same bytes.
"""

import json
import logging
import math
import typing

from scripts.common import untrusted

_LOG = logging.getLogger(__name__)

_ATTRIBUTE = '_classifier'
_VERSION = 1
_MOST_PIXELS_A_SIDE = 2**14

LEFT_OUT = ''  # For a folder that there was.

Channels = typing.Union[float, typing.Tuple[float, float, float]]


class Input(typing.NamedTuple):
    """How the graph is fed: float32 `[batch, height, width, channels]`, `(pixel - mean) / std`.

    name: of the node.
    mean, std: one number, or one for each of red, green and blue.
    exif_rotation: 'apply' where photos are rotated as their EXIF data asks, else 'ignore'.
    channels: 3, RGB, or 1, grey.
    decode: 'fast' where JPEGs are decoded at a part of their size if that is enough, else 'exact'.
    """

    name: str
    height: int
    width: int
    mean: Channels
    std: Channels
    exif_rotation: str
    channels: int = 3
    decode: str = 'exact'


class Network(typing.NamedTuple):
    """The pretrained network.

    fingerprint: the SHA-256 of its file in hex.
    bottleneck: the name of the node that gives the bottleneck, where the graph is the network alone
      and its importer knows; else None.
    """

    name: str
    fingerprint: str
    bottleneck: typing.Optional[str] = None


class Photos(typing.NamedTuple):
    """The photos that the graph was trained on, and how they were split.

    image_dir: the folder as typed in training, a part of the split by path; None: left out.
    split_key: 'path' or 'name'.
    testing_percentage, validation_percentage: 0 to 100.
    image_extensions: of the files that counted, such as 'jpg'.
    test_dir: the folder of all test photos, or LEFT_OUT; None: they were of image_dir.
    groups: the SHA-256 in hex of the file of groups that the split kept together, or None.
    """

    image_dir: typing.Optional[str]
    split_key: str
    testing_percentage: float
    validation_percentage: float
    image_extensions: typing.Tuple[str, ...]
    test_dir: typing.Optional[str] = None
    groups: typing.Optional[str] = None


class Test(typing.NamedTuple):
    """Accuracy on the test photos, 0 to 1, and how many they were."""

    accuracy: float
    photos: int


class Description(typing.NamedTuple):
    """The description of a graph.

    labels: str, in the order of the scores; empty in the graph of a network that was imported.
    photos: None in such a graph.
    test: None where there was no test photo, or training had not finished.
    tensorflow: the version that trained it.
    """

    labels: typing.Tuple[str, ...]
    input: Input
    network: Network
    photos: typing.Optional[Photos]
    test: typing.Optional[Test]
    tensorflow: str


class Described(typing.NamedTuple):
    """The name of a graph's output node, and the `Description` there."""

    output_name: str
    description: Description


def attach(graph_def, output_name, description):
    """Adds a `Description` to the output node of a GraphDef, which is changed."""
    node = next(node for node in graph_def.node if node.name == output_name)
    node.attr[_ATTRIBUTE].s = to_json(description)


def copy(before, after):
    """Gives the nodes of `after`, a GraphDef that is changed, the descriptions in `before`."""
    values = {node.name: node.attr[_ATTRIBUTE] for node in before.node if _ATTRIBUTE in node.attr}
    for node in after.node:
        if node.name in values:
            node.attr[_ATTRIBUTE].CopyFrom(values[node.name])
        elif _ATTRIBUTE in node.attr:  # A copy of what was the output node.
            del node.attr[_ATTRIBUTE]


def find(graph_def):
    """Returns the description in a GraphDef as `Described`, or None.

    An unreadable description is a warning, and so are two of them.
    """
    nodes = [node for node in graph_def.node if _ATTRIBUTE in node.attr]
    if not nodes:
        return None
    if len(nodes) > 1:
        _LOG.warning(
            'the graph has descriptions at the nodes %s and %s: neither is used; pass labels and '
            'input settings as flags',
            nodes[0].name,
            nodes[1].name,
        )
        return None
    try:
        return Described(nodes[0].name, _from_json(nodes[0].attr[_ATTRIBUTE].s))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        _LOG.warning(
            'the description of the graph, at the node %s, is corrupt or was written by a '
            'newer version of this program, and is ignored (%s: %s)',
            nodes[0].name,
            type(error).__name__,
            error,
        )
        return None


def to_json(description):
    """Returns a `Description` as the bytes of a JSON object, in ASCII."""

    def plain(value):
        if hasattr(value, '_asdict'):
            fields = value._asdict()
            for name, default in _OMITTED.get(type(value), {}).items():
                if fields[name] == default:
                    del fields[name]
            return {name: plain(each) for name, each in fields.items()}
        return value

    text = json.dumps(dict(plain(description), version=_VERSION), sort_keys=True)
    return text.encode('ascii')


def _from_json(data):
    """Returns the `Description`; raises ValueError, TypeError or KeyError where it is none."""
    value = untrusted.from_json(data.decode('ascii'))
    if value['version'] != _VERSION:
        raise ValueError('version %r' % value['version'])
    description = _read(Description, value)
    if bool(description.labels) != (description.photos is not None):
        raise ValueError('labels without photos, or photos without labels')
    return description


def _read(kind, value):
    """Returns a named tuple of a JSON object; each field goes through its reader."""
    value = dict(_OMITTED.get(kind, {}), **value)
    return kind(**{name: reader(value[name]) for name, reader in _READERS[kind].items()})


def _reader(kind):
    return lambda value: _read(kind, value)


def _optional(reader):
    return lambda value: None if value is None else reader(value)


def _text(value):
    if not isinstance(value, str) or not value:
        raise ValueError('%r is not text' % (value,))
    return value


def _folder(value):
    return value if value == LEFT_OUT else _text(value)


def _texts(value):
    if not isinstance(value, list):
        raise ValueError('%r is not a list' % (value,))
    return tuple(_text(each) for each in value)


def _some_texts(value):
    if not value:
        raise ValueError('%r is empty' % (value,))
    return _texts(value)


def _one_of(*choices):
    def read(value):
        if value not in choices or type(value) is not type(choices[0]):
            raise ValueError('%r is not one of %s' % (value, ', '.join(map(str, choices))))
        return value

    return read


def _number(lowest, highest, kinds=(int, float)):
    def read(value):
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            raise ValueError('%r is not a number' % (value,))
        if not lowest <= value <= highest:
            raise ValueError('%r is not from %g to %g' % (value, lowest, highest))
        return value

    return read


def _channels(value):
    number = _number(-1e6, 1e6)
    if not isinstance(value, list):
        return number(value)
    if len(value) != 3:
        raise ValueError('%r does not have 3 channels' % (value,))
    return tuple(number(each) for each in value)


def _divisor(value):
    result = _channels(value)
    if 0 in (result if isinstance(result, tuple) else (result,)):
        raise ValueError('a std of 0')
    return result


# Fields that came later: they are left out where they hold these, so that the bytes stay.
_OMITTED = {
    Input: {'channels': 3, 'decode': 'exact'},
    Network: {'bottleneck': None},
    Photos: {'test_dir': None, 'groups': None},
}

_PIXELS = _number(1, _MOST_PIXELS_A_SIDE, int)
_PERCENT = _number(0, 100)

_READERS = {
    Input: {
        'name': _text,
        'height': _PIXELS,
        'width': _PIXELS,
        'mean': _channels,
        'std': _divisor,
        'exif_rotation': _one_of('ignore', 'apply'),
        'channels': _one_of(1, 3),
        'decode': _one_of('exact', 'fast'),
    },
    Network: {'name': _text, 'fingerprint': _text, 'bottleneck': _optional(_text)},
    Photos: {
        'image_dir': _optional(_text),
        'split_key': _one_of('path', 'name'),
        'testing_percentage': _PERCENT,
        'validation_percentage': _PERCENT,
        'image_extensions': _some_texts,
        'test_dir': _optional(_folder),
        'groups': _optional(_text),
    },
    Test: {'accuracy': _number(0, 1), 'photos': _number(1, 2**53, int)},
}
_READERS[Description] = {
    'labels': _texts,
    'input': _reader(Input),
    'network': _reader(Network),
    'photos': _optional(_reader(Photos)),
    'test': _optional(_reader(Test)),
    'tensorflow': _text,
}
