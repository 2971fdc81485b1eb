"""The command that makes a graph for TensorRT, where there is none; see export/test_tensorrt.py."""

import os

import pytest
import tensorflow.compat.v1 as tf

from scripts import optimize_for_tensorrt
from scripts.export import tensorrt
from scripts.graphs import description, graph_files
from scripts.images import settings as image_settings
from tests import stand_ins

OUTPUT = 'MobilenetV1/Predictions/Softmax'


@pytest.fixture
def flags(tmp_path):
    graph_def = stand_ins.mobilenet(64, 2)
    described = stand_ins.DESCRIPTION._replace(
        input=description.Input('input', 64, 64, 127.5, 127.5, image_settings.IGNORE)
    )
    description.attach(graph_def, OUTPUT, described)
    graph_files.write(graph_def, str(tmp_path / 'graph.pb'))
    return ['--graph=%s' % (tmp_path / 'graph.pb'), '--output_graph=%s' % (tmp_path / 'new.pb')]


def test_without_tensorrt_there_is_one_line_and_no_file(one_error, flags, tmp_path):
    line = one_error(optimize_for_tensorrt, *flags)
    assert 'cannot optimize the graph for TensorRT' in line and 'nothing was written' in line
    assert os.listdir(str(tmp_path)) == ['graph.pb']


def test_an_output_that_replaces_the_graph_is_refused(one_error, flags, tmp_path):
    output = '--output_graph=%s' % (tmp_path / 'graph.pb')
    assert '--output_graph is the same file as --graph' in one_error(
        optimize_for_tensorrt, flags[0], output
    )


def test_engines_are_counted_and_labels_compared(
    in_process, flags, tmp_path, photo_dir, monkeypatch
):
    monkeypatch.setattr(tensorrt, 'count', lambda _: tensorrt.Engines(2, 30))

    def optimize(graph_def, *_):
        # The labels the other way round.
        changed = type(graph_def).FromString(graph_def.SerializeToString())
        tensors = [node.attr['value'].tensor for node in changed.node if node.op == 'Const']
        (tensor,) = [each for each in tensors if len(each.tensor_shape.dim) == 4]
        tensor.CopyFrom(tf.make_tensor_proto(tf.make_ndarray(tensor)[..., ::-1]))
        return changed

    photos = [os.path.join(photo_dir, 'Red', '%03d.jpg' % number) for number in range(3)]
    monkeypatch.setattr(tensorrt, 'optimize', lambda graph_def, *_: graph_def)
    ended = in_process(optimize_for_tensorrt, *flags, *photos)
    assert ended.status == 0 and ended.err == ''
    assert 'new.pb has 2 engines, which stand for 30 nodes; ' in ended.out
    assert 'give 3 of 3 photos the same label; no score differs by more than 0\n' in ended.out
    assert (tmp_path / 'new.pb').exists()
    monkeypatch.setattr(tensorrt, 'optimize', optimize)
    ended = in_process(optimize_for_tensorrt, *flags, *photos)
    assert 'give 0 of 3 photos the same label' in ended.out
