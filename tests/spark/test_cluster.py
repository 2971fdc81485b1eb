"""A real cluster: processes are killed, and what comes out is what one machine gives."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from scripts import retrain
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import extract, parquet
from scripts.features.place import Place
from tests import pictures, spark_cluster
from tests.conftest import REPOSITORY, split_by_name
from tests.images import photo_kinds
from tests.test_retrain import NAME, Bench

pytest.importorskip('pyspark', reason='pyspark is not installed: requirements-spark.txt')

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(shutil.which('java') is None, reason='there is no Java'),
]

_SECONDS = 120
_ENVIRONMENT = dict(spark_cluster.SHORT_LIVED, SPARK_LOCAL_IP='127.0.0.1')
_LARGE = 36  # Photos of each class that take long enough to decode for a kill in the middle.
_UNREADABLE = {'Red/cut.jpg': 'JPEG cut in half', 'green/x y%20+.jpg': 'empty'}
_OF_NO_JAVA = 'Red/a:b.jpg'  # Hadoop takes no colon in the name of a file.


def draw(folder):
    """Draws photos: many large ones, a few small ones, unreadable ones; returns the folder."""
    pictures.draw_classes(folder, 8)
    noise = np.random.RandomState(1).randint(0, 256, (900, 900, 3)).astype(np.uint8)
    large = os.path.join(folder, 'Red', 'large_0.jpg')
    Image.fromarray(noise).save(large)
    for name in pictures.COLOURS:
        for number in range(1, _LARGE):
            os.link(large, os.path.join(folder, name, 'large_%d.jpg' % number))
    for name, kind in _UNREADABLE.items():
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(photo_kinds.UNREADABLE[kind][0])
    shutil.copy(os.path.join(folder, 'Red', '000.jpg'), os.path.join(folder, _OF_NO_JAVA))
    return folder


def start(bench, output, address):
    """Starts extract_on_spark on a cluster, in a session of its own."""
    names = ('image_dir', 'architecture', 'model_dir', 'testing_p', 'validation_p')
    flags = [
        each for each in bench.flags() if each.startswith(tuple('--' + each for each in names))
    ]
    return subprocess.Popen(
        [sys.executable, '-m', 'scripts.extract_on_spark', '--output=' + output]
        + split_by_name('scripts.extract_on_spark', flags)
        + ['--master=' + address],
        cwd=REPOSITORY,
        env=dict(os.environ, PYSPARK_SUBMIT_ARGS=_MODEST, **_ENVIRONMENT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        start_new_session=True,
    )


_MODEST = '--driver-memory 512m --conf spark.executor.memory=512m --conf spark.ui.enabled=false '
_MODEST += 'pyspark-shell'


def parts(output):
    """Returns the set of the names of files of features."""
    folder = os.path.join(output, 'table=features')
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return {name for name in names if name.endswith('.parquet') and not name.startswith('.')}


def wait_for_more(output, than, process):
    """Waits until there are other files of features than a set of them."""
    end = time.monotonic() + _SECONDS
    while parts(output) <= than:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, 'no features after %d seconds' % _SECONDS
        time.sleep(0.02)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, draw(str(tmp_path / 'photos')))


def test_kills_lose_nothing_and_the_graph_is_that_of_one_machine(bench, tmp_path, in_process):
    output = str(tmp_path / 'features')
    with spark_cluster.Cluster(tmp_path, environment=_ENVIRONMENT) as cluster:
        driver = start(bench, output, cluster.address)
        wait_for_more(output, set(), driver)
        spark_cluster.stop(driver)
        kept = parts(output)
        assert not os.path.exists(os.path.join(output, '_complete.json'))
        changed = os.path.join(bench.photo_dir, 'Red', '001.jpg')
        pictures.draw(changed, (0, 0, 0), 77)
        os.remove(os.path.join(bench.photo_dir, 'green', 'large_7.jpg'))
        again = start(bench, output, cluster.address)
        wait_for_more(output, kept, again)
        spark_cluster.stop(cluster.workers[0])
        out = again.communicate(timeout=_SECONDS)[0]
    assert again.returncode == 0, out
    check_log(out, bench.photo_dir)
    os.remove(os.path.join(bench.photo_dir, _OF_NO_JAVA))
    check_features(bench, output, tmp_path)
    graphs = []
    for flags in (bench.flags(), ['--features=' + output] + without_photos(bench)):
        ended = in_process(retrain, *flags)
        assert ended.status == 0, ended.err
        graphs.append(bench.graph_bytes())
    assert graphs[0] == graphs[1]


def without_photos(bench):
    """Returns the flags of a run that the features do not decide."""
    names = ('image_dir', 'architecture', 'testing_percentage', 'validation_percentage')
    return [each for each in bench.flags() if each.split('=')[0][2:] not in names]


def check_log(out, folder):
    """Checks that only what was missing was computed, and that unreadable photos are named."""
    total = 3 * (8 + _LARGE - 1) + 1 + len(_UNREADABLE) + 1 - 1
    (line,) = [line for line in out.splitlines() if ' photos are missing' in line]
    missing = int(line.split(' of ')[1].split(' of ')[0].split()[-1])
    assert 0 < missing < total - 20 and line.endswith('of %d photos are missing' % total)
    for name in list(_UNREADABLE) + [_OF_NO_JAVA]:
        path = os.path.join(folder, name)
        assert 'photo %s is unreadable and is left out: it ' % path in out
    assert '3 of %d photos are unreadable and are left out' % total in out


def check_features(bench, output, tmp_path):
    """Checks that the features are those of one machine, of the photos as they are now."""
    from scripts.networks import backbone as backbone_lib
    from scripts.networks import registry

    backbone = backbone_lib.load(registry.find(NAME), bench.models)
    listed = photos_lib.load(bench.photo_dir, Split(20, 20, 'name'))
    local = extract.compute(backbone, Place(str(tmp_path / 'kept'), 'x'), listed.photos)
    rows = np.flatnonzero(local.readable)
    assert len(rows) == len(listed.photos) - len(_UNREADABLE)
    folder = parquet.Folder(output)
    assert list(folder.dataset.photos) == [listed.photos[row] for row in rows]
    found = folder.features(backbone, str(tmp_path))
    assert (found.take(np.arange(len(rows))) == local.take(rows)).all()
