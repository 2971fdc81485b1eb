"""What is exported beside the frozen graph."""

import glob
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.export import lite
from scripts.export import saved_model as saved_model_lib
from scripts.graphs.session import open_session
from scripts.images import graph_input as graph_input_lib
from scripts.images import pixels
from scripts.images.settings import APPLY
from scripts.inference import labelling
from tests import stand_ins
from tests.images import exif_kinds

pytestmark = pytest.mark.each_tensorflow

OUTPUT = 'MobilenetV1/Predictions/Softmax'
LABELS = ['a', 'b', 'c', 'd']


@pytest.fixture
def graph_def():
    return stand_ins.mobilenet(64, len(LABELS))


@pytest.fixture
def paths(photo_dir):
    """50 photos."""
    return sorted(glob.glob(os.path.join(photo_dir, '*', '*.jpg')))[:50]


@pytest.fixture
def scores(graph_def, paths):
    """The frozen graph's own scores of the photos, `[50, labels]`."""
    graph_input = graph_input_lib.read_off(graph_def)
    classifier = labelling.ScoringGraph(graph_def, graph_input, OUTPUT)
    return np.concatenate([batch.values for batch in labelling.score_many(classifier, paths)])


@pytest.fixture
def saved_model(graph_def, tmp_path):
    folder = tmp_path / 'serving' / '1'
    graph_input = graph_input_lib.read_off(graph_def)
    written = []
    for _ in range(2):  # The second one takes the place of the first.
        saved_model_lib.write(graph_def, graph_input, OUTPUT, LABELS, str(folder))
        written.append((folder / 'saved_model.pb').read_bytes())
    assert written[0] == written[1]
    assert os.listdir(str(folder)) == ['saved_model.pb']
    return str(folder)


@pytest.mark.each_python
def test_a_saved_model_gives_the_scores_of_encoded_photos(saved_model, paths, scores):
    contents = []
    for path in paths:
        with open(path, 'rb') as file:
            contents.append(file.read())
    with tf.Session(graph=tf.Graph()) as session:
        meta_graph = tf.saved_model.load(session, ['serve'], saved_model)
        signature = meta_graph.signature_def['serving_default']
        fetches = {name: info.name for name, info in signature.outputs.items()}
        fed = signature.inputs['image_bytes'].name
        given = session.run(fetches, {fed: contents})
        one = session.run(fetches, {fed: contents[:1]})
    np.testing.assert_allclose(given['scores'], scores, atol=1e-5)
    np.testing.assert_allclose(one['scores'], scores[:1], atol=1e-5)
    assert given['labels'].tolist() == [[label.encode() for label in LABELS]] * 50


def test_a_saved_model_turns_photos_where_the_training_did(graph_def, tmp_path):
    graph_input = graph_input_lib.read_off(graph_def)
    turning = graph_input._replace(pixels=graph_input.pixels._replace(exif_rotation=APPLY))
    contents = [exif_kinds.rotated(orientation) for orientation in range(1, 9)]
    path = tmp_path / 'photo.jpg'
    classifier = labelling.ScoringGraph(graph_def, turning, OUTPUT)
    scores = []
    for photo in contents:
        path.write_bytes(photo)
        scores.append(labelling.score(classifier, str(path)).values)
    assert (np.abs(np.array(scores) - scores[0]).max(axis=1)[1:] > 1e-3).all()
    given = {}
    for each in (graph_input, turning):
        folder = str(tmp_path / each.pixels.exif_rotation)
        saved_model_lib.write(graph_def, each, OUTPUT, LABELS, folder)
        with tf.Session(graph=tf.Graph()) as session:
            meta_graph = tf.saved_model.load(session, ['serve'], folder)
            signature = meta_graph.signature_def['serving_default']
            given[each] = session.run(
                signature.outputs['scores'].name, {signature.inputs['image_bytes'].name: contents}
            )
    np.testing.assert_allclose(given[turning], scores, atol=1e-5)
    np.testing.assert_allclose(given[graph_input], [scores[0]] * 8, atol=1e-5)


def saved_model_cli(*arguments):
    return subprocess.run(
        [sys.executable, '-m', 'tensorflow.python.tools.saved_model_cli'] + list(arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        check=True,
    ).stdout


def test_the_saved_model_tool_shows_and_runs_it(saved_model, paths, scores, tmp_path):
    shown = saved_model_cli('show', '--dir', saved_model, '--all')
    for name in ("inputs['image_bytes']", "outputs['scores']", "outputs['labels']"):
        assert name in shown
    fed = str(tmp_path / 'photos.npy')
    with open(paths[0], 'rb') as file:
        np.save(fed, np.array([file.read()]))
    ran = saved_model_cli(
        'run',
        '--dir',
        saved_model,
        '--tag_set',
        'serve',
        '--signature_def',
        'serving_default',
        '--inputs',
        'image_bytes=' + fed,
        '--outdir',
        str(tmp_path / 'out'),
    )
    assert 'scores' in ran
    np.testing.assert_allclose(
        np.load(str(tmp_path / 'out' / 'scores.npy'))[0], scores[0], atol=1e-5
    )


def test_a_folder_of_anything_else_is_not_replaced(tmp_path):
    saved_model_lib.check_dir(str(tmp_path))
    (tmp_path / 'saved_model.pb').write_bytes(b'')
    (tmp_path / '.writing-killed.tmp').write_bytes(b'')
    saved_model_lib.check_dir(str(tmp_path))
    (tmp_path / 'variables').mkdir()
    (tmp_path / 'variables' / 'thesis.txt').write_bytes(b'')
    with pytest.raises(UserError, match='variables/thesis.txt, which is no part of a SavedModel'):
        saved_model_lib.check_dir(str(tmp_path))


@pytest.mark.each_python
def test_a_lite_file_gives_the_scores(graph_def, paths, scores):
    graph_input = graph_input_lib.read_off(graph_def)
    data = lite.convert(graph_def, graph_input, OUTPUT)
    interpreter = tf.lite.Interpreter(model_content=data)
    interpreter.allocate_tensors()
    (fed,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    graph = tf.Graph()
    with graph.as_default():
        path_tensor = tf.placeholder(tf.string, [])
        pixels_tensor = pixels.load(path_tensor, graph_input.pixels)[tf.newaxis]
    with open_session(graph) as session:
        for photo, expected in zip(paths, scores):
            interpreter.set_tensor(fed['index'], session.run(pixels_tensor, {path_tensor: photo}))
            interpreter.invoke()
            values = interpreter.get_tensor(given['index'])[0]
            np.testing.assert_allclose(values, expected, atol=1e-3)
            assert values.argmax() == expected.argmax()


def test_what_lite_does_not_take_is_told():
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 8, 8, 3], name='input')
        tf.matrix_determinant(images[:, :3, :3, 0], name='final_result')
    graph_input = graph_input_lib.read_off(graph.as_graph_def())
    with pytest.raises(UserError, match='not take this network: it lacks MatrixDeterminant;'):
        lite.convert(graph.as_graph_def(), graph_input, 'final_result')
