"""The serve command: its flags, its one line, its end."""

import os
import signal
import socket
import sys
import time

import pytest

from scripts import serve
from scripts.graphs import graph_files
from tests.benchmarks.serving import Serving, ask, body_of
from tests.inference.test_heatmaps import graph_of
from tests.serving.test_app import GREEN

pytestmark = pytest.mark.each_tensorflow


@pytest.fixture
def graph(tmp_path):
    """The path of a graph, with its labels beside it."""
    graph_files.write(graph_of().graph_def, str(tmp_path / 'colour_graph.pb'))
    (tmp_path / 'colour_labels.txt').write_text('red\ngreen\nblue')
    return str(tmp_path / 'colour_graph.pb')


@pytest.mark.each_tensorflow
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT], ids=['TERM', 'INT'])
def test_it_serves_until_a_signal_comes(graph, number):
    serving = Serving(graph)
    connection = serving.connect()
    status, value = ask(connection, serving.path, body_of(GREEN))
    assert status == 200
    (prediction,) = value['predictions']
    assert prediction['labels'] == ['red', 'green', 'blue']
    assert max(prediction['scores']) == prediction['scores'][1]
    assert serving.stop(number) < 3
    assert serving.process.returncode == 0
    with pytest.raises(ConnectionError):
        serving.connect().connect()


def test_the_request_at_hand_is_answered_before_it_ends(graph):
    serving = Serving(graph)
    body = body_of(GREEN).encode('ascii')
    connection = serving.connect()
    connection.putrequest('POST', serving.path)
    connection.putheader('Content-Length', str(len(body)))
    connection.endheaders(body[:-1])
    time.sleep(0.3)
    serving.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    connection.send(body[-1:])
    answer = connection.getresponse()
    assert answer.status == 200 and b'predictions' in answer.read()
    assert serving.stop() < 3 and serving.process.returncode == 0


@pytest.mark.parametrize(
    'flags, words',
    [
        (['--graph=/nowhere.pb'], 'no graph at /nowhere.pb'),
        (['--port=70000'], 'port'),
        (['--host=256.1.2.3'], 'cannot listen at port 0 of 256.1.2.3'),
        (['photo.jpg'], "unexpected argument 'photo.jpg'"),
        (['--input_std=0'], '--input_std=0'),
        (['--labels=/nowhere.txt'], 'no labels file at /nowhere.txt'),
        (['--output_layer=x'], 'the graph has no node x'),
    ],
)
def test_a_user_error_is_one_line(one_error, graph, flags, words):
    assert words in one_error(serve, '--graph=' + graph, '--port=0', *flags)


def test_labels_that_do_not_fit_are_one_line(one_error, graph, tmp_path):
    (tmp_path / 'two.txt').write_text('a\nb')
    flags = ['--labels=%s' % (tmp_path / 'two.txt'), '--port=0']
    assert 'there are 2 labels' in one_error(serve, '--graph=' + graph, *flags)


def test_a_port_that_is_taken_is_one_line(one_error, graph):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen(1)
        port = '--port=%d' % other.getsockname()[1]
        assert 'choose another with --port' in one_error(serve, '--graph=' + graph, port)


def test_a_camera_without_opencv_is_one_line(one_error, graph, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv2', None)
    error = one_error(serve, '--graph=' + graph, '--port=0', '--camera=0')
    assert 'needs OpenCV' in error and 'pip install -r requirements-camera.txt' in error
    assert os.path.exists('requirements-camera.txt')
