"""The registry of pretrained networks: names, paths and imported networks become a `Network`."""

import difflib
import hashlib
import os
import re

from scripts.common import encodings, files
from scripts.common.errors import UserError
from scripts.images.settings import PixelSpec
from scripts.networks.network import Given, Network  # noqa: F401  # For those who use a registry.
from scripts.networks.rows import NETWORKS, SAMPLE, V1_WIDTHS, V2_WIDTHS  # noqa: F401

DOWNLOAD_ROOT = 'https://download.tensorflow.org/models/'

# The graphs that are a part of this repository.
EMBEDDED_MODEL_DIR = os.path.normpath(
    os.path.join(os.path.dirname(__file__), os.pardir, os.pardir, 'tf_files', 'models')
)

# A MobileNet as some users spell it.
_MOBILENET = re.compile(r'mobilenet_(?:(v[12])_)?([\d.]*\d)_(\d+)(_quantized)?(?:_frozen)?')

_GRAPH_EXTENSION = '.pb'
_DESCRIBED = b'_classifier'  # The attribute of `graphs.description`, which needs TensorFlow.
_DIGITS = 8  # Of a hash in a name.

# What --architecture may be.
FORM = ', '.join(
    [
        'mobilenet_<%s>_<224|192|160|128>, with _quantized after it or not' % '|'.join(V1_WIDTHS),
        'mobilenet_v2_<1.0|0.75|0.50|0.35>_<224|192|160|128|96>',
        'mobilenet_v2_<1.4|1.3>_224',
        'mobilenet_v3_<large|small>_<1.0|0.75>_224',
    ]
    + [name for name in NETWORKS if not name.startswith('mobilenet')]
    + ['a name that import_network gave, or the path of a frozen graph (.pb)']
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
    if name.endswith(_GRAPH_EXTENSION) or os.path.basename(name) != name:
        if os.path.isfile(name):
            return _at(name)
        raise UserError('--architecture=%s: there is no such file; expected %s' % (name, FORM))
    near = _nearest(name)
    if not near:
        raise UserError('--architecture=%s: unknown network; expected %s' % (name, FORM))
    raise UserError(
        '--architecture=%s: no network of that name; did you mean %s? (Expected %s.)'
        % (name, ', '.join(near), FORM)
    )


def at_hand(model_dir):
    """Returns the names of the networks that can be had without a download, a list of str.

    Args:
      model_dir: the folder of networks: rows whose graph or archive is there, and imported ones.
    """
    found = [name for name, network in NETWORKS.items() if _is_there(network, model_dir)]
    folders = sorted(os.listdir(model_dir)) if os.path.isdir(model_dir) else []
    return found + [
        name for name in folders if name not in NETWORKS and _imported(name, model_dir) is not None
    ]


def _is_there(network, model_dir):
    """Returns whether a network is pretrained, and embedded, in a folder, or its archive is."""
    if network.from_scratch:
        return False
    folders = [model_dir] if network.archive else [model_dir, EMBEDDED_MODEL_DIR]
    paths = [os.path.join(folder, network.graph_file) for folder in folders]
    # An archive has the quantized network, too, which cannot be fine-tuned.
    if network.archive and not network.name.endswith('_quantized'):
        paths.append(os.path.join(model_dir, os.path.basename(network.archive)))
    return any(map(os.path.isfile, paths))


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
        version, width, size, quantized = spelled.groups('')
        is_v2 = version == 'v2'
        widths = V2_WIDTHS if is_v2 else V1_WIDTHS
        width = next((each for each in widths if _number(width) == float(each)), width)
        name = 'mobilenet_%s%s_%s%s' % ('v2_' if is_v2 else '', width, size, quantized)
        if name in NETWORKS:
            return [name]
    word, version = _family(name)
    families = {each: _family(each) for each in NETWORKS}
    words = {each for each, _ in families.values()}
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.85)
    family = [
        each for each, its in families.items() if [its[0]] == near and version in (None, its[1])
    ]
    return difflib.get_close_matches(name, family, n=3, cutoff=0)


def _family(name):
    """Returns the words that a name begins with, and its version, such as v2, or None."""
    words = re.match(r'([a-z_]*?)_?(?:v\d|[^a-z_]|$)', name)
    words = words.group(1) if words else ''
    version = re.search(r'v\d+', name)
    if version is None and re.match('mobilenet_[\\d.]', name):
        return words, 'v1'
    return words, version and version.group()


def _number(text):
    try:
        return float(text)
    except ValueError:  # Two points, say.
        return None
