"""Measures every mode of quantize_graph, and prints the table of docs/quantization.md.

  python -m tests.benchmarks.quantization GRAPH [GRAPH ...]

Each GRAPH is a float graph that was retrained on the photos of ../shared/data. "Agree" is the
fraction of all photos whose predicted label is that of the float graph, accuracy is on the classic
test photos, time is the median of runs on one photo, the graphs taking turns, as a ratio to the
float graph's.
"""

import gzip
import os
import sys
import time

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs import graph_files
from scripts.images import graph_input
from scripts.inference import labelling
from scripts.quantization import modes, settings
from tests.conftest import SHARED_DATA

_OUTPUT = 'final_result'
_ROUNDS = 200
_CALIBRATION_PHOTOS = 100


def _photos():
    """Returns the paths of all photos, their label indices and whether each is a test photo."""
    with open(os.path.join(SHARED_DATA, 'classic', 'split.tsv')) as file:
        rows = [line.rstrip('\n').split('\t') for line in file if not line.startswith('#')]
    labels = sorted({name.split('/')[0] for name, _ in rows})
    return (
        [os.path.join(SHARED_DATA, 'flower_photos', name) for name, _ in rows],
        np.array([labels.index(name.split('/')[0]) for name, _ in rows]),
        np.array([category == 'testing' for _, category in rows]),
    )


def _versions(graph_def, paths):
    """Returns a list of pairs of a name and a GraphDef, the float graph first."""
    versions = [('float', graph_def)]
    for mode in ('weights', 'weights_rounded', 'eightbit'):
        versions.append((mode, _quantized(graph_def, mode, 8)))
    some = [path for index, path in enumerate(paths) if index % 6 == 0][:_CALIBRATION_PHOTOS]
    calibration = modes.Calibration(some, graph_input.read_off(graph_def))
    versions.append(('eightbit, calibrated', _quantized(graph_def, 'eightbit', 8, calibration)))
    versions += [
        ('%s, %d bits' % (mode, bits), _quantized(graph_def, mode, bits))
        for mode in ('round', 'quantize')
        for bits in (8, 6, 4, 2)
    ]
    return versions


def _quantized(graph_def, mode, bits, calibration=None):
    return modes.quantize(graph_def, settings.Quantization(mode, bits, [_OUTPUT]), calibration)


def _best(graph_def, paths):
    fed = graph_input.read_off(graph_def)
    batches = labelling.score_many(labelling.ScoringGraph(graph_def, fed, _OUTPUT), paths)
    return np.concatenate([batch.values.argmax(axis=1) for batch in batches])


def _seconds(versions):
    """Returns the median seconds of each version on one image."""
    runs = []
    for _, graph_def in versions:
        fed = graph_input.read_off(graph_def)
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(graph_def, name='')
        session = tf.Session(graph=graph)
        run = session.make_callable(_OUTPUT + ':0', [fed.name + ':0'])
        image = np.random.RandomState(1).uniform(-1, 1, [1, fed.pixels.height, fed.pixels.width, 3])
        runs.append((run, image.astype(np.float32), []))
    for number in range(_ROUNDS):
        for run, image, seconds in runs:
            start = time.perf_counter()
            run(image)
            if number >= 10:
                seconds.append(time.perf_counter() - start)
    return [np.median(seconds) for _, _, seconds in runs]


def main():
    """Prints a table for each graph."""
    paths, truth, is_test = _photos()
    for graph_path in sys.argv[1:]:
        versions = _versions(graph_files.read(graph_path), paths)
        seconds = _seconds(versions)
        data = [each.SerializeToString(deterministic=True) for _, each in versions]
        exact = _best(versions[0][1], paths)
        print('\n%s\n' % graph_path)
        print('| mode | agree | accuracy | bytes | gzip bytes | time |')
        print('|---|---|---|---|---|---|')
        for (name, graph_def), taken, each in zip(versions, seconds, data):
            best = _best(graph_def, paths)
            print(
                '| %s | %.1f%% | %.1f%% | %.1f%% | %.1f%% | %.2f |'
                % (
                    name,
                    100 * (best == exact).mean(),
                    100 * (best == truth)[is_test].mean(),
                    100 * len(each) / len(data[0]),
                    100 * len(gzip.compress(each)) / len(gzip.compress(data[0])),
                    taken / seconds[0],
                ),
                flush=True,
            )


if __name__ == '__main__':
    main()
