"""Test photos in a folder of their own, from retrain to evaluate."""

import os
import re
import shutil

import pytest

from scripts import evaluate, retrain
from scripts.graphs import description, graph_files
from tests import pictures
from tests.test_retrain import NAME, Bench

pytestmark = pytest.mark.once


@pytest.fixture(scope='module')
def trained(tmp_path_factory, photo_dir):
    """A folder `data` with `train` and `test`, of equal names, in which a graph was trained."""
    folder = tmp_path_factory.mktemp('with tests')
    shutil.copytree(photo_dir, str(folder / 'data' / 'train'))
    test = pictures.draw_classes(str(folder / 'data' / 'test'), 5)
    first, second = [os.path.join(test, name) for name in ('Red', 'green')]
    os.rename(os.path.join(first, '003.jpg'), os.path.join(second, '005.jpg'))  # A wrong label.
    return folder


@pytest.fixture
def bench(trained, tmp_path, monkeypatch):
    shutil.copytree(str(trained / 'data'), str(tmp_path / 'data'))
    monkeypatch.chdir(str(tmp_path))
    return Bench('.', 'data/train')


def flags(bench, **changes):
    values = dict(dict(test_dir='data/test', testing_percentage=None), **changes)
    return [each for each in bench.flags(**values) if not each.endswith('=None')]


def photos_of(bench):
    return description.find(graph_files.read(bench.graph)).description.photos


def test_evaluate_finds_the_test_photos_and_their_accuracy(bench, in_process, one_error):
    ended = in_process(retrain, *flags(bench, report='report.html'))
    assert 'Final test accuracy = 93.3% (N=15)' in ended.out, ended.err
    with open('report.html') as file:
        assert '<dt>Photos</dt><dd>data/test</dd>' in file.read()
    assert photos_of(bench)[:3] == ('data/train', 'path', 0)
    assert photos_of(bench).test_dir == 'data/test'
    tested = 'Accuracy: 0.93\n', 'Photos: 15 of the 15 in data/test are for testing'
    for given in ([], ['--image_dir=data'], ['--image_dir=data/train']):
        ended = in_process(evaluate, bench.graph, *given)
        assert all(each in ended.out for each in tested) and not ended.err, given
    out = in_process(evaluate, bench.graph, '--category=validation').out
    assert re.search(r'Photos: \d+ of the 87 in data/train and data/test are for validation', out)
    assert (
        'all 87 in data/train and data/test'
        in in_process(evaluate, bench.graph, '--category=all').out
    )
    assert '--testing_percentage=10 is about' in one_error(
        evaluate, bench.graph, '--testing_percentage=10'
    )
    os.rename('data', 'moved')
    wanted = 'were in a folder of their own, data/test: give it as --test_dir'
    for given in ([], ['--image_dir=moved/train'], ['--image_dir=moved/test']):
        assert wanted in one_error(evaluate, bench.graph, *given)
    for given in ('--test_dir=moved/test', '--image_dir=moved'):
        out = in_process(evaluate, bench.graph, given).out
        assert all(each.replace('data', 'moved') in out for each in tested)
    ended = in_process(evaluate, bench.graph, '--image_dir=moved/test', '--category=all')
    assert 'Photos: all 15 in moved/test' in ended.out


@pytest.mark.each_python
def test_the_folders_train_and_test_are_taken_and_photos_are_cached_apart(bench, in_process):
    assert in_process(retrain, *flags(bench)).status == 0
    expected = bench.graph_bytes()
    ended = in_process(retrain, *flags(bench, image_dir='data', test_dir=None))
    assert ended.out.startswith(
        '--image_dir=data is taken as --image_dir=data/train --test_dir=data/test\n'
    )
    assert '87 of 87 bottlenecks found' in ended.out and not ended.err
    assert bench.graph_bytes() == expected
    for folder, count in (('Red', 24), ('.test/Red', 4)):
        names = os.listdir(os.path.join('.', 'bottlenecks', folder))
        assert len(names) == count and '000.jpg_%s.txt' % NAME in names


def test_paths_are_left_out_on_request(bench, in_process, one_error):
    assert in_process(retrain, '--nodescribe_paths', *flags(bench)).status == 0
    assert photos_of(bench).image_dir is None and photos_of(bench).test_dir == ''
    assert b'data/' not in bench.graph_bytes()
    wanted = 'the test photos of the graph %s were in a folder of their own: give' % bench.graph
    assert wanted in one_error(evaluate, bench.graph, '--image_dir=data/train')
    out = in_process(evaluate, bench.graph, '--test_dir=data/test').out
    assert 'Accuracy: 0.93\n' in out


def test_a_run_is_resumed_with_the_same_test_photos_only(bench, in_process, one_error):
    given = dict(checkpoint_path='checkpoint', how_many_training_steps=5)
    assert in_process(retrain, *flags(bench, **given)).status == 0
    resumed = flags(bench, resume=True, **given)
    assert in_process(retrain, *resumed).status == 0
    os.remove('data/test/Red/000.jpg')
    assert 'is of a run with other photos' in one_error(retrain, *resumed)


@pytest.mark.parametrize(
    'changes, words',
    [
        (dict(testing_percentage=10), '--testing_percentage=10 is about the photos of --image_dir'),
        (dict(image_dir='data', test_dir=None, testing_percentage=10), 'those of data/test: leave'),
        (dict(test_dir='data/train'), 'share the photos'),
        (
            dict(validation_percentage=100),
            'none of the 72 photos is left for training: lower --val',
        ),
        (dict(summaries_dir='data/test'), 'emptied at the start, and it holds data/test/'),
        (dict(output_graph='data/test/Red/000.jpg'), 'is the same file as the photo'),
    ],
    ids=lambda value: '-'.join(value) if isinstance(value, dict) else '',
)
def test_a_user_error_is_one_line(bench, one_error, changes, words):
    before = sorted(os.walk('.'))
    assert words in one_error(retrain, *flags(bench, **changes))
    assert sorted(os.walk('.')) == before
