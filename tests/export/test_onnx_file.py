"""ONNX files, in the environment that has their packages."""

import importlib.util
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import retrain
from scripts.common.errors import UserError
from scripts.export import onnx_file
from scripts.graphs import build, description, graph_files, rewrite
from scripts.images import graph_input as graph_input_lib
from scripts.inference import labelling
from tests import stand_ins
from tests.test_fine_tuning import bench, fine_tuning  # noqa: F401  # A fixture.

OUTPUT = 'MobilenetV1/Predictions/Softmax'

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec('tf2onnx') is None,
    reason='needs requirements-export.txt, which tests/run.sh installs for Python 3.7',
)


@pytest.fixture
def graph_def():
    return stand_ins.mobilenet(32, 4)


def session_of(data):
    import onnxruntime

    return onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider'])


def images_for(graph_input, count):
    pixels = graph_input.pixels
    shape = [count, pixels.height, pixels.width, pixels.channels]
    return np.random.RandomState(3).uniform(-1, 1, shape).astype(np.float32)


def check_scores(graph_def, output_name):
    """Fails unless an ONNX file of a graph gives its scores; returns the session."""
    graph_input = graph_input_lib.read_off(graph_def)
    session = session_of(onnx_file.convert(graph_def, graph_input, output_name))
    images = images_for(graph_input, 3)
    classifier = labelling.ScoringGraph(graph_def, graph_input, output_name)
    with labelling.Scorer(classifier) as scorer:
        expected = scorer.score_pixels(images)
    assert expected.std() > 1e-5
    for batch in (images, images[:1]):
        (given,) = session.run([output_name], {graph_input.name: batch})
        np.testing.assert_allclose(given, expected[: len(batch)], atol=1e-6)
    return session


def test_it_gives_the_scores_of_any_batch_and_describes_itself(graph_def):
    description.attach(graph_def, OUTPUT, stand_ins.DESCRIPTION)
    session = check_scores(graph_def, OUTPUT)
    text = session.get_modelmeta().custom_metadata_map['description']
    assert text.encode() == description.to_json(stand_ins.DESCRIPTION)
    assert session.get_inputs()[0].shape == ['batch', 32, 32, 3]


def test_the_same_graph_gives_the_same_bytes(graph_def):
    graph_input = graph_input_lib.read_off(graph_def)
    first = onnx_file.convert(graph_def, graph_input, OUTPUT)
    assert onnx_file.convert(graph_def, graph_input, OUTPUT) == first


def test_placeholders_with_defaults_and_the_first_batch_norm_are_replaced():
    random = np.random.RandomState(1)
    nodes = [
        build.node('Placeholder', 'input', [], dtype=tf.float32),
        build.constant('weights', random.randn(3, 3, 3, 4).astype(np.float32)),
        build.node('Conv2D', 'conv', ['input', 'weights'], T=tf.float32, strides=[1, 2, 2, 1]),
    ]
    nodes[0].attr['shape'].shape.CopyFrom(tf.TensorShape([None, 8, 8, 3]).as_proto())
    nodes[2].attr['padding'].s = b'VALID'
    for name in ('mean', 'variance', 'beta', 'gamma'):
        nodes.append(build.constant(name, random.uniform(0.5, 2, [4]).astype(np.float32)))
    norm = build.node(
        'BatchNormWithGlobalNormalization',
        'norm',
        ['conv', 'mean', 'variance', 'beta', 'gamma'],
        T=tf.float32,
        variance_epsilon=0.01,
        scale_after_normalization=True,
    )
    axes = build.constant('axes', np.array([1, 2], np.int32))
    mean = build.node('Mean', 'pooled', ['norm', 'axes'], T=tf.float32, Tidx=tf.int32)
    fed = build.node('PlaceholderWithDefault', 'fed', ['pooled'], dtype=tf.float32)
    fed.attr['shape'].shape.CopyFrom(tf.TensorShape([None, 4]).as_proto())
    softmax = build.node('Softmax', 'final_result', ['fed'], T=tf.float32)
    graph_def = tf.GraphDef(node=nodes + [norm, axes, mean, fed, softmax])
    graph_def.versions.producer = 8  # The first batch norm was for graphs as old as this.
    check_scores(graph_def, 'final_result')


def test_inception_is_fed_behind_its_decoder():
    graph_def = rewrite.cut_at(stand_ins.inception(), 'Mul', [None, 299, 299, 3])
    check_scores(graph_def, 'softmax')


def test_what_onnx_lacks_is_told():
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 8, 8, 3], name='input')
        tf.betainc(images, images, images, name='final_result')
    graph_input = graph_input_lib.read_off(graph.as_graph_def())
    with pytest.raises(UserError, match='ONNX does not take this network: .*Betainc; leave --onnx'):
        onnx_file.convert(graph.as_graph_def(), graph_input, 'final_result')


def test_a_fine_tuned_graph_with_hidden_layers_is_exported(bench, in_process, tmp_path):  # noqa: F811
    path = tmp_path / 'flowers.onnx'
    ended = in_process(
        retrain,
        *fine_tuning(bench, hidden_units='8', onnx_output_file=str(path), summary_interval=0),
    )
    assert ended.status == 0 and ended.err == '', ended.err
    assert 'ONNX file written to %s' % path in ended.out
    graph_def = graph_files.read(bench.graph)
    found = description.find(graph_def)
    session = session_of(path.read_bytes())
    text = session.get_modelmeta().custom_metadata_map['description']
    assert text.encode() == description.to_json(found.description)
    graph_input = graph_input_lib.read_off(graph_def, description=found.description)
    images = images_for(graph_input, 2)
    classifier = labelling.ScoringGraph(graph_def, graph_input, 'final_result')
    with labelling.Scorer(classifier) as scorer:
        expected = scorer.score_pixels(images)
    (given,) = session.run(['final_result'], {'input': images})
    np.testing.assert_allclose(given, expected, atol=1e-4)


def test_a_network_that_onnx_does_not_take_is_told_before_training(bench, one_error, monkeypatch):  # noqa: F811
    def refuse(*_):
        raise UserError('ONNX does not take this')

    monkeypatch.setattr(onnx_file, 'convert', refuse)
    before = sorted(os.walk(bench.folder))
    line = one_error(retrain, *bench.flags(onnx_output_file=bench.folder + '/x.onnx'))
    assert line.endswith('ONNX does not take this')
    assert sorted(os.walk(bench.folder)) == before
