"""The tail: which constants are trained, their gradients, and the graph that comes out."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from scripts.common.errors import UserError
from scripts.graphs import build, search
from scripts.graphs.importing import import_graph
from scripts.graphs.session import open_session
from scripts.networks import backbone as backbone_lib
from scripts.networks import blocks
from scripts.training import gradients, tail
from scripts.training.batches import Batch
from scripts.training.model import Model
from tests.training import small_networks
from tests.training.small_networks import FORMS

pytestmark = pytest.mark.each_tensorflow

_DOUBLED = """
signature {
  name: "double"
  input_arg { name: "x" type: DT_FLOAT }
  output_arg { name: "y" type: DT_FLOAT }
}
node_def {
  name: "sum" op: "Add" input: "x" input: "x"
  attr { key: "T" value { type: DT_FLOAT } }
}
ret { key: "y" value: "sum:z:0" }
"""

HEAD = 'final_training_ops/weights/final_weights'
LAYERS = {'depthwise/weights', 'conv/weights', 'dense/weights', 'dense/biases'}


def cut_of(form):
    """Returns the backbone of a small network, up to its feature map."""
    return blocks.cut_for(small_networks.backbone(form), 0, 'boundary')


def names_of(backbone):
    """Returns the set of names of what is trained behind a backbone."""
    return {each.name for each in tail.find(backbone).constants}


def features_of(backbone, pixels):
    """Returns what a backbone gives for normalized pixels."""
    with tf.Graph().as_default() as graph:
        fed = tf.placeholder(tf.float32, [None] + list(pixels.shape[1:]))
        tensor = backbone_lib.import_into_graph(backbone, fed)
        with open_session(graph) as session:
            return session.run(tensor, {fed: pixels})


def pixels(count):
    return np.random.RandomState(2).randn(count, small_networks.SIZE, small_networks.SIZE, 3)


def batch_of(backbone, count=6):
    features = features_of(backbone, pixels(count).astype(np.float32))
    return Batch(features, np.arange(count, dtype=np.int64) % 3)


def larger_head(model):
    """Makes the head's weights large enough for the tail's gradients to be measured."""
    values = model.values()
    values[HEAD] = np.random.RandomState(1).randn(*values[HEAD].shape).astype(np.float32)
    model.set_values(values)
    return values


@pytest.mark.parametrize('form', FORMS)
def test_layers_and_batch_norms_are_trained_and_statistics_and_scalars_are_not(form):
    cut = cut_of(form)
    found = tail.find(cut)
    assert names_of(cut) == LAYERS | small_networks.trained(form)
    assert {each.name for each in found.constants if each.decayed} == LAYERS - {'dense/biases'}
    assert found.parameters == sum(each.value.size for each in found.constants)
    assert tail.find(small_networks.backbone(form)).constants == ()
    whole = blocks.cut_for(small_networks.backbone(form), blocks.ALL)
    expected = LAYERS | {'first/weights'} | small_networks.trained(form, (0, 1, 2))
    assert names_of(whole) == expected


@pytest.mark.parametrize('form', FORMS)
def test_gradients_are_those_of_finite_differences(form, settings):
    cut = cut_of(form)
    settings = settings._replace(learning_rate=1.0)
    batch, random = batch_of(cut), np.random.RandomState(0)
    with Model(cut, 3, settings) as model:
        values = larger_head(model)
        model.train(0, batch, False)
        trained = model.values()

        def loss(name, change):
            model.set_values(dict(values, **{name: (values[name] + change).astype(np.float32)}))
            return model.evaluate(batch).cross_entropy

        assert len(values) == len(tail.find(cut).constants) + 2
        for name, value in values.items():
            gradient = value - trained[name]
            size = np.linalg.norm(gradient)
            assert size > 1e-3, name
            # Along the gradient, and where it should change nothing to speak of but by itself.
            for direction in (gradient / size, random.randn(*value.shape) / value.size**0.5):
                change = 0.02 * direction
                measured = (loss(name, change) - loss(name, -change)) / 0.04
                expected = (gradient * direction).sum()
                assert abs(measured - expected) < 0.01 * size, name


def scores_of(frozen):
    """Returns what a frozen graph gives for the pixels of `batch_of`."""
    with tf.Graph().as_default() as graph:
        fed = tf.placeholder(tf.float32, [None, small_networks.SIZE, small_networks.SIZE, 3])
        (tensor,) = import_graph(frozen, ['final_result:0'], {'input:0': fed})
        with open_session(graph) as session:
            return session.run(tensor, {fed: pixels(6)})


@pytest.mark.parametrize('boundary', ['boundary', 'input'])
@pytest.mark.parametrize('form', FORMS)
def test_the_graph_gives_from_photos_what_the_model_gives_from_features(form, boundary, settings):
    cut = blocks.cut_for(small_networks.backbone(form), 0, boundary)
    batch = batch_of(cut)
    with Model(cut, 3, settings._replace(learning_rate=0.01)) as model:
        larger_head(model)
        for step in range(3):
            model.train(step, batch, False)
        scores, frozen = model.evaluate(batch).scores, model.frozen_graph()
    np.testing.assert_allclose(scores_of(frozen), scores, atol=1e-5)

    # Its nodes are the network's, and only what is trained has other values.
    nodes, changed = search.nodes_by_name(frozen), set()
    for node in build.needed(cut.graph_def.node, ['bottleneck']):
        if nodes.pop(node.name) != node:
            changed.add(node.name)
    assert changed == names_of(cut)
    assert all(name.startswith(('input_1/', 'final_')) for name in nodes)
    assert frozen.versions == cut.graph_def.versions


def add(graph_def, op, name, inputs, **attributes):
    graph_def.node.extend([build.node(op, name, inputs, T=tf.float32, **attributes)])


def changed(form, change):
    """Returns the cut backbone of a small network whose nodes, by name, a function has changed."""
    cut = cut_of(form)
    change(cut.graph_def, search.nodes_by_name(cut.graph_def))
    return cut


def quantize(graph_def, nodes):
    """Makes the weights of the convolution 8-bit values that are dequantized."""
    value = build.value_of(nodes['conv/weights'])
    nodes['conv/weights'].CopyFrom(
        build.node(
            'Dequantize',
            'conv/weights',
            ['bytes', 'lowest', 'highest'],
            T=tf.quint8,
            mode=b'MIN_FIRST',
        )
    )
    integers = np.round((value + 2) / 4 * 255).clip(0, 255).astype(np.uint8)
    graph_def.node.extend(
        [
            build.constant('bytes', integers, tf.quint8),
            build.constant('lowest', np.float32(-2)),
            build.constant('highest', np.float32(2)),
        ]
    )


def test_dequantized_weights_become_a_constant_of_the_same_name(settings):
    cut = changed('fused', quantize)
    found = tail.find(cut)
    assert names_of(cut) == LAYERS | small_networks.trained('fused')
    weights = next(each for each in found.constants if each.name == 'conv/weights')
    assert weights.decayed and weights.value.shape == (1, 1, 4, 6)
    assert search.nodes_by_name(cut.graph_def)['conv/weights'].op == 'Dequantize'
    assert search.nodes_by_name(found.backbone.graph_def)['conv/weights'].op == 'Const'
    assert found.backbone.fingerprint == cut.fingerprint
    with Model(cut, 3, settings) as model:
        before = model.evaluate(batch_of(cut)).scores
        frozen = search.nodes_by_name(model.frozen_graph())
    assert frozen['conv/weights'].op == 'Const' and 'bytes' not in frozen
    assert (build.value_of(frozen['conv/weights']) == weights.value).all()
    with Model(
        blocks.cut_for(cut._replace(boundary='bottleneck'), 0, 'boundary'), 3, settings
    ) as same:
        assert (same.evaluate(batch_of(cut)).scores == before).all()


def test_a_dequantized_offset_in_front_of_the_boundary_stays(settings):
    def change(graph_def, nodes):
        quantize(graph_def, nodes)
        # In front of the boundary, too: nothing that is kept may change.
        nodes['boundary'].input[0] = 'more'
        add(graph_def, 'Add', 'more', [nodes['norm_0/FusedBatchNorm'].name, 'sum'])
        graph_def.node.extend([build.constant('axes', np.int32([0, 1, 2, 3]))])
        add(graph_def, 'Sum', 'sum', ['conv/weights', 'axes'], Tidx=tf.int32)

    cut = changed('fused', change)
    assert names_of(cut) == LAYERS - {'conv/weights'} | small_networks.trained('fused')
    with Model(cut, 3, settings) as model:
        assert 'bytes' in search.nodes_by_name(model.frozen_graph())


@pytest.mark.parametrize('op', ['Reshape', 'Transpose', 'Squeeze'])
def test_weights_go_through_what_only_passes_them_on(op):
    def change(graph_def, nodes):
        value = build.value_of(nodes['dense/weights'])
        held = {'Reshape': value.reshape(-1), 'Transpose': value.T, 'Squeeze': value[np.newaxis]}[
            op
        ]
        nodes['dense/weights'].CopyFrom(build.constant('dense/weights', held))
        graph_def.node.extend(
            [build.constant('how', np.int32({'Reshape': [6, 5]}.get(op, [1, 0])))]
        )
        inputs = ['dense/weights', 'how'][: 1 if op == 'Squeeze' else 2]
        kind = {'Reshape': {'Tshape': tf.int32}, 'Transpose': {'Tperm': tf.int32}}.get(op, {})
        add(graph_def, op, 'passed', inputs, **kind)
        nodes['MatMul'].input[1] = 'passed'

    assert 'dense/weights' in names_of(changed('fused', change))


def test_a_constant_that_something_else_takes_is_not_trained():
    def of_epsilon(graph_def, nodes):
        # The offset of one batch norm is the moving mean of another.
        nodes['norm_2/FusedBatchNorm'].input[3] = 'norm_1/beta'

    assert 'norm_1/beta' not in names_of(changed('fused', of_epsilon))

    def before(graph_def, nodes):
        nodes['norm_0/FusedBatchNorm'].input[2] = 'norm_1/beta'

    assert 'norm_1/beta' not in names_of(changed('fused', before))


def test_what_two_layers_share_is_trained_once(settings):
    def change(graph_def, nodes):
        nodes['norm_1/FusedBatchNorm'].input[1] = 'norm_1/beta'

    cut = changed('fused', change)
    assert names_of(cut) == LAYERS | small_networks.trained('fused') - {'norm_1/gamma'}
    with Model(cut, 3, settings) as model:
        model.train(0, batch_of(cut), False)
        nodes = search.nodes_by_name(model.frozen_graph())
    assert nodes['norm_1/FusedBatchNorm'].input[1] == 'norm_1/beta'


def test_pixels_are_normalized_as_before():
    """A Mul and an Add of vectors before the first layer are no parameters."""
    graph = tf.Graph()
    with graph.as_default():
        net = tf.placeholder(tf.float32, [None, 8, 8, 3], name='input')
        net = tf.nn.bias_add(net * tf.constant([0.1, 0.2, 0.3]), tf.constant([1.0, 2.0, 3.0]))
        net = tf.nn.conv2d(net, tf.ones([3, 3, 3, 5]), 1, 'SAME')
        net = net * tf.constant([1.0, 2, 3, 4, 5], name='scale')
        net = net + tf.constant(
            np.ones([8, 8, 5], np.float32), name='not a vector'.replace(' ', '_')
        )
        tf.reduce_mean(net, [1, 2], name='bottleneck')
    whole = blocks.cut_for(small_networks.of(graph.as_graph_def()), blocks.ALL)
    assert names_of(whole) == {'ones', 'scale'}


def test_activations_are_counted():
    # 8 x 8 x 4 at the boundary and 3 times behind it; 4 x 4 x 6 3 times; 6 twice; 5 twice.
    assert tail.find(cut_of('fused')).bytes_a_photo == 4 * (4 * 256 + 3 * 96 + 2 * 6 + 2 * 5)


def test_a_node_that_is_passed_by_is_no_boundary():
    def change(graph_def, nodes):
        nodes['Softplus'].input[0] = 'joined'
        add(graph_def, 'Add', 'joined', ['norm_1/FusedBatchNorm', 'norm_0/FusedBatchNorm'])

    with pytest.raises(UserError, match='the node boundary is no boundary: there is a path from'):
        tail.find(changed('fused', change))


@pytest.mark.parametrize('form', FORMS)
def test_each_form_has_gradients(form):
    tail.check_gradients(cut_of(form))
    tail.check_gradients(blocks.cut_for(small_networks.backbone(form), blocks.ALL))
    tail.check_gradients(small_networks.backbone(form))


def test_an_operation_without_a_gradient_is_named():
    def change(graph_def, nodes):
        nodes['Softplus'].input[0] = 'odd'
        graph_def.node.extend([build.constant('factor', np.float32(2))])
        add(graph_def, 'AdjustContrastv2', 'odd', ['norm_1/FusedBatchNorm', 'factor'])

    expected = (
        'small cannot be trained behind boundary: TensorFlow .* has no gradient for the operation '
        'AdjustContrastv2 of the node odd; fine-tune fewer blocks'
    )
    with pytest.raises(UserError, match=expected):
        tail.check_gradients(changed('fused', change))


def test_a_gradient_that_cannot_be_computed_is_told():
    def change(graph_def, nodes):
        nodes['Conv2D_1'].attr['strides'].list.i[:] = [1, 1, 1, 1]
        nodes['Conv2D_1'].attr['dilations'].list.i[:] = [1, 2, 2, 1]

    cut = changed('fused', change)
    if tf.VERSION.startswith('2'):
        tail.check_gradients(cut)
        return
    with pytest.raises(UserError, match='cannot compute .*Conv2D_1.*: .* dilation rates') as error:
        tail.check_gradients(cut)
    assert '\n' not in str(error.value)


def test_what_stops_a_gradient_is_named():
    def stop(graph_def, nodes):
        nodes['Softplus'].input[0] = 'stopped'
        add(graph_def, 'StopGradient', 'stopped', ['norm_1/FusedBatchNorm'])

    def round_too(graph_def, nodes):
        stop(graph_def, nodes)
        nodes['Softplus_1'].input[0] = 'floats'
        integers = {'SrcT': tf.float32, 'DstT': tf.int32}
        graph_def.node.extend(
            [build.node('Cast', 'rounded', ['norm_2/FusedBatchNorm'], **integers)]
        )
        floats = {'SrcT': tf.int32, 'DstT': tf.float32}
        graph_def.node.extend([build.node('Cast', 'floats', ['rounded'], **floats)])

    expected = (
        'small cannot be trained behind boundary: the operation Cast of the node rounded lets'
    )
    with pytest.raises(UserError, match=expected):
        tail.check_gradients(changed('fused', round_too))

    with pytest.raises(UserError, match='the operation StopGradient of the node stopped lets no'):
        tail.check_gradients(changed('fused', stop))


def test_a_tail_without_weights_is_told():
    graph = tf.Graph()
    with graph.as_default():
        net = tf.placeholder(tf.float32, [None, 8, 8, 3], name='input')
        tf.reduce_mean(net, [1, 2], name='bottleneck')
    whole = blocks.cut_for(small_networks.of(graph.as_graph_def(), length=3), blocks.ALL)
    with pytest.raises(UserError, match='small has no float32 weights behind input'):
        tail.check_gradients(whole)


def test_a_gradient_function_of_another_program_is_not_asked_for(settings):
    """Keras writes swish as an IdentityN whose gradient only the program that made it has."""

    def change(graph_def, nodes):
        nodes['Softplus'].input[0] = 'swish'
        node = build.node('IdentityN', 'swish', ['product', 'norm_1/FusedBatchNorm'])
        node.attr['T'].list.type.extend([tf.float32.as_datatype_enum] * 2)
        node.attr[gradients.OTHERS_GRADIENT].s = b'CustomGradient-17'
        graph_def.node.extend([node])
        add(graph_def, 'Sigmoid', 'sigmoid', ['norm_1/FusedBatchNorm'])
        add(graph_def, 'Mul', 'product', ['norm_1/FusedBatchNorm', 'sigmoid'])

    cut = changed('fused', change)
    tail.check_gradients(cut)
    with Model(cut, 3, settings) as model:
        model.train(0, batch_of(cut), False)
        frozen = search.nodes_by_name(model.frozen_graph())
    assert frozen['swish'] == search.nodes_by_name(cut.graph_def)['swish']


def test_what_waits_for_a_node_before_the_boundary_waits_in_the_frozen_graph_only(settings):
    def change(graph_def, nodes):
        nodes['norm_1/FusedBatchNorm'].input.append('^checked')
        nodes['norm_2/FusedBatchNorm'].input.append('^boundary')
        check = build.node('CheckNumerics', 'checked', ['norm_0/FusedBatchNorm'], T=tf.float32)
        check.attr['message'].s = b'not finite'
        graph_def.node.extend([check])

    cut = changed('fused', change)
    tail.check_gradients(cut)
    with Model(cut, 3, settings) as model:
        model.train(0, batch_of(cut), False)
        scores, frozen = model.evaluate(batch_of(cut)).scores, model.frozen_graph()
    nodes, own = search.nodes_by_name(frozen), search.nodes_by_name(cut.graph_def)
    for name in ('norm_1/FusedBatchNorm', 'norm_2/FusedBatchNorm', 'checked'):
        assert nodes[name] == own[name]
    np.testing.assert_allclose(scores_of(frozen), scores, atol=1e-5)


def test_the_functions_of_a_network_stay(settings):
    def change(graph_def, nodes):
        text_format.Parse(_DOUBLED, graph_def.library.function.add())
        nodes['boundary'].input[0] = 'doubled'
        call = build.node('PartitionedCall', 'doubled', ['norm_0/FusedBatchNorm'])
        for key in ('Tin', 'Tout'):
            call.attr[key].list.type.append(tf.float32.as_datatype_enum)
        call.attr['f'].func.name = 'double'
        graph_def.node.extend([call])

    cut = changed('fused', change)
    with Model(cut, 3, settings) as model:
        scores = model.evaluate(batch_of(cut)).scores
        np.testing.assert_allclose(scores_of(model.frozen_graph()), scores, atol=1e-5)
        assert len(model.graph_def().library.function) == 1
