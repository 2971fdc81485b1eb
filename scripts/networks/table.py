"""The table of pretrained networks, as data.

Addresses, tensor names and sizes are those of Google's archives: MobileNet v1 of June 2017
(https://github.com/tensorflow/models, research/slim/nets/mobilenet_v1.md) and Inception v3 of
December 2015. Checksums were taken of the archives themselves; where one could not be had, it is
None and only the unpacked graph is checked.
"""

import difflib
import os
import typing

from scripts.errors import UserError
from scripts.images.settings import PixelSpec

DOWNLOAD_ROOT = 'https://download.tensorflow.org/models/'

_SHA256 = {
    'mobilenet_v1_0.25_128': '30af63cf9039861bc03f86c7b8092fab754d51b27f042830c456ddbfa2b72fce',
    'mobilenet_v1_0.25_160': '2b2eb36110bc63f4cf749ef114063f45651be7e9d9eacb315eeedc023ab8a2f5',
    'mobilenet_v1_0.25_192': 'a3872bf6231336e3e66778e95a2b6abf88d26cbaf3e772c6ea6ec2a422b95be6',
    'mobilenet_v1_0.25_224': '1cddeede49eb35af36061aaa66bf643b81f7ea89abc85f6ffef8f0bf00891756',
}

SAMPLE = 'sample'

# Where the graphs stand that are a part of this repository.
EMBEDDED_MODEL_DIR = os.path.normpath(
    os.path.join(os.path.dirname(__file__), os.pardir, os.pardir, 'tf_files', 'models')
)


class Network(typing.NamedTuple):
    """One pretrained network.

    name: what `--architecture` says, and a part of the names of bottleneck files.
    graph_file: the frozen graph's path below the model folder.
    archive: the archive's path below DOWNLOAD_ROOT; None: the graph is embedded.
    sha256: the archive's checksum in hex, or None where it is unknown.
    input_name: the node that is fed.
    bottleneck_name: the node whose output, `[batch, bottleneck_length]`, is the bottleneck.
    """

    name: str
    graph_file: str
    archive: typing.Optional[str]
    sha256: typing.Optional[str]
    input_name: str
    bottleneck_name: str
    bottleneck_length: int
    pixels: PixelSpec


def _mobilenet(width, size, quantized):
    stem = 'mobilenet_v1_%s_%d' % (width, size)
    return Network(
        name='mobilenet_%s_%d%s' % (width, size, '_quantized' if quantized else ''),
        graph_file='%s/%s_graph.pb' % (stem, 'quantized' if quantized else 'frozen'),
        archive='%s_frozen.tgz' % stem,
        sha256=_SHA256.get(stem),
        input_name='input',
        bottleneck_name='MobilenetV1/Predictions/Reshape',
        bottleneck_length=1001,
        pixels=PixelSpec(size, size, 127.5, 127.5),
    )


_INCEPTION_V3 = Network(
    name='inception_v3',
    graph_file='classify_image_graph_def.pb',
    archive='image/imagenet/inception-2015-12-05.tgz',
    sha256=None,
    input_name='Mul',
    bottleneck_name='pool_3/_reshape',
    bottleneck_length=2048,
    pixels=PixelSpec(299, 299, 128, 128),
)

# A part of this repository, for where there is no network; see scripts/sample.
_SAMPLE_NETWORK = Network(
    name=SAMPLE,
    graph_file='sample/frozen_graph.pb',
    archive=None,
    sha256=None,
    input_name='input',
    bottleneck_name='MobilenetV1/Predictions/Reshape',
    bottleneck_length=220,
    pixels=PixelSpec(96, 96, 127.5, 127.5),
)

NETWORKS = {
    network.name: network
    for network in [_INCEPTION_V3, _SAMPLE_NETWORK]
    + [
        _mobilenet(width, size, quantized)
        for width in ('1.0', '0.75', '0.50', '0.25')
        for size in (224, 192, 160, 128)
        for quantized in (False, True)
    ]
}


def find(name):
    """Returns the `Network` that `--architecture` names.

    Raises:
      UserError: there is none; the message holds the nearest names.
    """
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, n=3, cutoff=0.4)
        near = near or ['inception_v3', 'mobilenet_1.0_224', SAMPLE]
        raise UserError(
            '--architecture=%s: no network of that name; did you mean %s? (The form is '
            'mobilenet_<1.0|0.75|0.50|0.25>_<224|192|160|128>[_quantized], '
            'inception_v3 or sample.)' % (name, ', '.join(near))
        )
    return NETWORKS[name]
