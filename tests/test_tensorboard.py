"""A real TensorBoard serves a run: what it shows is read over HTTP."""

import json
import os
import re
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

from scripts import retrain
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.evaluation import evaluating, selection, tensorboard
from scripts.graphs import graph_files
from scripts.images import graph_input as graph_input_lib
from scripts.inference import labelling
from tests import pictures, stand_ins
from tests.evaluation import graphs

pytestmark = pytest.mark.each_tensorflow

RUN_TAGS = {'accuracy_1', 'cross_entropy_1', 'final_training_ops/weights/summaries/mean_1'}


@pytest.fixture
def summaries(tmp_path, photo_dir, in_process):
    """The summaries of a training, with an evaluation beside them in the run `testing`."""
    folder = str(tmp_path / 'summaries')
    stand_ins.install('mobilenet_0.25_128', str(tmp_path / 'models'))
    ended = in_process(
        retrain,
        '--image_dir=' + photo_dir,
        '--architecture=mobilenet_0.25_128',
        '--model_dir=%s' % (tmp_path / 'models'),
        '--bottleneck_dir=%s' % (tmp_path / 'bottlenecks'),
        '--output_graph=%s' % (tmp_path / 'trained.pb'),
        '--output_labels=%s' % (tmp_path / 'labels.txt'),
        '--summaries_dir=' + folder,
        '--how_many_training_steps=20',
    )
    assert ended.status == 0, ended.err
    graph_def = graph_files.read(graphs.by_colour(str(tmp_path / 'graph.pb'), bias=(0, 0, 4.5)))
    photos = selection.photos_of(photos_lib.load(photo_dir, Split()), 'all', pictures.LABELS)
    classifier = labelling.ScoringGraph(
        graph_def, graph_input_lib.read_off(graph_def), 'final_result'
    )
    evaluation = evaluating.evaluate(classifier, pictures.LABELS, photos)
    tensorboard.write(evaluation, os.path.join(folder, 'pictures'), 19)
    return folder


@pytest.fixture
def get(summaries):
    """Gets what a running TensorBoard answers: `get('scalars/tags', key='value')`, as bytes."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'tensorboard.main', '--logdir', summaries]
        + ['--host=127.0.0.1', '--port=0', '--reload_interval=0'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            found = re.search(r'at (http://\S+)/ ', line)
            if found:
                break
        else:
            pytest.fail('TensorBoard did not start: ' + ''.join(lines))

        def fetch(path, **query):
            url = '%s/data/%s?%s' % (found.group(1), path, urllib.parse.urlencode(query))
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.read()

        yield fetch
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def wait_for_runs(get):
    """Waits until TensorBoard, which reads in the background, knows the pictures."""
    for _ in range(600):
        tags = json.loads(get('plugin/images/tags'))
        scalars = json.loads(get('plugin/scalars/tags'))
        if tags.get('pictures') and scalars.get('train') and scalars.get('validation'):
            return tags, scalars
        time.sleep(0.1)
    return pytest.fail('TensorBoard does not show the runs')


def test_a_run_is_served(get):
    images, scalars = wait_for_runs(get)
    assert set(scalars['train']) >= RUN_TAGS and set(scalars['validation']) >= RUN_TAGS
    points = json.loads(get('plugin/scalars/scalars', tag='accuracy_1', run='train'))
    assert [step for _, step, _ in points] == list(range(20))

    histograms = json.loads(get('plugin/histograms/tags'))
    weights = 'final_training_ops/weights/summaries/histogram'
    assert {'activations', weights} <= set(histograms['train'])
    assert json.loads(get('plugin/histograms/histograms', tag=weights, run='train'))

    graph = get('plugin/graphs/graph', run='train').decode('utf-8')
    names = set(re.findall(r'^  name: "([^"]+)"', graph, re.MULTILINE))
    scopes = {name.split('/')[0] for name in names}
    assert {'input', 'MobilenetV1', 'final_training_ops', 'final_result'} <= scopes

    assert set(images['pictures']) == {'confusion_matrix', 'worst_mistakes'}
    for tag in images['pictures']:
        (entry,) = json.loads(get('plugin/images/images', tag=tag, run='pictures', sample=0))
        assert entry['step'] == 19
        query = dict(urllib.parse.parse_qsl(entry['query']))
        picture = get('plugin/images/individualImage', **query)
        assert picture.startswith(b'\x89PNG')
        width, _ = struct.unpack('>II', picture[16:24])
        assert width > 100
