"""extract_on_spark and retrain --features, as far as they go without a cluster."""

import os
import re
import shutil
import types

import numpy as np
import pytest

from scripts import extract_on_spark, retrain
from scripts.common import packages
from scripts.dataset import extensions
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import table
from scripts.spark import cluster, worker
from scripts.spark.naming import Rules
from tests.test_retrain import NAME, Bench

FLAGS = {'--image_dir': 'x', '--output': 'y', '--architecture': NAME}


def flags(**changes):
    """Returns the flags of extract_on_spark, some of them changed."""
    values = dict(FLAGS, **{'--' + name: value for name, value in changes.items()})
    return ['%s=%s' % item for item in sorted(values.items())]


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'output': ''}, '--output is not set'),
        ({'architecture': 'cnn_32'}, 'cnn_32 has random weights and is trained as a whole'),
        ({'input_std': '0'}, '--input_std=0: pixels are divided by it'),
        ({'testing_percentage': '60', 'validation_percentage': '60'}, 'more than 100 together'),
        ({'groups': 'nowhere'}, 'no file of groups at nowhere'),
    ],
)
@pytest.mark.once
def test_a_user_error_is_told_before_anything_is_started(one_error, changes, words):
    assert words in one_error(extract_on_spark, *flags(**changes))


@pytest.mark.once
def test_without_pyspark_or_java_one_line_says_what_to_install(one_error, monkeypatch):
    found = types.SimpleNamespace(find_spec=lambda name: None)
    monkeypatch.setattr(packages, 'importlib', types.SimpleNamespace(util=found))
    line = one_error(extract_on_spark, *flags())
    assert 'extract_on_spark needs pyspark, which this Python does not have: install' in line
    assert re.search(r'-m pip install -r \S+requirements-spark.txt$', line)
    found.find_spec = lambda name: name
    monkeypatch.delenv('JAVA_HOME', raising=False)
    monkeypatch.setattr(cluster.shutil, 'which', lambda name: None)
    assert 'needs Java, and there is no java: install Java 17' in one_error(
        extract_on_spark, *flags()
    )


@pytest.mark.parametrize(
    'text, line',
    [
        ('x\nscripts.common.errors.UserError: it is corrupt\nmore', 'it is corrupt'),
        ("ModuleNotFoundError: No module named 'numpy'", 'the workers does not have numpy: inst'),
        ('An error\n: java.io.IOException: No space left\n\tat x', 'java.io.IOException: No space'),
        ('', 'ValueError'),
    ],
)
@pytest.mark.once
def test_an_error_of_spark_is_one_line(text, line):
    assert line in cluster.explain(ValueError(text))


@pytest.fixture(scope='module')
def extracted(tmp_path_factory, photo_dir, pretrained):
    """A folder of the photos of `photo_dir`, and one of their features; Spark is left out."""
    pyarrow = pytest.importorskip('pyarrow', reason='pyarrow is missing: requirements-spark.txt')
    from pyarrow import parquet

    from tests.features.test_table import FLAGS as OF_FEATURES

    folder = str(tmp_path_factory.mktemp('extracted'))
    image_dir = shutil.copytree(photo_dir, os.path.join(folder, 'photos'))
    dataset = photos_lib.load(image_dir, Split(20, 20, 'name'))
    rules = Rules(image_dir, None, dataset.split, extensions.CLASSIC)
    photos = []
    for photo in reversed(dataset.photos):
        with open(photo.path, 'rb') as file:
            relative = '%s/%s' % (photo.folder, photo.file_name)
            photos.append(worker.Photo(photo.path, relative, False, 1, 2, file.read()))
    sent = worker.freeze(pretrained, 1)
    columns = list(zip(*worker.rows(photos, rules, lambda: sent)))
    names = [name for name, _ in table.COLUMNS]
    columns = dict(zip(names, map(list, columns)))
    values = [np.array(each, np.float32) for each in columns.pop('features')]
    columns['features'] = pyarrow.array(values, pyarrow.list_(pyarrow.float32()))
    output = os.path.join(folder, 'features')
    os.makedirs(os.path.join(output, 'table=features'))
    parquet.write_table(pyarrow.table(columns), output + '/table=features/a.parquet')
    of_run = dict(
        OF_FEATURES,
        image_dir=image_dir,
        split_key='name',
        testing_percentage=20,
        validation_percentage=20,
        architecture=NAME,
        input_height=None,
        input_mean=None,
        input_std=None,
    )
    about = table.About(pretrained.fingerprint, pretrained.shape, of_run)
    complete = table.Complete(list(dataset.labels), len(photos), 0)
    for name, value in ((table.ABOUT, about), (table.COMPLETE, complete)):
        with open(os.path.join(output, name), 'wb') as file:
            file.write(table.to_json(value))
    return image_dir, output


# What the features decide.
_DECIDED = ('image_dir', 'architecture', 'testing_percentage', 'validation_percentage')


def without_photos(bench, features, **changes):
    """Returns the flags of a retrain from features."""
    return ['--features=' + features] + [
        each
        for each in bench.flags(**changes)
        if not each.startswith(tuple('--%s=' % name for name in _DECIDED if name not in changes))
    ]


@pytest.mark.each_tensorflow
def test_the_graph_is_that_of_a_run_with_photos(extracted, tmp_path, in_process):
    image_dir, features = extracted
    bench = Bench(tmp_path, image_dir)
    report = os.path.join(bench.folder, 'report.html')
    poor_report = os.path.join(bench.folder, 'poor.html')
    checkpoint = os.path.join(bench.folder, 'checkpoint')
    ended = in_process(retrain, *bench.flags(report=report, checkpoint_path=checkpoint))
    assert ended.status == 0, ended.err
    graph, out = bench.graph_bytes(), ended.out
    os.rename(image_dir, image_dir + '_gone')
    try:
        ended = in_process(retrain, *without_photos(bench, features, report=report))
        poor = without_photos(bench, features, report=poor_report, learning_rate=1e-9)
        poor = in_process(retrain, *poor, '--output_graph=' + bench.folder + '/poor.pb')
        resumed = in_process(
            retrain, *without_photos(bench, features, checkpoint_path=checkpoint, resume='true')
        )
        line = in_process(
            retrain, *without_photos(bench, features, tflite_output_file=bench.folder + '/x.tflite')
        ).err
    finally:
        os.rename(image_dir + '_gone', image_dir)
    for each in (ended, poor):
        assert each.status == 0 and not each.err
    with open(poor_report, encoding='utf-8') as file:
        assert 'no picture' in file.read()
    assert bench.graph_bytes() == graph
    final = re.search('Final test accuracy = .*', out).group()
    assert final in ended.out and os.path.exists(report)
    assert 'Resuming after 40 steps' in resumed.out and final in resumed.out
    assert '--tflite_output_file is tried on photos, and those of --features=' in line


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'image_dir': 'x'}, '--image_dir needs the photos'),
        ({'test_dir': 'x'}, '--test_dir needs the photos'),
        ({'groups': 'x'}, '--groups needs the photos'),
        ({'flip_left_right': 'true'}, '--flip_left_right needs the photos'),
        ({'fine_tune_blocks': 1}, '--fine_tune_blocks needs the photos'),
        ({'report_photos': 'true'}, '--report_photos needs the photos'),
        ({'split_key': 'path'}, '--split_key=path: the features in .* are of --split_key=name'),
        ({'testing_percentage': 10}, '--testing_percentage=10: the features in .* of .*=20'),
        ({'architecture': 'inception_v3'}, 'are of --architecture=mobilenet_0.25_128'),
        ({'input_height': 96}, '--input_height=96: the features in .* are of its default'),
    ],
)
def test_what_contradicts_features_is_told(extracted, tmp_path, one_error, changes, words):
    bench = Bench(tmp_path, 'x')
    assert re.search(words, one_error(retrain, *without_photos(bench, extracted[1], **changes)))
    assert os.listdir(bench.folder) == ['models']


def test_features_of_another_network_are_told(extracted, tmp_path, one_error):
    bench = Bench(tmp_path, 'x')
    path = os.path.join(bench.models, 'mobilenet_v1_0.25_128', 'frozen_graph.pb')
    with open(path, 'ab') as file:
        file.write(b'\x12\x00')  # An empty library.
    line = one_error(retrain, *without_photos(bench, extracted[1]))
    assert 'are of another network than mobilenet_0.25_128' in line
    assert not os.path.exists(bench.graph)


@pytest.mark.once
def test_without_pyarrow_one_line_says_what_to_install(one_error, monkeypatch, tmp_path):
    absent = types.SimpleNamespace(find_spec=lambda name: None)
    monkeypatch.setattr(packages, 'importlib', types.SimpleNamespace(util=absent))
    line = one_error(retrain, '--features=%s' % tmp_path)
    assert '--features needs pyarrow, which this Python does not have' in line
