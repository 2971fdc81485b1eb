"""The rows of the registry: the pretrained networks that have a name, as data.

Addresses, names of nodes and sizes are those of the archives that their makers publish: of Google,
MobileNet v1 of June 2017 (https://github.com/tensorflow/models, research/slim/nets/mobilenet_v1.md)
and Inception v3 of December 2015, MobileNet v2 and v3 and the Inceptions of 2016; of Intel, ResNet.
Checksums were computed from the archives; where one was not available, it is None and only the
unpacked graph is checked. Where an archive was not available either, `checked` is False.
"""

from scripts.images.settings import GREY, PixelSpec
from scripts.networks.network import Network

SAMPLE = 'sample'

# Where Google keeps archives, and those of models among them.
_STORAGE = 'https://storage.googleapis.com/'
_MODELS = _STORAGE + 'download.tensorflow.org/models/'

_SHA256 = {
    'mobilenet_v1_0.25_128': '30af63cf9039861bc03f86c7b8092fab754d51b27f042830c456ddbfa2b72fce',
    'mobilenet_v1_0.25_160': '2b2eb36110bc63f4cf749ef114063f45651be7e9d9eacb315eeedc023ab8a2f5',
    'mobilenet_v1_0.25_192': 'a3872bf6231336e3e66778e95a2b6abf88d26cbaf3e772c6ea6ec2a422b95be6',
    'mobilenet_v1_0.25_224': '1cddeede49eb35af36061aaa66bf643b81f7ea89abc85f6ffef8f0bf00891756',
}

_SHA384 = {
    'mobilenet_v2_1.0_224': '061da971be19c9fa185be494c7cd567ac8798bd14847f80c83afd9f4ffb20963'
    '43b4f5911fa227fe659c8d6684478822',
    'mobilenet_v2_1.4_224': 'fd257f73e8ee5280328903afa6bbd646dcf4e8ae7c090e3424cf05d973c0940f'
    'e02ee220a3a5a20ea51cb9caacbf4961',
    'inception_v3_2016': '5438688088e7610248f3bf09c36bb9225ca85efd5df11ed16c8ba446ced39ee5'
    '602bb2e84b077f9fb4d044ff18181e34',
    'resnet_v1_50': 'd1097f41df917e56e927b38867bc0748a7b136b8a3441ce7d2002bbb6894b2bc'
    '167835146d0a9fc10b5c94b9d7f6f156',
}

V1_WIDTHS = ('1.0', '0.75', '0.50', '0.25')
V2_WIDTHS = ('1.4', '1.3', '1.0', '0.75', '0.50', '0.35')


def _mobilenet_v1(width, size, quantized):
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


def _published(name, graph_file, archive, size=224, **others):
    """Returns the row of a network whose archive was not available."""
    network = Network(
        name=name,
        graph_file=graph_file,
        archive=archive,
        checksum=_SHA384.get(name),
        input_name='input',
        bottleneck_name=None,
        bottleneck_length=None,
        pixels=PixelSpec(size, size, 127.5, 127.5),
        checked=False,
    )
    return network._replace(**others)


def _mobilenet_v2(width, size):
    # The archives have 0.5 where names of version 1, and so ours, have 0.50.
    stem = 'mobilenet_v2_%s_%d' % (width.replace('0.50', '0.5'), size)
    return _published(
        'mobilenet_v2_%s_%d' % (width, size),
        stem + '_frozen.pb',
        '%smobilenet_v2/checkpoints/%s.tgz' % (_STORAGE, stem),
        size,
        bottleneck_name='MobilenetV2/Logits/AvgPool',
        bottleneck_length=int(1280 * max(1, float(width))),
    )


def _mobilenet_v3(kind, width):
    stem = 'v3-%s_224_%s_float' % (kind, width)
    return _published(
        'mobilenet_v3_%s_%s_224' % (kind, width),
        '%s/%s.pb' % (stem, stem),
        '%smobilenet_v3/checkpoints/%s.tgz' % (_STORAGE, stem),
        output_name='MobilenetV3/Predictions/Softmax',
    )


def _of_2016(name, stem, size, **others):
    return _published(name, stem + '.pb', '%s%s.pb.tar.gz' % (_MODELS, stem), size, **others)


_INCEPTIONS = [
    _of_2016(
        'inception_v1',
        'inception_v1_2016_08_28_frozen',
        224,
        output_name='InceptionV1/Logits/Predictions/Softmax',
    ),
    _of_2016(
        'inception_v2',
        'inception_v2_2016_08_28_frozen',
        224,
        output_name='InceptionV2/Predictions/Softmax',
    ),
    _of_2016(
        'inception_v3_2016',
        'inception_v3_2016_08_28_frozen',
        299,
        output_name='InceptionV3/Predictions/Softmax',
    ),
    _of_2016(
        'inception_v4',
        'inception_v4_2016_09_09_frozen',
        299,
        output_name='InceptionV4/Logits/Predictions',
    ),
    _of_2016(
        'inception_resnet_v2',
        'inception_resnet_v2_2016_08_30_frozen',
        299,
        bottleneck_name='InceptionResnetV2/Logits/AvgPool_1a_8x8/AvgPool',
        bottleneck_length=1536,
    ),
]

_RESNET_V1_50 = _published(
    'resnet_v1_50',
    'resnet_v1-50.pb',
    'https://download.01.org/opencv/public_models/012020/resnet-50-tf/resnet_v1-50.pb',
    # Before it stand the decoding and scaling of JPEGs.
    input_name='map/TensorArrayStack/TensorArrayGatherV3',
    output_name='softmax_tensor',
    pixels=PixelSpec(224, 224, (123.68, 116.78, 103.94), 1),
)


def _from_scratch(name, pixels, recipe):
    """Returns the row of a network with random weights; a function in `scratch` makes it."""
    return Network(
        name=name,
        graph_file='',
        archive=None,
        checksum=None,
        input_name='input',
        bottleneck_name=None,
        bottleneck_length=None,
        pixels=pixels,
        recipe=dict(_RECIPE, **recipe),
        seed=0,
    )


# One evaluation of all validation photos takes as long as many steps of so small networks, and the
# data sets of courses are PNGs.
_RECIPE = {
    'image_extensions': 'jpg,jpeg,png',
    'eval_step_interval': 500,
    'validation_batch_size': -1,
    'summary_interval': 100,
}
_DENSE = {
    'optimizer': 'adam',
    'learning_rate': 0.003,
    'learning_rate_decay': 'cosine',
    'train_batch_size': 128,
}
_MNIST = PixelSpec(28, 28, 0, 255, channels=GREY)
_SMALL = PixelSpec(32, 32, 127.5, 127.5)

_FROM_SCRATCH = [
    _from_scratch('dense_128', _MNIST, _DENSE),
    _from_scratch('dense_128_128', _MNIST, _DENSE),
    _from_scratch(
        'cnn_32',
        _SMALL,
        {
            'optimizer': 'momentum',
            'learning_rate': 0.01,
            'learning_rate_decay': 'cosine',
            'train_batch_size': 64,
        },
    ),
    _from_scratch('alexnet_32', _SMALL, {'learning_rate': 0.01, 'train_batch_size': 64}),
]

NETWORKS = {
    network.name: network
    for network in [_INCEPTION_V3, _SAMPLE_NETWORK]
    + [
        _mobilenet_v1(width, size, quantized)
        for width in V1_WIDTHS
        for size in (224, 192, 160, 128)
        for quantized in (False, True)
    ]
    + [
        _mobilenet_v2(width, size)
        for width in V2_WIDTHS
        for size in (224, 192, 160, 128, 96)
        if size == 224 or float(width) <= 1
    ]
    + [_mobilenet_v3(kind, width) for kind in ('large', 'small') for width in ('1.0', '0.75')]
    + _INCEPTIONS
    + [_RESNET_V1_50]
    + _FROM_SCRATCH
}
