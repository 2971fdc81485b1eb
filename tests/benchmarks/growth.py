"""Measures how time and memory grow with photos and with classes.

  python -m tests.benchmarks.growth [--rounds=3] [--output=growth.json]

Bottlenecks are made up, 1,001 numbers each. Memory is the peak of a process of its own. Needs
2 GB of disk.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import typing

import numpy as np

from scripts.dataset.photos import Photo
from scripts.features import extract
from scripts.features.cache import Cache
from scripts.features.place import Place
from scripts.networks import backbone as backbone_lib
from scripts.networks import registry
from tests.benchmarks import classic, measuring, speed
from tests.benchmarks.measuring import timed
from tests.features.backbones import Backbone

LENGTH = 1001
PHOTOS = (600, 3670, 100000)
CLASSES = (5, 100, 1000)
EXTRACTED = (600, 3000)

_MADE_UP = Backbone(shape=(LENGTH,))


class Filled(typing.NamedTuple):
    """A cache of made-up bottlenecks."""

    place: Place
    photos: typing.List[Photo]

    def ours(self):
        """Seconds a photo of loading it, as a run does that finds all there."""
        return timed(extract.compute, _MADE_UP, self.place, self.photos) / len(self.photos)

    def floats(self):
        """The same with Python's own float()."""
        bottlenecks = np.empty([len(self.photos), LENGTH], np.float32)

        def read():
            for row, photo in enumerate(self.photos):
                bottlenecks[row] = classic.read_text(self.place.text_path(photo))

        return timed(read) / len(self.photos)


def fill(work, count):
    """Returns a `Filled` of `count` photos in five folders."""
    place = Place(os.path.join(work, 'cache_%d' % count), 'made_up')
    photo = os.path.join(work, 'photo_%d.jpg' % count)
    with open(photo, 'wb'):
        pass
    photos = [
        Photo(photo, 'class_%d' % (number % 5), '%d.jpg' % number, number % 5, 'training')
        for number in range(count)
    ]
    random = np.random.RandomState(0)
    cache = Cache(_MADE_UP, place, photos)
    cache.load()
    for begin in range(0, count, speed.runner.BATCH_SIZE):
        indices = np.arange(begin, min(begin + speed.runner.BATCH_SIZE, count))
        cache.add(indices, random.randn(len(indices), LENGTH).astype(np.float32))
    return Filled(place, photos)


def peak_memory(*arguments):
    """Returns the peak, in bytes, of this file's process with arguments."""
    run = subprocess.run(
        [sys.executable, '-m', 'tests.benchmarks.growth'] + list(arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=True,
    )
    return 1024 * int(run.stdout)


def _extract_and_tell_peak(model_dir, work, count):
    pretrained = backbone_lib.load(registry.find(speed.SMALL), model_dir)
    place = Place(tempfile.mkdtemp(dir=work), speed.SMALL)
    extract.compute(pretrained, place, speed.photos(count))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def measure(work, count_of_rounds):
    """Returns the medians: seconds, and bytes for memory."""
    model_dir = os.path.join(work, 'models')
    os.makedirs(model_dir)
    speed.install_models(model_dir)
    training = speed.Training(model_dir, work)
    named = {}
    for count in PHOTOS:
        filled = fill(work, count)
        named['load a photo of %d' % count] = filled.ours
        if count == PHOTOS[1]:
            named['load a photo of %d, float()' % count] = filled.floats
    for count in PHOTOS:
        named['a step, %d photos' % count] = lambda count=count: training.ours(count=count)
    for classes in CLASSES[1:]:
        named['a step, %d classes' % classes] = lambda classes=classes: training.ours(
            classes=classes, count=3670
        )
    most = CLASSES[-1]
    named['a step, %d classes, every 100th with a summary' % most] = lambda: training.ours(
        classes=most, count=3670, summary_interval=100
    )
    named['a bare step, %d classes, none' % most] = lambda: training.bare(
        classes=most, with_summaries=False
    )
    for count in EXTRACTED:
        named['peak bytes, extraction of %d' % count] = lambda count=count: peak_memory(
            '--extract=%d' % count, '--model_dir=' + model_dir, '--work=' + work
        )
    return measuring.rounds(named, count_of_rounds)


def main():
    """Measures, and prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--output', default='growth.json', help='The JSON file to write.')
    for name in ('--extract', '--model_dir', '--work'):
        parser.add_argument(name, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.extract:
        _extract_and_tell_peak(flags.model_dir, flags.work, int(flags.extract))
        return
    with tempfile.TemporaryDirectory(dir='tf_files') as work:
        medians = measure(work, flags.rounds)
    measuring.write_json(flags.output, medians, [])
    for name, value in medians.items():
        print(
            '%-40s %s' % (name, '%.0f MB' % (value / 1e6) if 'bytes' in name else '%.6f s' % value)
        )


if __name__ == '__main__':
    main()
