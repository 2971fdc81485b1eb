"""At which nodes a network can be cut, and how a cut is named."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import search
from scripts.images.settings import PixelSpec
from scripts.networks import backbone as backbone_lib
from scripts.networks import blocks, registry
from scripts.networks.backbone import Backbone
from tests import stand_ins


def backbone_of(graph_def, bottleneck, size=32, fed='input'):
    """Returns the `Backbone` up to the bottleneck of a network that is fed RGB."""
    network = registry.find('sample')._replace(
        name='net', input_name=fed, bottleneck_name=bottleneck, pixels=PixelSpec(size, size, 0, 1)
    )
    return Backbone(network, graph_def, '', bottleneck, (8,))


class Layers:
    """Layers with random weights, one by one, added to the current graph."""

    def __init__(self):
        self._random = np.random.RandomState(3)

    def constant(self, *shape):
        return tf.constant(self._random.randn(*shape).astype(np.float32))

    def conv(self, net, filters, name, stride=1, padding='SAME'):
        kernel = self.constant(3, 3, int(net.shape[3]), filters)
        return tf.nn.relu(tf.nn.conv2d(net, kernel, stride, padding), name=name)

    def depthwise(self, net, name, stride=1, padding='SAME'):
        kernel = self.constant(3, 3, int(net.shape[3]), 1)
        return tf.nn.relu(
            tf.nn.depthwise_conv2d_native(net, kernel, [1, stride, stride, 1], padding), name=name
        )


def network(build):
    """Returns the `Backbone` of what a function makes of `input`, averaged to the bottleneck."""
    graph = tf.Graph()
    with graph.as_default():
        net = build(tf.placeholder(tf.float32, [1, 32, 32, 3], name='input'), Layers())
        tf.reduce_mean(net, [1, 2], name='bottleneck')
    return backbone_of(graph.as_graph_def(), 'bottleneck')


def test_a_depthwise_convolution_is_one_block_with_the_next():
    def build(net, add):
        net = add.conv(net, 4, 'a')
        for number in range(3):
            net = add.depthwise(net, 'depthwise_%d' % number)
            net = add.conv(net, 4, 'pointwise_%d' % number)
        return net

    # The last one's output feeds no convolution: it stands in the last block.
    assert blocks.boundaries(network(build)) == ['a', 'pointwise_0', 'pointwise_1']


def test_a_residual_block_ends_where_its_branches_join():
    def build(net, add):
        net = add.conv(net, 4, 'a')
        inner = add.conv(add.conv(net, 8, 'inner'), 4, 'outer')
        net = tf.add(net, inner, name='joined')
        return add.conv(net, 4, 'b')

    assert blocks.boundaries(network(build)) == ['a', 'joined']


def test_branches_begin_behind_a_boundary_that_feeds_no_convolution():
    def build(net, add):
        net = tf.nn.max_pool(add.conv(net, 4, 'a'), 2, 2, 'SAME', name='pool')
        left, right = tf.nn.relu(net), tf.nn.max_pool(net, 3, 1, 'SAME')
        net = tf.concat([left, right], 3, name='mixed')
        return add.conv(net, 4, 'b')

    # `mixed` has no convolution between itself and `pool`.
    assert blocks.boundaries(network(build)) == ['pool']


def test_padding_stands_behind_the_boundary():
    def build(net, add):
        net = tf.pad(net, [[0, 0], [1, 1], [1, 1], [0, 0]], name='pad_0')
        net = add.conv(net, 4, 'a', 2, 'VALID')
        net = tf.identity(net, name='dropout')
        net = tf.pad(net, [[0, 0], [1, 1], [1, 1], [0, 0]], name='pad_1')
        return add.conv(add.depthwise(net, 'b', 2, 'VALID'), 4, 'c')

    assert blocks.boundaries(network(build)) == ['a']


def test_a_vector_is_no_feature_map():
    def build(net, add):
        net = add.conv(net, 4, 'a')
        pooled = tf.reduce_mean(net, [1, 2], keepdims=True, name='pooled')
        return add.conv(add.conv(pooled, 8, 'b'), 8, 'c')

    assert blocks.boundaries(network(build)) == []  # Nor does `a` feed a convolution.


def test_a_squeeze_and_excitation_is_a_branch():
    def build(net, add):
        net = add.conv(net, 4, 'a')
        gate = tf.sigmoid(add.conv(tf.reduce_mean(net, [1, 2], keepdims=True), 4, 'gate'))
        return add.conv(tf.multiply(net, gate, name='gated'), 4, 'b')

    assert blocks.boundaries(network(build)) == ['a', 'gated']


def test_a_node_whose_shape_is_unknown_is_no_boundary():
    def build(net, add):
        net = add.conv(net, 4, 'a')
        net = tf.reshape(net, tf.shape(net) * tf.random.uniform([4], 1, 2, tf.int32), name='odd')
        net.set_shape([None, None, None, 4])
        return add.conv(net, 4, 'b')

    assert blocks.boundaries(network(build)) == []


def test_a_second_output_cannot_be_a_boundary():
    def build(net, add):
        left, right = tf.split(add.conv(net, 4, 'a'), 2, 3, name='split')
        return add.conv(tf.concat([left, right], 3, name='joined'), 4, 'b')

    assert blocks.boundaries(network(build)) == ['joined']


def test_what_does_not_lead_to_the_bottleneck_counts_for_nothing():
    def build(net, add):
        net = add.conv(net, 4, 'a')
        last = tf.nn.relu(net, name='last')
        add.conv(last, 4, 'auxiliary')
        return last

    assert blocks.boundaries(network(build)) == []


@pytest.mark.parametrize(
    'count, name, shape',
    [(1, 'Conv2d_7_pointwise', (6, 6, 192)), (3, 'Conv2d_5_pointwise', (12, 12, 96))],
)
def test_the_sample_network_has_nine_blocks(count, name, shape, tmp_path):
    sample = backbone_lib.load(registry.find('sample'), str(tmp_path))
    assert [each.split('/')[2] for each in blocks.boundaries(sample)] == ['Conv2d_0'] + [
        'Conv2d_%d_pointwise' % number for number in range(1, 8)
    ]
    cut = blocks.cut_for(sample, count)
    assert cut.boundary == 'MobilenetV1/MobilenetV1/%s/Relu6' % name and cut.shape == shape
    assert blocks.cut_for(sample, 0, cut.boundary + ':0') == cut
    assert blocks.cut_for(sample, 0) == sample
    whole = blocks.cut_for(sample, blocks.ALL)
    assert whole == blocks.cut_for(sample, 9) == blocks.cut_for(sample, 0, 'input')
    assert whole.boundary == 'input' and whole.shape == (96, 96, 3)
    assert len({each.fingerprint for each in (sample, cut, whole)}) == 3


def test_what_there_is_not_is_told_with_what_there_is(tmp_path):
    backbone = backbone_of(stand_ins.mobilenet_of_blocks(), 'MobilenetV1/Predictions/Reshape', 128)
    listed = 'by their number and the node before them: 1: Relu6, 2: Block_1/Relu6, 3: input$'
    for count in (4, 99, -2):
        expected = 'fine_tune_blocks=%d: expected from 0 to 3, or -1 for all; .*' % count
        with pytest.raises(UserError, match=expected + listed):
            blocks.cut_for(backbone, count)
    for name in ('Block_2/convolution', 'Block_1', 'input_1', backbone.boundary):
        with pytest.raises(UserError, match='fine_tune_from=%s: not a boundary.*' % name + listed):
            blocks.cut_for(backbone, 0, name)
    with pytest.raises(UserError, match='expected one of them'):
        blocks.cut_for(backbone, 1, 'input')


def test_a_message_does_not_list_hundreds():
    def build(net, add):
        for number in range(40):
            net = add.conv(net, 2, 'layer_%d' % number)
        return net

    with pytest.raises(UserError, match=r'1: layer_38, .*16: layer_23 and 24 more$'):
        blocks.cut_for(network(build), 41)


def test_a_network_without_a_boundary_is_trained_as_a_whole_or_not_at_all():
    def build(net, add):
        before, now = net, add.conv(net, 3, 'a')
        for number in range(3):
            before, now = now, tf.add(before, add.conv(now, 3, 'cell_%d' % number))
        return before + now

    cells = network(build)
    assert blocks.boundaries(cells) == []
    for count in (1, blocks.ALL):
        assert blocks.cut_for(cells, count).boundary == 'input'
    with pytest.raises(UserError, match='trained as a whole, or not at all'):
        blocks.cut_for(cells, 2)


def test_a_loop_is_told():
    def build(net, add):
        return add.conv(add.conv(net, 4, 'a'), 4, 'b')

    looped = network(build)
    search.nodes_by_name(looped.graph_def)['Conv2D'].input.append('b')
    with pytest.raises(UserError, match='cannot be cut into blocks: there is a cycle'):
        blocks.boundaries(looped)


@pytest.mark.parametrize(
    'name, count, last',
    [
        ('mobilenet_1.0_224', 13, 'MobilenetV1/MobilenetV1/Conv2d_12_pointwise/Relu6'),
        ('networks/efficientnet_lite0.pb', 23, 'add_56'),
        ('networks/mobilenet_v2_1.0_224.pb', 24, 'add_60'),
    ],
)
def test_real_networks(shared_data, name, count, last):
    if name.endswith('.pb'):
        name = os.path.join(shared_data, name)
    model_dir = os.path.join(shared_data, 'models')
    found = blocks.boundaries(backbone_lib.load(registry.find(name, model_dir), model_dir))
    assert len(found) == count and found[-1] == last
    if count == 13:
        stem = 'MobilenetV1/MobilenetV1/Conv2d_%s/Relu6'
        assert found == [stem % '0'] + [stem % ('%d_pointwise' % each) for each in range(1, 13)]
