"""What the comparison of two commits says of outputs that differ."""

import numpy as np

from scripts.graphs import build, description
from tests import stand_ins
from tests.benchmarks import same_bytes


def graph(value=1.0, version='1.15.5', labels=('a', 'b')):
    """Returns the bytes of a graph with a constant and a description."""
    graph_def = stand_ins.mobilenet(16, 2)
    graph_def.node.extend([build.constant('w', np.float32([value]))])
    described = stand_ins.DESCRIPTION._replace(tensorflow=version, labels=labels)
    description.attach(graph_def, graph_def.node[0].name, described)
    return graph_def.SerializeToString(deterministic=True)


def difference(before, after, name='graph.pb'):
    return same_bytes.difference({name: before}, {name: after})


def test_the_same_bytes_are_the_same():
    assert difference(graph(), graph()) == ''
    assert difference(b'x', b'x', 'labels') == ''


def test_the_first_node_that_differs_is_named():
    assert difference(graph(), graph(2.0)) == "graph.pb: node w differs in ['value']"


def test_the_description_is_compared_apart():
    found = difference(graph(), graph(version='2.21.0', labels=('a', 'c')))
    assert found == 'graph.pb: the description differs in labels'


def test_the_version_of_tensorflow_alone_does_not_count():
    assert difference(graph(), graph(version='2.21.0')) == ''


def test_the_first_line_that_differs_is_told():
    assert difference(b'a\nb\n', b'a\nc\n', 'x.csv') == 'x.csv: 4 bytes and 4, from line 2 on'
    assert difference(b'a\n', b'a\nc\n', 'x.csv') == 'x.csv: 2 bytes and 4, from line 2 on'


def test_a_file_that_is_missing_is_told():
    assert same_bytes.difference({'a': b''}, {'b': b''}) == '1 files and 1, of other names'
    assert same_bytes.difference({}, {}) == '0 files and 0, of other names'


def test_what_a_command_writes_is_read_off_its_flags():
    assert same_bytes.re.findall(same_bytes.WRITTEN, same_bytes.steps()['retrain warm']) == [
        'of_photos',
        'labels',
        'warm.pb',
        'intermediate',
    ]
