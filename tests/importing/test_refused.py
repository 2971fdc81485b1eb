"""Untrusted files: what could run other code than layers and allowed operations is refused."""

import json
import os

import h5py
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import import_network
from scripts.graphs import build, versions
from scripts.importing import probing
from tests.importing import keras_samples
from tests.importing.conftest import make

pytestmark = pytest.mark.each_tensorflow

IS_1 = tf.VERSION.startswith('1.')


@pytest.fixture
def refusal(one_error, tmp_path):
    """Imports a source, which has to be refused in the line that is returned; nothing is there."""

    def run(source, data=None):
        path = str(tmp_path / 'source')
        if data is not None:
            with open(path, 'wb') as file:
                file.write(data)
        models = tmp_path / 'models'
        line = one_error(
            import_network,
            '--output_name=net',
            '--model_dir=%s' % models,
            '--%s=%s' % (source, path),
        )
        assert not models.exists()
        return line

    return run


def test_the_samples_are_read(in_process, tmp_path):
    path = tmp_path / 'model.h5'
    path.write_bytes(keras_samples.hdf5())
    arguments = ['--output_name=net', '--model_dir=%s' % tmp_path, '--keras_file=%s' % path]
    ended = in_process(import_network, *arguments)
    assert ended.status == 0, ended.err


def function(name):
    """Returns how Keras 3 writes a function that a program has registered."""
    return {'module': 'builtins', 'class_name': 'function', 'config': name}


REFUSED_LAYERS = {
    'Lambda': dict(class_name='Lambda', config={'function': ['4wEAAAA=', None, None]}),
    'TFOpLambda': dict(class_name='TFOpLambda', config={'function': 'io.read_file'}),
    'TensorFlowOpLayer': dict(class_name='TensorFlowOpLayer', config={'node_def': ''}),
    'TFSMLayer': dict(class_name='TFSMLayer', config={'filepath': '/tmp/model'}),
    'Mine>Layer': dict(class_name='Conv2D', registered_name='Mine>Layer', module='keras.layers'),
    'os': dict(class_name='Conv2D', module='os'),
    'subprocess.run': dict(config={'name': 'conv', 'activation': 'subprocess.run'}),
    'function': dict(config={'name': 'conv', 'activation': function('mine')}),
    '__lambda__': dict(config={'kernel_initializer': {'class_name': '__lambda__', 'config': {}}}),
}


@pytest.mark.parametrize('name', sorted(REFUSED_LAYERS))
@pytest.mark.parametrize('write', [keras_samples.hdf5, keras_samples.keras_zip])
def test_what_is_no_layer_of_keras_is_refused(refusal, name, write):
    text = json.dumps(keras_samples.config(**REFUSED_LAYERS[name]))
    line = refusal('keras_file', write(text))
    assert 'is refused: it is built with the' in line and name in line


def test_a_lambda_that_keras_has_written_is_refused(refusal, folder, formats):
    with open(make('small', folder / ('lambda.' + formats[0]), 'lambda'), 'rb') as file:
        assert 'the class Lambda' in refusal('keras_file', file.read())


def external_link(file):
    file['model_weights/conv/more'] = h5py.ExternalLink('/etc/passwd', '/')


def soft_link(file):
    file['model_weights/conv/more'] = h5py.SoftLink('/model_weights')


def external_array(file):
    file.create_dataset('more', (4,), 'u1', external=[('/etc/passwd', 0, 4)])


def compressed(file):
    file.create_dataset('more', data=np.zeros((1000, 1000), 'f'), compression='gzip')


def never_written(file):
    file.create_dataset('more', (1 << 20, 1 << 8), 'f')


@pytest.mark.parametrize(
    'edit, words',
    [
        (external_link, 'leads to another place or file'),
        (soft_link, 'leads to another place or file'),
        (external_array, 'is compressed or elsewhere'),
        (compressed, 'is compressed or elsewhere'),
        (never_written, 'is not in it'),
    ],
)
def test_arrays_are_in_the_file(refusal, edit, words):
    if edit is external_array and h5py.__version__ < '2.9':
        pytest.skip('this h5py writes none')
    assert words in refusal('keras_file', keras_samples.hdf5(edit=edit))


@pytest.mark.parametrize(
    'members, words',
    [
        ([('../outside', b'')], "it holds '../outside'"),
        ([('assets/code.py', b'')], "it holds 'assets/code.py'"),
        ([('weights.pkl', b'')], "it holds 'weights.pkl'"),
    ],
)
def test_other_members_are_refused(refusal, members, words):
    assert words in refusal('keras_file', keras_samples.keras_zip(members=members))


def test_a_bomb_is_refused(refusal):
    text = json.dumps(keras_samples.config()) + ' ' * (1 << 27)
    assert 'at most 64 MB' in refusal('keras_file', keras_samples.keras_zip(text))


def test_a_model_larger_than_its_file_is_refused_before_it_is_built(refusal):
    layer = {'name': 'conv', 'filters': 1 << 30, 'kernel_size': [8, 8]}
    text = json.dumps(keras_samples.config(config=layer))
    assert 'it is truncated or corrupt' in refusal('keras_file', keras_samples.hdf5(text))


def saved_model(folder, nodes, functions=()):
    """Writes a SavedModel of NodeDefs, from `image` to `output`."""
    message = versions.SavedModel()
    meta_graph = message.meta_graphs.add()
    meta_graph.meta_info_def.tags.append('serve')
    image = build.node('Placeholder', 'image', [], dtype=tf.float32)
    image.attr['shape'].shape.CopyFrom(tf.TensorShape([None, 8, 8, 3]).as_proto())
    meta_graph.graph_def.node.extend([image] + nodes)
    meta_graph.graph_def.library.function.extend(functions)
    signature = meta_graph.signature_def['serving_default']
    for infos, name in ((signature.inputs, 'image'), (signature.outputs, 'output')):
        infos[name].name = name + ':0'
        infos[name].dtype = tf.float32.as_datatype_enum
    os.makedirs(str(folder))
    (folder / 'saved_model.pb').write_bytes(message.SerializeToString())


def constant(name, value):
    return build.constant(name, np.array(value, object))


def reaching(op):
    """Returns NodeDefs from `image` to `output` by way of an operation."""
    if op == 'PyFunc':
        node = build.node('PyFunc', 'bad', ['image'], token=b'pyfunc_0')
        node.attr['Tin'].list.type.append(1)
        node.attr['Tout'].list.type.append(1)
        return [node, build.node('Identity', 'output', ['bad'], T=tf.float32)]
    if op == 'TRTEngineOp':
        node = build.node('TRTEngineOp', 'bad', ['image'], serialized_segment=b'')
        node.attr['InT'].list.type.append(1)
        node.attr['OutT'].list.type.append(1)
        return [node, build.node('Identity', 'output', ['bad'], T=tf.float32)]
    made = [constant('name', b'/tmp/written-by-a-saved-model')]
    inputs = ['name']
    if op == 'WriteFile':
        made.append(constant('contents', b'x'))
        inputs.append('contents')
    made.append(build.node(op, 'bad', inputs))
    return made + [build.node('Identity', 'output', ['image', '^bad'], T=tf.float32)]


@pytest.mark.parametrize('op', ['PyFunc', 'TRTEngineOp', 'WriteFile', 'ReadFile'])
def test_operations_that_a_signature_reaches_are_judged(refusal, tmp_path, op):
    saved_model(tmp_path / 'source', reaching(op))
    line = refusal('saved_model')
    assert op in line or 'TensorRT engine' in line
    assert not os.path.exists('/tmp/written-by-a-saved-model')


@pytest.mark.parametrize('op', ['PyFunc', 'WriteFile'])
def test_so_are_those_in_functions(refusal, tmp_path, op):
    body = tf.GraphDef().library.function.add()
    body.signature.name = 'body'
    body.signature.input_arg.add(name='image', type=1)
    body.signature.output_arg.add(name='output', type=1)
    body.ret['output'] = 'output:output:0'
    for node in reaching(op):
        copy = body.node_def.add()
        copy.CopyFrom(node)
        copy.input[:] = [
            {'bad': 'bad:output:0'}.get(
                each, each if each in ('image', '^bad') else each + ':output:0'
            )
            for each in node.input
        ]
    call = build.node('StatefulPartitionedCall', 'output', ['image'])
    call.attr['f'].func.name = 'body'
    call.attr['Tin'].list.type.append(1)
    call.attr['Tout'].list.type.append(1)
    saved_model(tmp_path / 'source', [call], [body])
    assert op in refusal('saved_model')


def test_operations_beside_the_signature_do_not_count(in_process, tmp_path):
    nodes = [build.node('Relu', 'output', ['image'], T=tf.float32)]
    others = [node for node in reaching('WriteFile') if node.name != 'output']
    saved_model(tmp_path / 'source', nodes + others)
    ended = in_process(
        import_network,
        '--output_name=net',
        '--model_dir=%s' % tmp_path,
        '--saved_model=%s' % (tmp_path / 'source'),
    )
    assert ended.status == 0, ended.err
    assert not os.path.exists('/tmp/written-by-a-saved-model')


def test_a_network_that_draws_random_numbers_is_refused(refusal, tmp_path):
    shape = build.constant('shape', np.array([1, 8, 8, 3], np.int32))
    noise = build.node('RandomUniform', 'noise', ['shape'], T=tf.int32, dtype=tf.float32)
    output = build.node('AddV2', 'output', ['image', 'noise'], T=tf.float32)
    saved_model(tmp_path / 'source', [shape, noise, output])
    assert 'the network draws random numbers' in refusal('saved_model')


def test_images_tell_networks_apart():
    images = probing.images(16, 16, 3)
    assert images.shape == (6, 16, 16, 3) and images.dtype == np.float32
    assert 0 <= images.min() < 30 and 220 < images.max() <= 255
    assert np.array_equal(images, probing.images(16, 16, 3))
