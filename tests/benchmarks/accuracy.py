"""Measures the tables of accuracy in docs/faq.md, on the real bottlenecks of 600 flower photos.

  python -m tests.benchmarks.accuracy

Takes some minutes. Accuracy is on all test photos of the classic split, in percent, the mean of
five seeds; the spread is the standard deviation over the seeds.
"""

import os
import tempfile
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.features import texts
from scripts.networks import backbone as backbone_lib
from scripts.networks import registry
from scripts.training import settings as settings_lib
from scripts.training.batches import Examples, KeptBatches, of_arrays
from scripts.training.evaluating import evaluate
from scripts.training.fit import fit
from scripts.training.model import Model
from tests import stand_ins
from tests.conftest import SHARED_DATA

NETWORKS = ('mobilenet_0.25_128', 'mobilenet_1.0_224', 'inception_v3')
LEARNING_RATES = (0.005, 0.01, 0.1, 1.0)
STEPS = (10, 50, 100, 500, 4000)
SEEDS = range(5)


class Bench(typing.NamedTuple):
    """A network and the real bottlenecks of a category, by category."""

    pretrained: backbone_lib.Backbone
    examples: typing.Dict[str, Examples]


def load(name):
    """Returns the `Bench` of a network; the network is a stand-in, its bottlenecks are real."""
    folder = tempfile.mkdtemp()
    stand_ins.install(name, folder)
    network = registry.find(name)
    pretrained = backbone_lib.load(network, folder)
    # The classic split is that of this very path.
    os.chdir(os.path.join(SHARED_DATA, os.pardir, os.pardir, 'shared'))
    dataset = photos_lib.load('../shared/data/flower_photos', split_lib.Split())
    examples = {}
    for category in split_lib.CATEGORIES:
        photos = [photo for photo in dataset.photos if photo.category == category]
        values = np.empty((len(photos), network.bottleneck_length), np.float32)
        for row, photo in enumerate(photos):
            name = '%s_%s.txt' % (photo.file_name, network.name)
            with open(os.path.join(SHARED_DATA, 'bottlenecks', photo.folder, name)) as file:
                values[row] = texts.from_text(file.read(), network.bottleneck_length)
        labels = np.array([photo.label_index for photo in photos], np.int64)
        examples[category] = of_arrays(values, labels, photos)
    return Bench(pretrained, examples)


def accuracy(bench, **changes):
    """Returns the mean and the standard deviation, in percent, of the accuracy over the seeds."""
    values = []
    for seed in SEEDS:
        settings = settings_lib.Training(
            how_many_training_steps=500,
            learning_rate=0.01,
            eval_step_interval=10**6,
            random_seed=seed,
        )
        settings = settings._replace(**changes)
        batches = KeptBatches(bench.examples[split_lib.TRAINING], settings)
        testing = bench.examples[split_lib.TESTING]
        with Model(bench.pretrained, 5, settings) as model:
            fit(model, batches, bench.examples[split_lib.VALIDATION], settings)
            result = evaluate(model, testing, np.arange(len(testing.labels)))
            values.append(100 * result.accuracy)
    return '%.1f ± %.1f' % (np.mean(values), np.std(values))


def few(bench, count):
    """Returns a `Bench` with `count` training photos per class."""
    training = bench.examples[split_lib.TRAINING]
    rows = np.concatenate([np.flatnonzero(training.labels == label)[:count] for label in range(5)])
    kept = of_arrays(*training.take(rows), photos=[training.photos[row] for row in rows])
    return bench._replace(examples=dict(bench.examples, **{split_lib.TRAINING: kept}))


def main():
    """Prints both tables in Markdown."""
    benches = {name: load(name) for name in NETWORKS}
    counts = {
        category: len(examples.labels)
        for category, examples in benches[NETWORKS[0]].examples.items()
    }
    print('TensorFlow %s; photos: %s\n' % (tf.VERSION, counts))
    print('| network | learning rate | ' + ' | '.join('%d steps' % steps for steps in STEPS) + ' |')
    print('|---|---|' + '---|' * len(STEPS))
    for name, bench in benches.items():
        for rate in LEARNING_RATES:
            row = [
                accuracy(bench, learning_rate=rate, how_many_training_steps=steps)
                for steps in STEPS
            ]
            print('| %s | %g | %s |' % (name, rate, ' | '.join(row)), flush=True)
    print('\n| training photos per class | ' + ' | '.join(NETWORKS) + ' |')
    print('|---|' + '---|' * len(NETWORKS))
    for count in (2, 5, 10, 20, 40, 80):
        row = [accuracy(few(bench, count)) for bench in benches.values()]
        print('| %d | %s |' % (count, ' | '.join(row)), flush=True)


if __name__ == '__main__':
    main()
