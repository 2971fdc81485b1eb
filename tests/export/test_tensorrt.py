"""Engines of TensorRT, of which graphs are made by hand: no TensorFlow of these tests has it."""

import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.export import tensorrt
from scripts.graphs import description, validation, versions
from tests import stand_ins

OUTPUT = 'MobilenetV1/Predictions/Softmax'


def with_engines(counts):
    """Returns a GraphDef with an engine for each of the counts of nodes, and an output."""
    graph_def = tf.GraphDef()
    for number, count in enumerate(counts):
        name = 'TRTEngineOp_%d' % number
        engine = graph_def.node.add(op='TRTEngineOp', name=name)
        engine.attr['segment_func'].func.name = name + '_native_segment'
        function = graph_def.library.function.add()
        function.signature.name = name + '_native_segment'
        for index in range(count):
            function.node_def.add(op='Relu', name='relu_%d' % index)
    graph_def.node.add(op='Softmax', name=OUTPUT)
    return graph_def


def test_engines_and_their_nodes_are_counted():
    assert tensorrt.count(with_engines([3, 4])) == (2, 7)
    assert tensorrt.count(stand_ins.mobilenet(32, 4)) == (0, 0)


def test_the_description_is_kept_and_no_engine_is_inside(monkeypatch):
    before = stand_ins.mobilenet(32, 4)
    description.attach(before, OUTPUT, stand_ins.DESCRIPTION)
    asked = []

    def made(*arguments):
        asked.append(arguments)
        return with_engines([3])

    monkeypatch.setattr(versions, 'tensorrt_graph', made)
    optimized = tensorrt.optimize(before, OUTPUT, tensorrt.FP16)
    assert asked == [(before, [OUTPUT], 'FP16')]
    assert description.find(optimized) == description.find(before)
    validation.check_engines(optimized, 'here')


@pytest.mark.parametrize('failing', [None, RuntimeError('no driver\nmore'), ImportError('no lib')])
def test_a_graph_without_engines_is_an_error(monkeypatch, failing):
    def made(*_):
        if failing:
            raise failing
        return stand_ins.mobilenet(32, 4)

    monkeypatch.setattr(versions, 'tensorrt_graph', made)
    why = str(failing).split('\n')[0] if failing else 'it made no engine'
    with pytest.raises(UserError, match='for TensorRT: %s.*; nothing was written' % why):
        tensorrt.optimize(stand_ins.mobilenet(32, 4), OUTPUT, tensorrt.FP32)


def test_a_build_without_tensorrt_says_so(monkeypatch):
    monkeypatch.setattr(versions, 'op_def', lambda name: None)
    with pytest.raises(UserError, match='it is built without TensorRT; nothing was written'):
        tensorrt.optimize(stand_ins.mobilenet(32, 4), OUTPUT, tensorrt.FP32)
