"""Compares --decode=fast with exact decoding, on photos of 12 megapixels: speed and accuracy.

  python -m tests.benchmarks.large_photos [--work=FOLDER] [--rounds=9] [--network=mobilenet_1.0_224]

The photos are the 600 flowers of ../shared/data, scaled to 12 megapixels. Speed is that of whole
commands on 200 of them, less that of the same command on a warm cache, in turns. Accuracy is that
on all photos for validation and testing of the 600, of three seeds.
"""

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from PIL import Image

from tests.benchmarks import measuring
from tests.conftest import REPOSITORY, SHARED_DATA

_PIXELS = 12e6
_PER_CLASS = 40  # Photos that speed is measured on.
_SEEDS = (1, 2, 3)


def make_photos(folder):
    """Makes the large photos below `folder`/all, and links a few below `folder`/few."""
    source = os.path.join(SHARED_DATA, 'flower_photos')
    for label in sorted(os.listdir(source)):
        if not os.path.isdir(os.path.join(source, label)):
            continue
        for place in ('all', 'few'):
            os.makedirs(os.path.join(folder, place, label), exist_ok=True)
        for number, name in enumerate(sorted(os.listdir(os.path.join(source, label)))):
            path = os.path.join(folder, 'all', label, name)
            if not os.path.exists(path):
                _enlarge(os.path.join(source, label, name), path)
            few = os.path.join(folder, 'few', label, name)
            if number < _PER_CLASS and not os.path.exists(few):
                os.link(path, few)


def _enlarge(source, path):
    with Image.open(source) as photo:
        scale = (_PIXELS / (photo.width * photo.height)) ** 0.5
        size = round(photo.width * scale), round(photo.height * scale)
        image = photo.convert('RGB').resize(size, Image.BICUBIC)
    image.save(path + '.part', 'JPEG', quality=90)
    os.replace(path + '.part', path)


class Retrain:
    """The command, in a folder of its own for each way to decode."""

    def __init__(self, work, network):
        self._work, self._network = work, network
        self._models = os.path.join(work, 'models')
        if not os.path.exists(self._models):
            shutil.copytree(os.path.join(SHARED_DATA, 'models'), self._models)

    def extraction(self, decode):
        """Returns seconds a photo, of the few."""
        shutil.rmtree(self._place(decode, 'few'), ignore_errors=True)
        cold, warm = self._run(decode, 'few', 1)[0], self._run(decode, 'few', 1)[0]
        return (cold - warm) / (5 * _PER_CLASS)

    def accuracy(self, decode, seed):
        """Returns how many of the validation and test photos are right, and how many they are."""
        self._run(decode, 'all', 500, seed)
        right = count = 0
        for category in ('validation', 'testing'):
            predictions = os.path.join(self._work, 'predictions.csv')
            self._command(
                'evaluate',
                '--predictions=' + predictions,
                os.path.join(self._place(decode, 'all'), 'graph.pb'),
                '--image_dir=' + os.path.join(self._work, 'photos', 'all'),
                '--category=' + category,
            )
            with open(predictions, newline='') as file:
                rows = list(csv.DictReader(file))
            right += sum(row['true_label'] == row['predicted_label'] for row in rows)
            count += len(rows)
        return right, count

    def _place(self, decode, photos):
        return os.path.join(self._work, '%s_%s' % (decode, photos))

    def _run(self, decode, photos, steps, seed=0):
        folder = self._place(decode, photos)
        values = {
            'image_dir': os.path.join(self._work, 'photos', photos),
            'split_key': 'name',
            'architecture': self._network,
            'model_dir': self._models,
            'decode': decode,
            'bottleneck_dir': os.path.join(folder, 'bottlenecks'),
            'summaries_dir': os.path.join(folder, 'summaries'),
            'output_graph': os.path.join(folder, 'graph.pb'),
            'output_labels': os.path.join(folder, 'labels.txt'),
            'how_many_training_steps': steps,
            'random_seed': seed,
        }
        start = time.perf_counter()
        out = self._command('retrain', *('--%s=%s' % each for each in values.items()))
        return time.perf_counter() - start, out

    def _command(self, name, *arguments):
        return subprocess.run(
            [sys.executable, '-m', 'scripts.' + name] + list(arguments),
            cwd=REPOSITORY,
            check=True,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        ).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--work')
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--network', default='mobilenet_1.0_224')
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = os.path.abspath(flags.work or temporary)
        make_photos(os.path.join(work, 'photos'))
        retrain = Retrain(work, flags.network)
        seconds = {'exact': [], 'fast': []}
        for number in range(flags.rounds):
            for decode, each in seconds.items():
                each.append(retrain.extraction(decode))
                print('%d  %-10s %.4f' % (number + 1, decode, each[-1]), file=sys.stderr)
        accuracy = {
            decode: [retrain.accuracy(decode, seed) for seed in _SEEDS] for decode in seconds
        }
    print(measuring.machine())
    ratio = statistics.median(map(lambda pair: pair[0] / pair[1], zip(*seconds.values())))
    for decode, each in seconds.items():
        print('%s: %.1f photos a second' % (decode, 1 / statistics.median(each)))
    print('fast is %.2f times as fast (median of paired ratios)' % ratio)
    for decode, each in accuracy.items():
        shares = ', '.join('%.1f%%' % (100 * right / count) for right, count in each)
        mean = 100 * sum(right for right, _ in each) / sum(count for _, count in each)
        print('%s: %s of %d photos; mean %.2f%%' % (decode, shares, each[0][1], mean))


if __name__ == '__main__':
    main()
