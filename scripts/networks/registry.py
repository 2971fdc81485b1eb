"""The registry of pretrained networks, as data.

Addresses, tensor names and sizes are those of Google's archives: MobileNet v1 of June 2017
(https://github.com/tensorflow/models, research/slim/nets/mobilenet_v1.md) and Inception v3 of
December 2015. Checksums were computed from the archives; where one was not available, it is
None and only the unpacked graph is checked.
"""

import difflib
import hashlib
import os
import re
import types
import typing

from scripts.common import encodings, files
from scripts.common.errors import UserError
from scripts.images.settings import APPLY, Channels, PixelSpec

DOWNLOAD_ROOT = 'https://download.tensorflow.org/models/'

_SHA256 = {
    'mobilenet_v1_0.25_128': '30af63cf9039861bc03f86c7b8092fab754d51b27f042830c456ddbfa2b72fce',
    'mobilenet_v1_0.25_160': '2b2eb36110bc63f4cf749ef114063f45651be7e9d9eacb315eeedc023ab8a2f5',
    'mobilenet_v1_0.25_192': 'a3872bf6231336e3e66778e95a2b6abf88d26cbaf3e772c6ea6ec2a422b95be6',
    'mobilenet_v1_0.25_224': '1cddeede49eb35af36061aaa66bf643b81f7ea89abc85f6ffef8f0bf00891756',
}

SAMPLE = 'sample'

# The graphs that are a part of this repository.
EMBEDDED_MODEL_DIR = os.path.normpath(
    os.path.join(os.path.dirname(__file__), os.pardir, os.pardir, 'tf_files', 'models')
)


class Given(typing.NamedTuple):
    """What a user says of a network, in place of its row or of what is found; None: nothing.

    The fields are the flags of `scripts.retrain` of the same names.
    """

    input_layer: typing.Optional[str] = None
    bottleneck_layer: typing.Optional[str] = None
    input_height: typing.Optional[int] = None
    input_width: typing.Optional[int] = None
    input_mean: typing.Optional[Channels] = None
    input_std: typing.Optional[Channels] = None


class Network(typing.NamedTuple):
    """One pretrained network.

    What is None in a row, fields of `pixels` included, `backbone.load` finds: in the description
    that the graph carries, or in its nodes. The network of a `Backbone` is complete.

    name: the value of `--architecture`, and a part of the names of bottleneck files.
    graph_file: the frozen graph's path below the model folder, or an absolute one.
    archive: its whole address, or the path below DOWNLOAD_ROOT: a .tgz, or the graph itself; None:
      there is none, and the graph stands in the model folder or is embedded.
    checksum: the archive's SHA-256 or SHA-384 in hex, or None where it is unknown.
    input_name: the node that is fed.
    bottleneck_name: the node whose output, `[batch, bottleneck_length]`, is the bottleneck. It may
      be `[batch, 1, 1, bottleneck_length]` in a row.
    output_name: the node by which the bottleneck is found, where a row has no bottleneck_name.
    checked: whether the names of nodes were checked against the real file.
    recipe: a mapping from flags of training to the values that suit the network.
    classic: whether text files of bottlenecks without a record are used: the classic script and
      earlier versions wrote such files.
    given: the `Given`.
    variant: 8 hex digits where what is given makes other bottlenecks than those of the name.
    """

    name: str
    graph_file: str
    archive: typing.Optional[str]
    checksum: typing.Optional[str]
    input_name: typing.Optional[str]
    bottleneck_name: typing.Optional[str]
    bottleneck_length: typing.Optional[int]
    pixels: PixelSpec
    output_name: typing.Optional[str] = None
    checked: bool = True
    recipe: typing.Mapping[str, typing.Any] = types.MappingProxyType({})
    classic: bool = False
    given: Given = Given()
    variant: str = ''

    @property
    def cache_name(self):
        """The name in the names of files of features."""
        # Bottlenecks of turned photos stand beside the classic ones, never in their place.
        name = self.name + ('_exif' if self.pixels.exif_rotation == APPLY else '')
        return name + ('_' + self.variant if self.variant else '')


def _mobilenet(width, size, quantized):
    stem = 'mobilenet_v1_%s_%d' % (width, size)
    return Network(
        name='mobilenet_%s_%d%s' % (width, size, '_quantized' if quantized else ''),
        graph_file='%s/%s_graph.pb' % (stem, 'quantized' if quantized else 'frozen'),
        archive='%s_frozen.tgz' % stem,
        checksum=_SHA256.get(stem),
        input_name='input',
        bottleneck_name='MobilenetV1/Predictions/Reshape',
        bottleneck_length=1001,
        pixels=PixelSpec(size, size, 127.5, 127.5),
        classic=True,
    )


_INCEPTION_V3 = Network(
    name='inception_v3',
    graph_file='classify_image_graph_def.pb',
    archive='image/imagenet/inception-2015-12-05.tgz',
    checksum=None,
    input_name='Mul',
    bottleneck_name='pool_3/_reshape',
    bottleneck_length=2048,
    pixels=PixelSpec(299, 299, 128, 128),
    classic=True,
)

# A part of this repository, for use offline; see scripts/sample.
_SAMPLE_NETWORK = Network(
    name=SAMPLE,
    graph_file='sample/frozen_graph.pb',
    archive=None,
    checksum=None,
    input_name='input',
    bottleneck_name='MobilenetV1/Predictions/Reshape',
    bottleneck_length=220,
    pixels=PixelSpec(96, 96, 127.5, 127.5),
    classic=True,
)

_WIDTHS = ('1.0', '0.75', '0.50', '0.25')
NETWORKS = {
    network.name: network
    for network in [_INCEPTION_V3, _SAMPLE_NETWORK]
    + [
        _mobilenet(width, size, quantized)
        for width in _WIDTHS
        for size in (224, 192, 160, 128)
        for quantized in (False, True)
    ]
}


# The words that names begin with, and their versions, which some users add.
_FAMILIES = {'mobilenet': 'v1', 'inception': 'v3', SAMPLE: ''}
_MOBILENET = re.compile(r'mobilenet_(?:v1_)?([\d.]*\d)_(\d+)(_quantized)?(?:_frozen)?')

_GRAPH_EXTENSION = '.pb'
_DESCRIBED = b'_classifier'  # The attribute of `graphs.description`, which needs TensorFlow.
_DIGITS = 8  # Of a hash in a name.

# What --architecture may be.
FORM = 'mobilenet_<1.0|0.75|0.50|0.25>_<224|192|160|128>, with _quantized after it or not, %s' % (
    ' or '.join(name for name in NETWORKS if not _MOBILENET.fullmatch(name))
)


def find(name, model_dir=None):
    """Returns the `Network` that `--architecture` names.

    Args:
      name: of a row, of a network that import_network made, or the path of a frozen graph.
      model_dir: the folder of imported networks, or None: there are none.

    Raises:
      UserError: there is none; the message holds the nearest names, or the form of all.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    imported = _imported(name, model_dir)
    if imported is not None:
        return imported
    is_path = name.endswith(_GRAPH_EXTENSION) or os.path.basename(name) != name
    if is_path and os.path.isfile(name):
        return _at(name)
    if name.endswith(_GRAPH_EXTENSION):
        raise UserError('--architecture=%s: there is no such file; expected %s' % (name, FORM))
    near = _nearest(name)
    if not near:
        raise UserError('--architecture=%s: unknown network; expected %s' % (name, FORM))
    raise UserError(
        '--architecture=%s: no network of that name; did you mean %s? (Expected %s.)'
        % (name, ', '.join(near), FORM)
    )


def _imported(name, model_dir):
    """Returns the `Network` that import_network wrote under a name, or None."""
    if model_dir is None or name in ('', os.curdir, os.pardir) or os.path.basename(name) != name:
        return None
    graph_file = os.path.join(name, 'frozen_graph.pb')
    path = os.path.join(model_dir, graph_file)
    if not os.path.isfile(path) or _DESCRIBED not in files.read(path, 'imported graph'):
        return None
    return _open(name, graph_file)


def _at(path):
    """Returns the `Network` of a frozen graph at a path."""
    digest = hashlib.sha256(files.read(path, 'frozen graph')).hexdigest()
    name = '%s-%s' % (encodings.as_utf8(os.path.basename(path)), digest[:_DIGITS])
    return _open(name, os.path.abspath(path))


def _open(name, graph_file):
    """Returns a `Network` of which all is to be found."""
    return Network(
        name=name,
        graph_file=graph_file,
        archive=None,
        checksum=None,
        input_name=None,
        bottleneck_name=None,
        bottleneck_length=None,
        pixels=PixelSpec(None, None, None, None, channels=None),
    )


def _nearest(name):
    """Returns the names of networks that a name may mean; none where it is of another family."""
    name = re.sub(r'[\s-]+', '_', name.lower())
    spelled = _MOBILENET.fullmatch(name)
    if spelled:
        width, size, quantized = spelled.groups('')
        width = next((each for each in _WIDTHS if _number(width) == float(each)), width)
        name = 'mobilenet_%s_%s%s' % (width, size, quantized)
        if name in NETWORKS:
            return [name]
    word = re.match(r'([a-z]*?)_?(?:v\d|[^a-z]|$)', name)
    version = re.search(r'v\d+', name)
    near = difflib.get_close_matches(word.group(1) if word else '', _FAMILIES, n=1, cutoff=0.85)
    if not near or version and version.group() != _FAMILIES[near[0]]:
        return []
    family = [each for each in NETWORKS if each.startswith(near[0])]
    return difflib.get_close_matches(name, family, n=3, cutoff=0)


def _number(text):
    try:
        return float(text)
    except ValueError:  # Two points, say.
        return None
