"""Measures what retrain exports of a graph, and prints the table of docs/exports.md.

  python -m tests.benchmarks.exports GRAPH [GRAPH ...]

Each GRAPH was retrained on the photos of ../shared/data. "Same label" is the fraction of all photos
whose predicted label is that of the frozen graph. Photos a second: decoded photos, one at a time,
the files taking turns; the median of rounds, also as a ratio to the frozen graph's. PHOTOS in the
environment takes fewer photos: TensorFlow 1.15's interpreter of int8 needs a second for each.
"""

import os
import sys

import numpy as np

from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.export import lite, onnx_file
from scripts.export.trial import Trial
from scripts.graphs import graph_files
from scripts.images import runner
from scripts.inference import finished_graph, labelling
from scripts.training.settings import QUANTIZATIONS
from tests.benchmarks import measuring
from tests.conftest import SHARED_DATA

_ROUNDS, _PHOTOS_A_ROUND = 5, 40
_HEAD = '| graph | file | MB | photos a second | ratio | same label |\n|---|---|---|---|---|---|'


def _dataset():
    """Returns the photos, split as retrain splits them."""
    return photos_lib.load(os.path.join(SHARED_DATA, 'flower_photos'), split_lib.Split())


def _pixels(spec, paths):
    with runner.Runner(spec) as photos:
        batches = photos.run([paths[group] for group in runner.groups(len(paths))])
        return np.concatenate([values for values, _ in batches])


def _exports(classifier, photos):
    """Returns a dict from a name to the bytes of a file and the function that runs it."""
    data = onnx_file.convert(*classifier)
    found = {'ONNX': (data, onnx_file.scorer(data))}
    for quantization in QUANTIZATIONS:
        data = lite.convert(*classifier, quantization, Trial(classifier, photos).calibration)
        found['TensorFlow Lite, %s' % quantization] = (data, lite.scorer(data))
    return found


def _measure(path, dataset, images_of):
    """Prints the rows of a graph."""
    data = graph_files.read(path).SerializeToString(deterministic=True)
    classifier = finished_graph.read(path, data).classifier
    exports = _exports(classifier, dataset.photos)
    images = images_of(classifier.graph_input.pixels)
    some = images[:_PHOTOS_A_ROUND]
    with labelling.Scorer(classifier) as scorer:
        expected = scorer.score_pixels(images).argmax(axis=1)
        exports = dict({'frozen': (data, scorer.score_pixels)}, **exports)

        def one_by_one(score):
            return measuring.timed(lambda: [score(each[np.newaxis]) for each in some])

        def measure(name):
            return lambda: one_by_one(exports[name][1])

        seconds = measuring.rounds({name: measure(name) for name in exports}, _ROUNDS)
        for name, (contents, score) in exports.items():
            same = np.mean(score(images).argmax(axis=1) == expected)
            print(
                '| %s | %s | %.1f | %.0f | %.2f | %.1f%% |'
                % (
                    os.path.basename(path),
                    name,
                    len(contents) / 1e6,
                    len(some) / seconds[name],
                    seconds['frozen'] / seconds[name],
                    100 * same,
                ),
                flush=True,
            )


def main():
    dataset = _dataset()
    count = int(os.environ.get('PHOTOS', len(dataset.photos)))
    # Sorted by category and label: every so many are of all of them.
    places = np.linspace(0, len(dataset.photos), count, endpoint=False).astype(int)
    paths = [dataset.photos[place].path for place in places]
    kept = {}

    def images_of(spec):
        if spec not in kept:
            kept.clear()
            kept[spec] = _pixels(spec, paths)
        return kept[spec]

    print(measuring.machine(), file=sys.stderr)
    print(_HEAD)
    for path in sys.argv[1:]:
        _measure(path, dataset, images_of)


if __name__ == '__main__':
    main()
