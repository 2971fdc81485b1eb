"""What one TensorFlow writes, the others read: each environment labels with each one's graph."""

import csv
import itertools
import os
import shutil
import subprocess
from multiprocessing import pool

import numpy as np
import pytest

from tests.conftest import REPOSITORY, SHARED_DATA

# The Pythons of the environments, which tests/run.sh gives once all of them are installed.
PYTHONS = os.environ.get('ENVIRONMENT_PYTHONS', '').split()
NUMBERS = range(len(PYTHONS))
AT_ONCE = 2
TOLERANCE = 1e-3
PHOTOS = '../shared/data/flower_photos'  # From the repository; the classic split hashes it so.

pytestmark = pytest.mark.skipif(
    not PYTHONS or not os.path.isdir(SHARED_DATA),
    reason='needs the real data, and all environments, which sh tests/run.sh --all sets up',
)


def python(number, *arguments):
    """Runs Python in the environment of a number; it has to end well."""
    subprocess.run(
        [PYTHONS[number]] + list(arguments),
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def run(number, module, *arguments):
    """Runs a command in the environment of a number; it has to end well."""
    python(number, '-m', 'scripts.' + module, *arguments)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The folder of each environment's training: `graph.pb`, `labels.txt` and `bottlenecks`."""
    folders = [tmp_path_factory.mktemp('environment') for _ in PYTHONS]
    with pool.ThreadPool(AT_ONCE) as threads:
        threads.starmap(retrain, enumerate(folders))
    return folders


def retrain(number, folder):
    """Trains in the environment of a number, in a folder."""
    archive = os.path.join(SHARED_DATA, 'models', 'mobilenet_v1_0.25_128_frozen.tgz')
    (folder / 'models').mkdir()
    shutil.copy(archive, str(folder / 'models'))
    run(
        number,
        'retrain',
        '--image_dir=' + PHOTOS,
        '--architecture=mobilenet_0.25_128',
        '--model_dir=%s' % (folder / 'models'),
        '--bottleneck_dir=%s' % (folder / 'bottlenecks'),
        '--summaries_dir=%s' % (folder / 'summaries'),
        '--output_graph=%s' % (folder / 'graph.pb'),
        '--output_labels=%s' % (folder / 'labels.txt'),
        '--how_many_training_steps=500',
        '--random_seed=1',
    )


@pytest.fixture(scope='module')
def labelled(trained):
    """A dict from the environments of graph and labelling to each test photo's scores by label."""
    with open(os.path.join(SHARED_DATA, 'classic', 'split.tsv'), encoding='utf-8') as file:
        split = [line.split() for line in file if not line.startswith('#')]
    photos = ['%s/%s' % (PHOTOS, name) for name, category in split if category == 'testing']
    assert len(photos) == 69
    pairs = list(itertools.product(NUMBERS, NUMBERS))
    with pool.ThreadPool(AT_ONCE) as threads:
        found = threads.starmap(
            scores, [(number, trained[graph], photos) for graph, number in pairs]
        )
    return dict(zip(pairs, found))


def scores(number, folder, photos):
    """Returns a dict from photo and label to the score that an environment gives with one's graph.

    The labels and the pixels are those that the graph says.
    """
    output = str(folder / ('labels_%d.csv' % number))
    graph = '--graph=%s' % (folder / 'graph.pb')
    run(number, 'label_image', '--output_format=csv', '--output=' + output, graph, *photos)
    with open(output, encoding='utf-8', newline='') as file:
        return {(row['image'], row['label']): float(row['score']) for row in csv.DictReader(file)}


def best(scores_of):
    """Returns a dict from photo to its best label."""
    found = {}
    for photo, label in sorted(scores_of, key=scores_of.get):
        found[photo] = label
    return found


def test_all_pairs_give_the_same_labels_and_scores(labelled):
    assert len(labelled) == len(PYTHONS) ** 2
    first = labelled[0, 0]
    assert len(first) == 69 * 5
    for (graph, number), found in labelled.items():
        greatest = max(abs(found[key] - first[key]) for key in first)
        print('graph of environment %d in %d: scores within %.2g' % (graph, number, greatest))
        assert greatest < TOLERANCE, (graph, number)
        assert best(found) == best(first), (graph, number)


def test_bottlenecks_agree(trained):
    def read(folder):
        found = {}
        for place, _, names in os.walk(str(folder / 'bottlenecks')):
            for name in (name for name in names if name.endswith('.txt')):
                with open(os.path.join(place, name), encoding='ascii') as file:
                    values = np.array(file.read().split(','), np.float32)
                found[os.path.join(os.path.basename(place), name)] = values
        return found

    first, *others = map(read, trained)
    assert len(first) == 600
    for number, other in enumerate(others, 1):
        greatest = max(np.abs(other[name] - values).max() for name, values in first.items())
        print('bottlenecks of environments 0 and %d: within %.2g' % (number, greatest))
        assert set(other) == set(first) and greatest < TOLERANCE


@pytest.fixture(scope='module')
def imported(tmp_path_factory):
    """The folder of what each environment imports: `net/frozen_graph.pb`, of a Keras model."""
    folders = [tmp_path_factory.mktemp('imported') for _ in PYTHONS]
    with pool.ThreadPool(AT_ONCE) as threads:
        threads.starmap(import_network, enumerate(folders))
    return folders


def import_network(number, folder):
    """Makes a Keras model in the environment of a number and imports it, in a folder."""
    model = str(folder / 'many.h5')
    python(number, '-m', 'tests.importing.make_models', 'small', model, 'many')
    run(
        number,
        'import_network',
        '--keras_file=' + model,
        '--output_name=net',
        '--model_dir=%s' % folder,
    )


_OUTPUTS = """
import os, sys
import numpy as np
from scripts.graphs import description, graph_files
from scripts.importing import importing, probing
found = []
for folder in sys.argv[2:]:
    graph_def = graph_files.read(os.path.join(folder, 'net', 'frozen_graph.pb'))
    described = description.find(graph_def)
    images = probing.normalized(probing.images(32, 32, 3), described.description.input)
    found.append(importing.run(graph_def, described.output_name, images))
np.save(sys.argv[1], found)
"""


def outputs(number, folders):
    """Returns what an environment computes with the graph that each of them imported."""
    output = str(folders[number] / 'outputs.npy')
    python(number, '-c', _OUTPUTS, output, *map(str, folders))
    return np.load(output)


def test_what_one_environment_imports_runs_in_all(imported):
    from scripts.importing import probing

    with pool.ThreadPool(AT_ONCE) as threads:
        found = threads.starmap(outputs, [(number, imported) for number in NUMBERS])
    for maker in NUMBERS:
        first = found[0][maker]
        difference = probing.largest_difference(first)
        greatest = max(np.abs(each[maker] - first).max() for each in found)
        print('imported by environment %d: outputs within %.2g' % (maker, greatest))
        assert difference > 0.1 and greatest < 1e-3 * difference
