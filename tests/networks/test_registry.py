"""The registry of networks: every entry loads, takes batches, and gives bottlenecks."""

import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import retrain
from scripts.common.errors import UserError
from scripts.graphs.session import open_session
from scripts.images.settings import PixelSpec
from scripts.networks import backbone as pretrained
from scripts.networks import registry
from tests import stand_ins

SIZES = {'inception_v3': 299}
MOBILENET = re.compile(r'mobilenet_([\d.]+)_(\d+)(_quantized)?$')  # Those of the classic script.


def test_the_classic_networks_are_all_there():
    classic = [name for name in registry.NETWORKS if MOBILENET.match(name)] + ['inception_v3']
    assert len(classic) == 33
    assert {'inception_v3', 'mobilenet_1.0_224', 'mobilenet_0.25_128_quantized'} < set(classic)
    assert set(classic) < set(registry.NETWORKS)


def test_what_is_expected_names_every_network():
    others = [name for name in registry.NETWORKS if not name.startswith('mobilenet')]
    for form in (
        'mobilenet_<1.0|0.75|0.50|0.25>_<224|192|160|128>',
        'mobilenet_v2_<1.0|0.75|0.50|0.35>_<224|192|160|128|96>',
        'mobilenet_v2_<1.4|1.3>_224',
        'mobilenet_v3_<large|small>_<1.0|0.75>_224',
        'import_network',
        '(.pb)',
    ):
        assert form in registry.FORM
    assert {'inception_v3', 'sample', 'resnet_v1_50', 'inception_resnet_v2'} <= set(others)
    assert all(name in registry.FORM for name in others)
    assert registry.FORM in retrain.FLAGS['architecture'].help


def test_networks_at_hand_need_no_download(tmp_path):
    folder = str(tmp_path)
    assert registry.at_hand(folder) == registry.at_hand(str(tmp_path / 'none')) == ['sample']
    stand_ins.install('mobilenet_0.50_160', folder)
    stand_ins.install('mobilenet_1.0_224_quantized', folder)
    (tmp_path / 'mobilenet_v1_0.25_128_frozen.tgz').write_bytes(b'an archive')
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'frozen_graph.pb').write_bytes(b'not imported')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'frozen_graph.pb').write_bytes(b'it has a _classifier')
    assert set(registry.at_hand(folder)) == {
        'sample',
        'mobilenet_0.50_160',
        'mobilenet_1.0_224_quantized',
        'mobilenet_0.25_128',
        'mine',
    }


@pytest.mark.parametrize(
    'name', sorted(name for name, row in registry.NETWORKS.items() if not row.from_scratch)
)
def test_an_entry(name, tmp_path):
    network = registry.find(name)
    assert network.name == name
    classic = MOBILENET.match(name)
    if classic:
        width, size, quantized = classic.groups()
        stem = 'mobilenet_v1_%s_%s' % (width, size)
        assert network.archive == stem + '_frozen.tgz'
        assert network.graph_file == '%s/%s_graph.pb' % (
            stem,
            'quantized' if quantized else 'frozen',
        )
        assert network.pixels == PixelSpec(int(size), int(size), 127.5, 127.5)
        assert network.bottleneck_length == 1001
    if name == 'inception_v3':
        assert network.archive == 'image/imagenet/inception-2015-12-05.tgz'
        assert network.graph_file == 'classify_image_graph_def.pb'
        assert network.pixels == PixelSpec(299, 299, 128, 128)
    if name != registry.SAMPLE:
        stand_ins.install(name, str(tmp_path))
    loaded = pretrained.load(network, str(tmp_path))
    assert len(loaded.sha256) == 64
    row, network = network, loaded.network
    assert None not in network[4:7] and None not in network.pixels
    assert network.classic == bool(classic or name in ('inception_v3', 'sample'))
    assert network.pixels == row.pixels and network.cache_name == name
    images = (
        np.random.RandomState(0)
        .randn(3, network.pixels.height, network.pixels.width, 3)
        .astype(np.float32)
    )
    graph = tf.Graph()
    with graph.as_default():
        images_tensor = tf.placeholder(tf.float32, [None] + list(images.shape[1:]))
        bottleneck_tensor = pretrained.import_into_graph(loaded, images_tensor)
    with open_session(graph) as session:
        together = session.run(bottleneck_tensor, {images_tensor: images})
        alone = session.run(bottleneck_tensor, {images_tensor: images[1:2]})
    assert together.shape == (3, network.bottleneck_length)
    np.testing.assert_allclose(together[1:2], alone, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    'name, near',
    [
        ('mobilenet_0.5_224', 'mobilenet_0.50_224'),
        ('mobilenet_1_224', 'mobilenet_1.0_224'),
        ('mobilenet_1.00_128', 'mobilenet_1.0_128'),
        ('mobilenet_.25_160_quantized', 'mobilenet_0.25_160_quantized'),
        ('mobilenet_v1_0.25_128', 'mobilenet_0.25_128'),
        ('mobilenet_v1_1.0_224_frozen', 'mobilenet_1.0_224'),
        ('MobileNet-0.75-192', 'mobilenet_0.75_192'),
        ('inceptionv3', 'inception_v3, inception_v3_2016'),
        ('Inception-v3', 'inception_v3, inception_v3_2016'),
        ('incepton_v3', 'inception_v3, inception_v3_2016'),
        ('inceptionresnetv2', 'inception_resnet_v2'),
        ('samples', 'sample'),
        ('mobilenet_v2_0.5_224', 'mobilenet_v2_0.50_224'),
        ('MobileNet_v2_1_96', 'mobilenet_v2_1.0_96'),
        ('resnet50', 'resnet_v1_50'),
    ],
)
def test_what_another_name_must_mean_is_told(name, near):
    with pytest.raises(UserError) as raised:
        registry.find(name)
    assert '--architecture=%s: no network of that name; did you mean %s?' % (name, near) in str(
        raised.value
    )


@pytest.mark.parametrize('name', ['mobilenet_1.0_244', 'mobilenet_0.5_200', 'mobilnet_1.0_2224'])
def test_another_name_is_told_with_the_nearest(name):
    with pytest.raises(
        UserError, match='no network of that name; did you mean mobilenet_'
    ) as raised:
        registry.find(name)
    words = str(raised.value).partition('?')[0]
    assert {'mobilenet_1.0_224', 'mobilenet_0.50_192', 'mobilenet_0.50_128'} & set(
        re.split('[ ,]+', words)
    )


@pytest.mark.parametrize(
    'name, version',
    [
        ('mobilenet_v2', 'mobilenet_v2_'),
        ('MobileNetV2', 'mobilenet_v2_'),
        ('mobilenet_v3_large', 'mobilenet_v3_large_1.0_224'),
        ('mobilenet', 'mobilenet_'),
        ('inception', 'inception_v'),
    ],
)
def test_a_family_is_told_with_members_of_that_version(name, version):
    with pytest.raises(UserError, match='did you mean ' + version):
        registry.find(name)


@pytest.mark.parametrize(
    'name',
    [
        *('mobilenet_v4', 'inception_v5', 'resnet_v2_50', 'zzz', '', 'vgg16', 'efficientnet-b0'),
        *('nasnet_mobile', 'densenet121', 'xception'),
    ],
)
def test_an_unknown_network_is_not_taken_for_another(name):
    with pytest.raises(UserError, match='=%s: unknown network; expected .*import_network' % name):
        registry.find(name)
