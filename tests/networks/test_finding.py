"""What is found in graphs by path: fed node, size, bottleneck; and what flags say instead."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import graph_files
from scripts.graphs.session import open_session
from scripts.networks import backbone as backbone_lib
from scripts.networks import registry
from tests import stand_ins

SIDE = 32


def pooled(pooling='mean', shape=(None, SIDE, SIDE, 3), dtype=tf.float32):
    """Returns a GraphDef of a small network whose global pooling is called `pooled`."""
    random = np.random.RandomState(3)
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(dtype, shape, name='photos')
        images = tf.cast(images, tf.float32)
        images = tf.reshape(images, [-1, SIDE, SIDE, 3]) if len(shape) != 4 else images
        channels = images.shape.as_list()[3] or 3
        filters = tf.constant(random.randn(3, 3, channels, 5).astype(np.float32))
        net = tf.nn.relu(tf.nn.conv2d(images, filters, 4, 'SAME', name='convolution'), 'maps')
        # As in squeeze-and-excitation: a global pooling with a path around it.
        net = net * tf.nn.sigmoid(tf.reduce_mean(net, [1, 2], keepdims=True, name='squeezed'))
        side = SIDE // 4
        if pooling == 'mean':
            net = tf.reduce_mean(net, [1, 2], name='pooled')
        elif pooling == 'kept':
            net = tf.reduce_mean(net, [2, 1], keepdims=True, name='pooled')
        elif pooling == 'pool':
            net = tf.nn.avg_pool(net, side, 1, 'VALID', name='pooled')
        elif pooling == 'none':
            net = tf.reshape(net, [-1, side * side * 5], name='flat')
        net = tf.reshape(net, [-1, net.shape.as_list()[-1]], name='vector')
        weights = tf.constant(random.randn(net.shape.as_list()[1], 7).astype(np.float32))
        tf.nn.softmax(tf.matmul(net, weights, name='logits'), name='labels')
    return graph.as_graph_def()


def written(tmp_path, graph_def, name='my network.pb'):
    path = str(tmp_path / name)
    graph_files.write(graph_def, path)
    return path


def load(path, **given):
    network = registry.find(path)._replace(given=registry.Given(**given))
    return backbone_lib.load(network, 'no such folder')


def features(backbone, count=3):
    pixels = backbone.network.pixels
    images = np.random.RandomState(0).randn(count, pixels.height, pixels.width, pixels.channels)
    with tf.Graph().as_default() as graph:
        images_tensor = tf.placeholder(tf.float32, (None,) + images.shape[1:])
        tensor = backbone_lib.import_into_graph(backbone, images_tensor)
    with open_session(graph) as session:
        return session.run(tensor, {images_tensor: images})


@pytest.mark.parametrize(
    'pooling, boundary',
    [('mean', 'pooled'), ('kept', 'pooled/flattened'), ('pool', 'pooled/flattened')],
)
def test_all_is_found(tmp_path, pooling, boundary, warnings_of):
    path = written(tmp_path, pooled(pooling))
    found = []
    (warning,) = warnings_of(lambda: found.append(load(path)))
    assert 'assuming mean 127.5 and std 127.5' in warning
    (backbone,) = found
    network = backbone.network
    assert network.name == 'my network.pb-' + backbone.sha256[:8] == network.cache_name
    assert (network.input_name, network.bottleneck_name) == ('photos', boundary)
    assert network.bottleneck_length == 5 and backbone.shape == (5,)
    assert network.pixels[:2] == (SIDE, SIDE) and network.pixels.channels == 3
    assert not network.classic
    assert features(backbone).shape == (3, 5) and features(backbone).std() > 1e-4
    assert 'labels' not in [node.name for node in backbone.graph_def.node]


def test_values_are_those_of_the_node(tmp_path):
    kinds = [load(written(tmp_path, pooled(kind))) for kind in ('mean', 'kept', 'pool')]
    first, *others = map(features, kinds)
    for values in others:
        np.testing.assert_allclose(values, first, atol=1e-5)


def test_without_a_declared_size_it_is_224(tmp_path):
    backbone = load(written(tmp_path, pooled(shape=(None, None, None, 3))))
    assert backbone.network.pixels[:2] == (224, 224)
    declared = next(node for node in backbone.graph_def.node if node.name == 'photos')
    assert [dim.size for dim in declared.attr['shape'].shape.dim] == [-1, 224, 224, 3]


def test_grey_is_read_off(tmp_path):
    backbone = load(written(tmp_path, pooled(shape=(None, 28, 28, 1))))
    assert backbone.network.pixels.channels == 1 and features(backbone).shape == (3, 5)


def test_flags_win_and_change_the_name_where_they_change_bottlenecks(tmp_path):
    path = written(tmp_path, pooled())
    same = load(path)
    name = same.network.cache_name
    # How it is fed is for the user to say: that is no other network, but another fingerprint.
    other = load(path, input_mean=(1.0, 2.0, 3.0), input_std=4.0)
    assert other.network.pixels.mean == (1.0, 2.0, 3.0)
    assert other.network.cache_name == name and other.fingerprint != same.fingerprint
    agreeing = load(path, input_height=SIDE, bottleneck_layer='pooled', input_layer='photos:0')
    assert agreeing.network.cache_name == name and agreeing.fingerprint == same.fingerprint
    names = {
        load(path, **given).network.cache_name
        for given in (
            {'input_height': 48},
            {'input_width': 48},
            {'bottleneck_layer': 'logits'},
            {'bottleneck_layer': 'labels:0'},
        )
    }
    assert len(names) == 4 and all(len(each) == len(name) + 9 for each in names)


def test_another_size_goes_through(tmp_path):
    backbone = load(written(tmp_path, pooled()), input_height=48, input_width=40)
    assert features(backbone).shape == (3, 5)


def test_a_classic_network_with_flags(tmp_path):
    stand_ins.install('mobilenet_0.25_128', str(tmp_path))

    def load_with(**given):
        network = registry.find('mobilenet_0.25_128')._replace(given=registry.Given(**given))
        return backbone_lib.load(network, str(tmp_path))

    plain, same, other = load_with(), load_with(input_mean=127.5), load_with(input_mean=127.0)
    assert same._replace(network=plain.network) == plain
    assert plain.network.classic and same.network.classic
    assert not other.network.classic and other.network.cache_name != plain.network.cache_name
    logits = load_with(bottleneck_layer='MobilenetV1/Logits/convolution')
    assert logits.shape == (1001,) and logits.boundary.endswith('/flattened')
    with pytest.raises(UserError, match='does not take pixels of 96 x 128 .*its own size is 128'):
        load_with(input_height=96)


@pytest.mark.parametrize(
    'graph_def, given, words',
    [
        (pooled('none'), {}, 'no global pooling .*--bottleneck_layer; .* fit: labels, logits, vec'),
        (pooled(dtype=tf.uint8), {}, 'takes uint8 at photos, expected float32'),
        (pooled(shape=(None, SIDE * SIDE * 3)), {}, r'shape \[-1, 3072\] at photos'),
        (pooled(shape=(None, SIDE, SIDE, 4)), {}, 'with 3 or 1 channels'),
        (pooled(), {'bottleneck_layer': 'maps'}, r'shape \(2, 8, 8, 5\) for 2 photos, expected'),
        (pooled(), {'bottleneck_layer': 'nothing'}, 'no node nothing; .* fit: labels, logits'),
        (pooled(), {'input_layer': 'nothing'}, 'no node nothing; .* fit: photos'),
        (pooled(), {'input_layer': 'labels'}, 'does not depend on|no global pooling'),
        (pooled(), {'input_height': 5000}, 'at most 4096'),
        (pooled('pool'), {'input_height': 16}, 'does not take pixels of 16 x 32 .*32 x 32'),
        (pooled(shape=(None, 28, 28, 1)), {'input_mean': (1.0, 2.0, 3.0)}, 'grey pixels: give one'),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, graph_def, given, words):
    with pytest.raises(UserError, match=words) as raised:
        load(written(tmp_path, graph_def), **given)
    assert '\n' not in str(raised.value)


def with_shape(dims, unknown_rank=False):
    graph_def = pooled()
    shape = graph_def.node[0].attr['shape'].shape
    del shape.dim[:]
    for size in dims:
        shape.dim.add().size = size
    shape.unknown_rank = unknown_rank
    return graph_def


def two_placeholders():
    graph_def = pooled()
    other = graph_def.node.add()
    other.CopyFrom(graph_def.node[0])
    other.name = 'other'
    return graph_def


def no_placeholder():
    graph_def = pooled()
    graph_def.node[0].op = 'VariableV2'
    return graph_def


def looping():
    graph_def = pooled()
    relu = next(node for node in graph_def.node if node.name == 'maps')
    relu.op = 'NextIteration'
    relu.input[0] = 'labels'
    return graph_def


@pytest.mark.parametrize(
    'graph_def, words',
    [
        (two_placeholders(), 'the placeholders photos, other: say which .*--input_layer'),
        (no_placeholder(), 'no placeholder: say'),
        (looping(), 'loop|cannot load'),
        (with_shape([1, 0, 0, 3]), 'expected pixels'),
        (with_shape([1, 2**40, 2**40, 3]), 'at most 4096'),
        (with_shape([-1, 2**62, -1, 3]), 'at most 4096'),
        (with_shape([1, -5, 32, 3]), 'expected pixels'),
        (tf.GraphDef(node=[tf.NodeDef(op='Placeholder', name='photos')]), "missing attr 'dtype'"),
    ],
    ids=['two', 'none', 'loop', 'zero', 'huge', 'huge side', 'negative', 'bare'],
)
def test_an_untrusted_graph_is_one_line(tmp_path, graph_def, words):
    with pytest.raises(UserError, match=words) as raised:
        load(written(tmp_path, graph_def))
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize('dims, unknown', [((), True), ((), False), ((-1, -1, -1, -1), False)])
def test_an_undeclared_shape_is_224(tmp_path, dims, unknown):
    backbone = load(written(tmp_path, with_shape(dims, unknown)))
    assert backbone.network.pixels[:2] == (224, 224)


def test_a_path_is_a_file_with_a_separator_or_the_extension(tmp_path, monkeypatch):
    path = written(tmp_path, pooled())
    monkeypatch.chdir(str(tmp_path))
    assert registry.find('my network.pb').graph_file == path
    os.rename(path, str(tmp_path / 'graph'))
    assert registry.find('./graph').name.startswith('graph-')
    with pytest.raises(UserError, match='unknown network'):
        registry.find('graph')
    with pytest.raises(UserError, match='my network.pb: there is no such file'):
        registry.find('my network.pb')


def test_an_imported_network_is_fed_as_its_description_says(tmp_path):
    from scripts.graphs import description

    graph_def = pooled('kept')
    described = description.Description(
        labels=(),
        input=description.Input('photos', SIDE, SIDE, (1.0, 2.0, 3.0), 4.0, 'ignore'),
        network=description.Network('mine', 'ab', 'vector'),
        photos=None,
        test=None,
        tensorflow='2.21',
    )
    description.attach(graph_def, 'labels', described)
    assert description.find(graph_def).description == described
    graph_files.write(graph_def, str(tmp_path / 'mine' / 'frozen_graph.pb'))
    network = registry.find('mine', str(tmp_path))
    backbone = backbone_lib.load(network, str(tmp_path))
    assert backbone.network.name == 'mine' and backbone.boundary == 'vector'
    assert backbone.network.pixels[:4] == (SIDE, SIDE, (1.0, 2.0, 3.0), 4.0)
    given = network._replace(given=registry.Given(input_mean=5.0))
    other = backbone_lib.load(given, str(tmp_path)).network
    assert other.pixels.mean == 5 and other.cache_name.startswith('mine_')
    for name in ('../%s/mine' % tmp_path.name, '.', '..', 'mine/', 'other'):
        with pytest.raises(UserError):
            registry.find(name, str(tmp_path))


def test_a_folder_of_another_program_is_no_imported_network(tmp_path):
    stand_ins.install('mobilenet_1.0_224', str(tmp_path))
    with pytest.raises(UserError, match='did you mean mobilenet_1.0_224'):
        registry.find('mobilenet_v1_1.0_224', str(tmp_path))


def test_another_fed_node_is_another_network(tmp_path):
    row = registry.find('mobilenet_0.25_128')
    path = stand_ins.install(row.name, str(tmp_path))
    given = {'input_layer': 'MobilenetV1/Pool', 'input_height': 4, 'input_width': 4}
    given['bottleneck_layer'] = row.bottleneck_name
    by_name = row._replace(
        given=registry.Given(
            input_layer='MobilenetV1/Pool:0',
            **{side: 4 for side in ('input_height', 'input_width')},
        )
    )
    other = backbone_lib.load(by_name, str(tmp_path))
    assert other.network.input_name == 'MobilenetV1/Pool' and not other.network.classic
    assert other.network.variant and features(other).shape == (3, 1001)
    assert load(path, **given).network.variant
