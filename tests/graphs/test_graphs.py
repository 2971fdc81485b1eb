"""GraphDefs: on disk, searched, rewritten."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import graph_files, rewrite, search
from scripts.graphs.session import open_session
from tests import stand_ins


def run(graph_def, output, input_name, value):
    """Runs a GraphDef."""
    graph = tf.Graph()
    with graph.as_default():
        tensors = [input_name + ':0', output + ':0']
        fed, fetched = tf.import_graph_def(graph_def, return_elements=tensors, name='')
    with open_session(graph) as session:
        return session.run(fetched, {fed: value})


def test_a_graph_survives_the_disk_and_gives_the_same_bytes(tmp_path):
    graph_def = stand_ins.mobilenet(16, 5)
    for name in ('one', 'two'):
        graph_files.write(graph_def, str(tmp_path / name))
    assert graph_files.read(str(tmp_path / 'one')) == graph_def
    assert (tmp_path / 'one').read_bytes() == (tmp_path / 'two').read_bytes()


@pytest.mark.parametrize(
    'data, words',
    [
        (b'<html>', 'is not a frozen graph'),
        (b'', 'without nodes'),
    ],
)
def test_what_is_no_graph_is_told(data, words):
    with pytest.raises(UserError, match=words):
        graph_files.parse(data, 'here.pb')


def test_a_truncated_graph_is_told():
    data = stand_ins.mobilenet(16, 5).SerializeToString()
    with pytest.raises(UserError, match='is not a frozen graph'):
        graph_files.parse(data[: len(data) // 2], 'here.pb')


@pytest.mark.parametrize('name', ['Mul', 'Mul:0', '^Mul', 'Mul:1'])
def test_tensor_names_name_their_node(name):
    assert search.node_name(name) == 'Mul'


def test_a_missing_node_is_told_with_those_that_fit():
    graph_def = stand_ins.mobilenet(16, 5)
    with pytest.raises(UserError, match='no node inputs; names that would fit: input'):
        search.require_node(graph_def, 'inputs:0', search.placeholders(graph_def))


def test_outputs_are_the_nodes_that_nothing_takes():
    assert search.outputs(stand_ins.mobilenet(16, 5)) == ['MobilenetV1/Predictions/Softmax']


def test_any_batch_goes_through_and_each_image_gets_what_it_got_alone():
    images = np.random.RandomState(0).randn(3, 16, 16, 3).astype(np.float32)
    graph_def = stand_ins.mobilenet(16, 5)
    output = 'MobilenetV1/Predictions/Reshape'
    freed = rewrite.allow_any_batch(graph_def, 'input')
    together = run(freed, output, 'input', images)
    assert together.shape == (3, 5)
    for image, bottleneck in zip(images, together):
        np.testing.assert_allclose(
            run(graph_def, output, 'input', image[np.newaxis])[0], bottleneck, rtol=1e-5
        )


def test_any_batch_goes_through_inceptions_constant_shape():
    images = np.random.RandomState(0).randn(2, 299, 299, 3).astype(np.float32)
    cut = rewrite.cut_at(stand_ins.inception(), 'Mul', [1, 299, 299, 3])
    freed = rewrite.allow_any_batch(cut, 'Mul')
    together = run(freed, 'pool_3/_reshape', 'Mul', images)
    np.testing.assert_allclose(together, run(freed, 'pool_3', 'Mul', images)[:, 0, 0])
    alone = run(stand_ins.inception(), 'pool_3/_reshape', 'Mul', images[1:])
    np.testing.assert_allclose(together[1:], alone, rtol=1e-4, atol=1e-4)


def test_any_batch_leaves_its_argument_and_other_reshapes_alone():
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 4], name='input')
        weights = tf.reshape(
            tf.constant([1.0, 2, 3, 4], name='weights'), tf.constant([1, 4], name='weights_shape')
        )
        tf.multiply(images, weights, name='product')
    before = graph.as_graph_def()
    kept = graph.as_graph_def()
    freed = rewrite.allow_any_batch(before, 'input')
    assert before == kept
    shapes = search.nodes_by_name(freed)
    assert tf.make_ndarray(shapes['weights_shape'].attr['value'].tensor).tolist() == [1, 4]
    assert shapes['input'].attr['shape'].shape.dim[0].size == -1


def test_a_cut_makes_the_fed_node_a_placeholder_and_drops_what_is_before():
    names = search.nodes_by_name(rewrite.cut_at(stand_ins.inception(), 'Mul', [1, 299, 299, 3]))
    assert names['Mul'].op == 'Placeholder'
    assert 'pool_3/_reshape' in names
    assert not {'DecodeJpeg', 'ResizeBilinear', 'Sub'} & set(names)


def test_a_session_finalizes_its_graph():
    graph = tf.Graph()
    with open_session(graph), graph.as_default(), pytest.raises(RuntimeError, match='finalized'):
        tf.constant(1)
