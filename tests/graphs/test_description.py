"""What a graph says of itself: written, kept, read, and refused where it makes no sense."""

import json

import pytest
import tensorflow.compat.v1 as tf

from scripts.graphs import build, description, graph_files
from tests.stand_ins import DESCRIPTION


def described(value=DESCRIPTION):
    graph_def = tf.GraphDef()
    graph_def.node.extend(
        [
            build.node('Placeholder', 'input', [], dtype=tf.float32),
            build.node('Softmax', 'final_result', ['input'], T=tf.float32),
        ]
    )
    description.attach(graph_def, 'final_result', value)
    return graph_def


@pytest.mark.parametrize(
    'value',
    [
        DESCRIPTION,
        DESCRIPTION._replace(test=None),
        DESCRIPTION._replace(photos=DESCRIPTION.photos._replace(image_dir=None)),
        DESCRIPTION._replace(photos=DESCRIPTION.photos._replace(test_dir='digits/test')),
        DESCRIPTION._replace(photos=DESCRIPTION.photos._replace(groups='5a' * 32)),
        DESCRIPTION._replace(photos=DESCRIPTION.photos._replace(test_dir=description.LEFT_OUT)),
        DESCRIPTION._replace(input=DESCRIPTION.input._replace(mean=127.5)),
        DESCRIPTION._replace(input=DESCRIPTION.input._replace(decode='fast')),
        # A name that is no UTF-8, as Python has it.
        DESCRIPTION._replace(photos=DESCRIPTION.photos._replace(image_dir='a\udcff')),
    ],
)
def test_what_is_written_is_read(value, tmp_path):
    graph_files.write(described(value), str(tmp_path / 'graph.pb'))
    found = description.find(graph_files.read(str(tmp_path / 'graph.pb')))
    assert found == description.Described('final_result', value)


def test_it_is_one_json_object_in_an_attribute_of_the_output_node():
    value = json.loads(described().node[1].attr['_classifier'].s.decode('utf-8'))
    assert value['version'] == 1
    assert value['labels'] == ['daisy', 'tulips']
    assert value['input'] == {
        'name': 'input',
        'height': 224,
        'width': 192,
        'mean': [123.7, 116.8, 103.9],
        'std': 127.5,
        'exif_rotation': 'apply',
    }
    assert value['test'] == {'accuracy': 0.8, 'photos': 362}
    assert 'test_dir' not in value['photos']


def test_a_described_graph_runs():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(described(), name='')
        assert session.run('final_result:0', {'input:0': [[0.0, 0.0]]}).tolist() == [[0.5, 0.5]]


def test_a_pass_hands_it_on():
    after = described()
    del after.node[1].attr['_classifier']
    assert description.find(after) is None
    description.copy(described(), after)
    assert description.find(after).description == DESCRIPTION


def changed(*path_and_value):
    """Returns the bytes of the description with one field changed; Ellipsis: without it."""
    *path, last, value = path_and_value
    whole = json.loads(described().node[1].attr['_classifier'].s.decode('ascii'))
    place = whole
    for name in path:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(whole).encode('ascii')


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'{',
        b'\xff',
        b'[' * 100000,
        b'[]',
        b'{}',
        b'null',
        changed('version', 2),
        changed('labels', []),
        changed('labels', ['a', 1]),
        changed('labels', 'daisy'),
        changed('input', ...),
        changed('input', None),
        changed('input', 'height', 0),
        changed('input', 'height', 224.5),
        changed('input', 'width', 10**9),
        changed('input', 'width', True),
        changed('input', 'mean', [1, 2]),
        changed('input', 'mean', float('nan')),
        changed('input', 'mean', 10**400),
        changed('input', 'std', 0),
        changed('input', 'std', [1, 0, 1]),
        changed('input', 'exif_rotation', 'sometimes'),
        changed('input', 'decode', 'slow'),
        changed('photos', 'split_key', 'moon'),
        changed('photos', 'split_key', ['path']),
        changed('photos', 'testing_percentage', -1),
        changed('photos', 'test_dir', 7),
        changed('photos', 'groups', 7),
        changed('test', 'photos', 0),
        changed('test', 'accuracy', 1.5),
    ],
)
def test_one_that_makes_no_sense_is_one_warning_and_not_used(data, warnings_of):
    graph_def = described()
    graph_def.node[1].attr['_classifier'].s = data
    found = []
    (warning,) = warnings_of(lambda: found.append(description.find(graph_def)))
    assert found == [None] and 'final_result, is corrupt' in warning


def test_of_two_neither_is_used(warnings_of):
    graph_def = described()
    graph_def.node[0].attr['_classifier'].s = graph_def.node[1].attr['_classifier'].s
    (warning,) = warnings_of(lambda: description.find(graph_def))
    assert 'nodes input and final_result' in warning
