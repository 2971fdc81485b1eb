"""Settings, what a graph says of itself, and what its nodes tell, in this order."""

import pytest

from scripts.common import files
from scripts.common.errors import UserError
from scripts.graphs import description, graph_files
from scripts.inference import finished_graph
from tests import stand_ins

OUTPUT = 'MobilenetV1/Predictions/Softmax'


@pytest.fixture
def read(tmp_path):
    """Reads a graph, with a description or without, in a folder of its own: `read(settings)`."""

    def call(settings=finished_graph.AS_DESCRIBED, described=True):
        graph_def = stand_ins.mobilenet(64, 7)
        if described:
            description.attach(graph_def, OUTPUT, stand_ins.DESCRIPTION)
        path = str(tmp_path / 'my_graph.pb')
        graph_files.write(graph_def, path)
        settings = settings._replace(output_layer=OUTPUT)
        return finished_graph.read(path, files.read(path, 'graph'), settings)

    return call


def test_no_flags_are_needed(read):
    graph = read()
    assert graph.labels == list(stand_ins.DESCRIPTION.labels)
    assert graph.description == stand_ins.DESCRIPTION
    assert (graph.classifier.output_name, graph.classifier.graph_input.name) == (OUTPUT, 'input')


def test_settings_win(read, tmp_path):
    path = tmp_path / 'labels.txt'
    path.write_text('x\ny\n')
    settings = finished_graph.Settings(input_mean=0, input_width=9, labels=str(path))
    graph = read(settings)
    pixels = graph.classifier.graph_input.pixels
    assert (pixels.mean, pixels.width) == (0, 9)
    assert graph.labels == ['x', 'y']


def test_without_a_description_labels_come_from_beside_the_graph_then_by_default(read, tmp_path):
    (tmp_path / 'default.txt').write_text('d\n')
    settings = finished_graph.Settings(default_labels=str(tmp_path / 'default.txt'))
    assert read(settings, described=False).labels == ['d']
    (tmp_path / 'my_labels.txt').write_text('m\n')
    assert read(settings, described=False).labels == ['m']


def test_a_graph_without_any_labels_is_a_user_error(read):
    with pytest.raises(UserError, match='my_graph.pb holds no labels: give a labels file'):
        read(described=False)


def test_a_std_of_zero_is_a_user_error():
    finished_graph.check(finished_graph.Settings())
    with pytest.raises(UserError, match='--input_std=0'):
        finished_graph.check(finished_graph.Settings(input_std=0))
