"""What is answered at which path, of a graph that labels by colour."""

import base64
import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from scripts.graphs import graph_files
from scripts.images.settings import PixelSpec
from scripts.inference import finished_graph, label_output, labelling
from scripts.inference.classifier import Classifier
from scripts.serving.answers import RefusedError
from scripts.serving.app import App
from scripts.serving.model import Model
from scripts.serving.server import Request
from scripts.serving.settings import Limits
from tests.inference.test_heatmaps import dense_graph, graph_of, patches

LABELS = ['<b>"red" & \'roses\'</b>', 'gr\u202een\ttab', 'bl\u00fc\u2028e']
NAME = 'a "graph" <b>:predict \u00e4'
LIMITS = Limits(pixels=10000, scans=20, answer_seconds=20)


def served(folder, classifier, limits=LIMITS):
    """Returns a `Model` of a graph in a folder."""
    path = os.path.join(str(folder), NAME + '.pb')
    graph_files.write(classifier.graph_def, path)
    with open(path, 'rb') as file:
        graph = finished_graph.Graph(path, file.read(), classifier, LABELS, None)
    return Model(graph, limits)


@pytest.fixture(scope='module')
def app(tmp_path_factory):
    model = served(tmp_path_factory.mktemp('graph'), graph_of())
    yield App(model, LIMITS)
    model.close()


def png(*cells):
    """Returns a photo of the network's size with patches of colour, as a PNG."""
    data = io.BytesIO()
    Image.fromarray((255 * patches(*cells)[0]).astype(np.uint8)).save(data, 'PNG')
    return data.getvalue()


GREEN, BLUE = png((0, 1, 1, 1)), png((2, 2, 2, 1), (1, 1, 0, 0.5))


def ask(app, path, body=b'', method=None, **query):
    answer = app(Request(method or ('POST' if body else 'GET'), path, query, body))
    assert answer.status == 200
    return json.loads(answer.body.decode('ascii'))


def refusal(app, path, body=b'', method=None, **query):
    with pytest.raises(RefusedError) as caught:
        app(Request(method or ('POST' if body else 'GET'), path, query, body))
    return caught.value.status, str(caught.value)


def predict_body(*photos):
    encoded = [base64.b64encode(photo).decode('ascii') for photo in photos]
    return json.dumps({'instances': [{'image_bytes': {'b64': each}} for each in encoded]}).encode()


def test_a_prediction_is_what_the_frozen_graph_gives(app, tmp_path):
    photos = [GREEN, BLUE, GREEN]
    found = ask(app, '/v1/models/%s:predict' % NAME, predict_body(*photos))
    assert list(found) == ['predictions'] and len(found['predictions']) == 3
    paths = []
    for number, photo in enumerate(photos):
        paths.append(str(tmp_path / ('%d.png' % number)))
        (tmp_path / ('%d.png' % number)).write_bytes(photo)
    (batch,) = labelling.score_many(graph_of(), paths)
    for prediction, scores in zip(found['predictions'], batch.values):
        np.testing.assert_array_equal(np.float32(prediction['scores']), scores)
        assert prediction['labels'] == LABELS


def test_models_are_listed_and_have_a_state(app):
    assert ask(app, '/v1/models') == {'models': [NAME]}
    (version,) = ask(app, '/v1/models/' + NAME)['model_version_status']
    assert version['state'] == 'AVAILABLE' and version['status']['error_code'] == 'OK'


def test_the_page_gets_labels_and_heat(app):
    found = ask(app, '/label', BLUE)
    assert [each['label'] for each in found['labels']] == [LABELS[2], LABELS[0], LABELS[1]]
    assert found['heatmap'] is None
    heat = ask(app, '/label', BLUE, heatmap='1')['heatmap']
    assert heat == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_a_graph_without_heatmaps_is_served_and_says_why(tmp_path):
    model = served(tmp_path, dense_graph())
    app = App(model, LIMITS)
    assert 'no feature map' in ask(app, '/page.json')['no_heatmaps']
    assert len(ask(app, '/label', GREEN)['labels']) == 3
    status, why = refusal(app, '/label', GREEN, heatmap='1')
    assert status == 400 and 'no feature map' in why
    model.close()


@pytest.mark.parametrize('path', ['/', '/page.js', '/page.css'])
def test_the_page_loads_nothing_from_elsewhere(app, path):
    answer = app(Request('GET', path, {}, b''))
    text = answer.body.decode('utf-8')
    assert '://' not in text and 'url(' not in text and '@import' not in text
    assert answer.content_type.endswith('charset=utf-8')


def progressive(scans):
    data = io.BytesIO()
    Image.new('RGB', (64, 64)).save(data, 'JPEG', progressive=True)
    data = data.getvalue()
    start = data.rindex(b'\xff\xda')
    return data[:start] + data[start:-2] * scans + data[-2:]


@pytest.mark.parametrize(
    'data, words',
    [
        (b'', 'it is empty'),
        (b'hello', "it is no JPEG, PNG, GIF or BMP: it begins with b'hello'"),
        (b'<html>', 'it is an HTML page'),
        (b'RIFF\0\0\0\0WEBP', 'it is a WebP image'),
        (GREEN[:60], 'it is truncated'),
        (b'GIF89a', 'it is truncated'),
        (b'GIF89a\x01\0\x01\0\0\0\0;', 'unreadable'),
        (b'BM', 'it is truncated'),
        (b'\xff\xd8\xff', 'it is truncated'),
        (
            GREEN[:16] + b'\0\0\x10\0' * 2 + GREEN[24:],
            '4096 x 4096 pixels, expected at most 0.01 mil',
        ),
        (progressive(40), 'more than 20 scans'),
        (b'\xff\xd8' + b'\xff\xfe\0\2' * 3000, 'more than 20 scans or 2000 segments'),
    ],
)
def test_a_bad_photo_is_one_line(app, data, words):
    for path, body in (('/label', data), ('/v1/models/%s:predict' % NAME, predict_body(data))):
        status, why = refusal(app, path, body, 'POST')
        assert status == 400 and words in why


@pytest.mark.parametrize(
    'path, method, status',
    [
        ('/nothing', 'GET', 404),
        ('/page.html', 'GET', 404),
        ('/app.py', 'GET', 404),
        ('/../app.py', 'GET', 404),
        ('//', 'GET', 404),
        ('/v1/models/other', 'GET', 404),
        ('/v1/models/other:predict', 'POST', 404),
        ('/label', 'GET', 405),
        ('/', 'POST', 405),
        ('/v1/models/%s:predict' % NAME, 'GET', 405),
        ('/camera', 'GET', 404),
    ],
)
def test_no_other_path_is_answered(app, path, method, status):
    assert refusal(app, path, method=method)[0] == status


class Camera:
    """A camera whose frame is green or blue."""

    def next(self, after, seconds):
        assert seconds == LIMITS.answer_seconds
        image = (255 * patches((0, 0, 1 + after % 2, 1))[0]).astype(np.uint8)
        return after + 1, image


def test_frames_of_the_camera_are_labelled(app):
    with_camera = App(app._model, LIMITS, Camera())
    assert ask(with_camera, '/page.json')['camera'] and not ask(app, '/page.json')['camera']
    found = ask(with_camera, '/camera', after='7', heatmap='1')
    assert found['frame'] == 8 and found['labels'][0]['label'] == LABELS[2]
    assert found['heatmap'][0] == [1, 0, 0]
    image = Image.open(io.BytesIO(base64.b64decode(found['image'])))
    assert image.size == (24, 24) and image.getpixel((3, 3))[2] > 200
    assert refusal(with_camera, '/camera', after='-1')[0] == 400


def test_scores_are_those_of_the_classifier(tmp_path):
    """A described graph, rotation and all: bytes are read as files are."""
    path = str(tmp_path / 'graph.pb')
    graph_files.write(graph_of().graph_def, path)
    (tmp_path / 'labels.txt').write_text('red\ngreen\nblue')
    (tmp_path / 'photo.png').write_bytes(BLUE)
    settings = finished_graph.Settings(input_mean=0.0, input_std=255.0)
    with Classifier(path, str(tmp_path / 'labels.txt'), settings) as classifier:
        best = classifier.label(str(tmp_path / 'photo.png'))
    model = served(tmp_path, graph_of())
    (scores,) = model.scores([model.of_photo(BLUE)])
    assert label_output.best_labels(scores, classifier.labels, 3) == best
    assert graph_of().graph_input.pixels == PixelSpec(24, 24, 0, 255)
    model.close()
