"""The functions that other people's programs import from the classic label_image."""

import inspect
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts import label_image
from scripts.common.errors import UserError
from scripts.graphs import graph_files
from tests.conftest import REPOSITORY
from tests.evaluation import graphs

# As such programs are written; it imports nothing else of ours.
PROGRAM = """
import sys
started = set(sys.modules)
from scripts.label_image import load_graph, load_labels, read_tensor_from_image_file
assert not any(name.startswith('tensorflow') for name in set(sys.modules) - started)
import numpy as np
import tensorflow.compat.v1 as tf

model_file, label_file, file_name = sys.argv[1:]
graph = load_graph(model_file)
tensor = read_tensor_from_image_file(
    file_name, input_height=24, input_width=24, input_mean=127.5, input_std=127.5
)
input_operation = graph.get_operation_by_name('import/input')
output_operation = graph.get_operation_by_name('import/final_result')
with tf.Session(graph=graph) as session:
    results = session.run(output_operation.outputs[0], {input_operation.outputs[0]: tensor})
results = np.squeeze(results)
print(load_labels(label_file)[results.argsort()[-1]])
"""


def test_a_program_that_imports_nothing_else_of_ours(tmp_path):
    graph = graphs.by_colour(str(tmp_path / 'graph.pb'))
    (tmp_path / 'labels.txt').write_text('blue\nred\ngreen\n')
    (tmp_path / 'program.py').write_text(PROGRAM)
    Image.new('RGB', (40, 50), (240, 10, 10)).save(str(tmp_path / 'photo.jpg'))
    names = ['program.py', graph, 'labels.txt', 'photo.jpg']
    ended = subprocess.run(
        [sys.executable] + [str(tmp_path / name) for name in names],
        env=dict(os.environ, PYTHONPATH=REPOSITORY),
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    assert ended.returncode == 0 and ended.stdout == 'red\n'


def test_their_parameters_are_the_classic_ones():
    parameters = inspect.signature(label_image.read_tensor_from_image_file).parameters
    defaults = [(name, each.default) for name, each in parameters.items()]
    assert defaults[1:] == [
        ('input_height', 299),
        ('input_width', 299),
        ('input_mean', 0),
        ('input_std', 255),
    ]
    assert list(inspect.signature(label_image.load_graph).parameters) == ['model_file']
    assert list(inspect.signature(label_image.load_labels).parameters) == ['label_file']


@pytest.mark.parametrize('name', ['photo.jpg', 'photo.png', 'photo.gif', 'photo.bmp', 'photo'])
def test_photos_of_every_kind_are_read(tmp_path, name):
    path = str(tmp_path / name)
    kind = os.path.splitext(name)[1][1:].replace('jpg', 'jpeg') or 'jpeg'
    Image.new('RGB', (40, 50), (0, 0, 255)).save(path, kind)
    tensor = label_image.read_tensor_from_image_file(path)
    assert isinstance(tensor, np.ndarray) and tensor.dtype == np.float32
    assert tensor.shape == (1, 299, 299, 3)
    np.testing.assert_allclose(tensor[0, 100, 100], [0, 0, 1], atol=0.01)
    tensor = label_image.read_tensor_from_image_file(path, 7, 8, 128, 64)
    assert tensor.shape == (1, 7, 8, 3)
    np.testing.assert_allclose(tensor[0, 3, 3], [-2, -2, 127 / 64], atol=0.04)


def test_pixels_are_those_that_label_image_feeds(tmp_path):
    path = str(tmp_path / 'photo.png')
    values = np.random.RandomState(0).randint(256, size=(31, 47, 3)).astype(np.uint8)
    Image.fromarray(values).save(path)
    with tf.Graph().as_default(), tf.Session() as session:
        resized = tf.image.resize_bilinear(values[np.newaxis].astype(np.float32), [20, 30])
        expected = session.run((resized - 100) / 50)
    found = label_image.read_tensor_from_image_file(path, 20, 30, 100, 50)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_server_of_many_threads_reads_photos_and_its_graphs_stay_as_they_are(tmp_path):
    path = str(tmp_path / 'photo.png')
    Image.new('RGB', (40, 50), (0, 255, 0)).save(path)
    found = []

    def read():
        with tf.Graph().as_default() as graph:
            for _ in range(3):
                found.append(label_image.read_tensor_from_image_file(path, 4, 4)[0, 0, 0, 1])
            found.append(len(graph.get_operations()))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0] * 4 + [1] * 12


def test_what_is_wrong_is_said(tmp_path):
    (tmp_path / 'photo.jpg').write_bytes(b'<html>')
    with pytest.raises(UserError, match='photo.jpg is unreadable: it is an HTML page'):
        label_image.read_tensor_from_image_file(str(tmp_path / 'photo.jpg'))
    with pytest.raises(UserError, match='no graph at'):
        label_image.load_graph(str(tmp_path / 'none.pb'))
    with pytest.raises(UserError, match='no labels file at'):
        label_image.load_labels(str(tmp_path / 'none.txt'))


def test_an_untrusted_graph_is_refused(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.write_file('/tmp/out', 'data', name='final_result')
    graph_files.write(graph.as_graph_def(), str(tmp_path / 'graph.pb'))
    with pytest.raises(UserError, match='WriteFile'):
        label_image.load_graph(str(tmp_path / 'graph.pb'))
