"""Compares --decode=fast with exact decoding, on photos of 12 megapixels: speed and accuracy.

  python -m tests.benchmarks.large_photos [--work=FOLDER] [--rounds=9] [--network=mobilenet_1.0_224]
      [--seeds=3]

The photos are the 600 flowers of ../shared/data, scaled to 12 megapixels. Speed is that of whole
commands, less that of the same command on a warm cache, in turns. Accuracy is that on all photos
for validation and testing, of a few seeds; --seeds=0 leaves it out.
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


def make_photos(folder):
    """Makes the large photos below a folder, unless they are there; returns how many they are."""
    count = 0
    source = os.path.join(SHARED_DATA, 'flower_photos')
    for label in sorted(os.listdir(source)):
        if not os.path.isdir(os.path.join(source, label)):
            continue
        os.makedirs(os.path.join(folder, label), exist_ok=True)
        for name in sorted(os.listdir(os.path.join(source, label))):
            path = os.path.join(folder, label, name)
            if not os.path.exists(path):
                _enlarge(os.path.join(source, label, name), path)
            count += 1
    return count


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
        self._photos = os.path.join(work, 'photos')
        self._count = make_photos(self._photos)
        self._models = os.path.join(work, 'models')
        if not os.path.exists(self._models):
            shutil.copytree(os.path.join(SHARED_DATA, 'models'), self._models)

    def extraction(self, decode):
        """Returns seconds a photo."""
        shutil.rmtree(os.path.join(self._work, decode), ignore_errors=True)
        cold, warm = self._run(decode, 1), self._run(decode, 1)
        return (cold - warm) / self._count

    def accuracy(self, decode, seed):
        """Returns how many of the validation and test photos are right, and how many they are."""
        self._run(decode, 500, seed)
        right = count = 0
        for category in ('validation', 'testing'):
            predictions = os.path.join(self._work, 'predictions.csv')
            self._command(
                'evaluate',
                '--predictions=' + predictions,
                os.path.join(self._work, decode, 'graph.pb'),
                '--image_dir=' + self._photos,
                '--category=' + category,
            )
            with open(predictions, newline='') as file:
                rows = list(csv.DictReader(file))
            right += sum(row['true_label'] == row['predicted_label'] for row in rows)
            count += len(rows)
        return right, count

    def _run(self, decode, steps, seed=0):
        """Trains; returns the seconds that the command takes."""
        folder = os.path.join(self._work, decode)
        values = {
            'image_dir': self._photos,
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
        self._command('retrain', *('--%s=%s' % each for each in values.items()))
        return time.perf_counter() - start

    def _command(self, name, *arguments):
        subprocess.run(
            [sys.executable, '-m', 'scripts.' + name] + list(arguments),
            cwd=REPOSITORY,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--work')
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--network', default='mobilenet_1.0_224')
    parser.add_argument('--seeds', type=int, default=3)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = os.path.abspath(flags.work or temporary)
        retrain = Retrain(work, flags.network)
        seconds = {'exact': [], 'fast': []}
        for number in range(flags.rounds):
            for decode, each in seconds.items():
                each.append(retrain.extraction(decode))
                print('%d  %-10s %.4f' % (number + 1, decode, each[-1]), file=sys.stderr)
        accuracy = {
            decode: [retrain.accuracy(decode, seed + 1) for seed in range(flags.seeds)]
            for decode in (seconds if flags.seeds else ())
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
