"""Measures the same work under several versions of Python and TensorFlow, and prints a table.

  python -m tests.benchmarks.versions REFERENCE/bin/python [OTHER/bin/python ...] [--json=FILE]

Each Python is that of a virtual environment with requirements.txt; the first is what the others are
compared with. All take turns, five rounds; of each measure the median counts. Extraction is the
call that makes the bottlenecks of the 600 photos of ../shared/data from nothing; the others are
whole commands, from start to end, on these photos and mobilenet_0.25_128.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_SHARED = os.path.join(REPOSITORY, os.pardir, 'shared', 'data')
_PHOTOS = os.path.join(_SHARED, 'flower_photos')
_PHOTO = os.path.join(_PHOTOS, 'daisy', sorted(os.listdir(os.path.join(_PHOTOS, 'daisy')))[0])
_NETWORK, _LARGER = 'mobilenet_0.25_128', 'mobilenet_0.75_224'
_ROUNDS = 5

_EXTRACTION = """
import sys, time
from scripts.common import printing
printing.set_up_logging()
from scripts import graphs
from scripts.features import extract, place
from scripts.dataset import photos, split
from scripts.networks import backbone as pretrained, registry
image_dir, model_dir, folder, name = sys.argv[1:]
found = photos.load(image_dir, split.Split()).photos
network = registry.find(name)
loaded = pretrained.load(network, model_dir)
start = time.time()
features = extract.compute(loaded, place.Place(folder, name), found)
seconds = time.time() - start
assert features.readable.all() and len(features) == 600
print(seconds)
"""


class Environment:
    """A Python, and a folder of its own to work in."""

    def __init__(self, python, folder):
        self.python, self.folder = python, folder
        self.name = self.output(
            'import platform, tensorflow as tf\n'
            'print("Python %s, TensorFlow %s" % (platform.python_version(), tf.__version__))'
        ).splitlines()[-1]
        shutil.copytree(os.path.join(_SHARED, 'models'), self.place('models'))
        self.retrain(10)  # Files are read and bottlenecks computed, so that all begin alike.

    def place(self, *parts):
        return os.path.join(self.folder, *parts)

    def output(self, code, *arguments):
        """Returns what a piece of Python prints."""
        return subprocess.run(
            [self.python, '-c', code] + list(arguments),
            cwd=REPOSITORY,
            check=True,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        ).stdout

    def command(self, module, *arguments):
        """Runs a command and returns the seconds that it takes."""
        start = time.time()
        subprocess.run(
            [self.python, '-m', 'scripts.' + module] + list(arguments),
            cwd=REPOSITORY,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.time() - start

    def extract(self, network):
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            printed = self.output(_EXTRACTION, _PHOTOS, self.place('models'), folder, network)
        return float(printed.splitlines()[-1])

    def retrain(self, steps):
        return self.command(
            'retrain',
            '--image_dir=' + _PHOTOS,
            '--architecture=' + _NETWORK,
            '--how_many_training_steps=%d' % steps,
            '--random_seed=1',
            *('--%s=%s' % (flag, self.place(name)) for flag, name in _OUTPUTS.items()),
        )

    def label(self, photos):
        files = ['--graph=' + self.place('graph.pb'), '--labels=' + self.place('labels.txt')]
        output = self.place('labels.csv')
        return self.command(
            'label_image', '--output=' + output, '--output_format=csv', *files, photos
        )


_OUTPUTS = {
    'model_dir': 'models',
    'bottleneck_dir': 'bottlenecks',
    'summaries_dir': 'summaries',
    'output_graph': 'graph.pb',
    'output_labels': 'labels.txt',
}
MEASURES = {
    'extraction, %s' % _NETWORK: lambda each: each.extract(_NETWORK),
    'extraction, %s' % _LARGER: lambda each: each.extract(_LARGER),
    'retrain, 4,000 steps on a warm cache': lambda each: each.retrain(4000),
    'label_image, 600 photos': lambda each: each.label(_PHOTOS),
    'label_image, one photo': lambda each: each.label(_PHOTO),
}


def measure(environments):
    """Returns a dict from measure to a dict from environment to the seconds of all rounds."""
    seconds = {
        measure: {environment.name: [] for environment in environments} for measure in MEASURES
    }
    for number in range(_ROUNDS):
        for name, function in MEASURES.items():
            for environment in environments:
                seconds[name][environment.name].append(function(environment))
        print('round %d of %d' % (number + 1, _ROUNDS), file=sys.stderr)
    return seconds


def table(seconds):
    """Returns the lines of a table: seconds, and how many times faster than the first's."""
    environments = list(next(iter(seconds.values())))
    lines = ['| | %s |' % ' | '.join(environments), '|---' * (len(environments) + 1) + '|']
    for name, of_environment in seconds.items():
        medians = [statistics.median(of_environment[environment]) for environment in environments]
        cells = ['%.2f s, %.2f' % (each, medians[0] / each) for each in medians]
        lines.append('| %s | %s |' % (name, ' | '.join(cells)))
    return lines


def main(arguments):
    flags = [each for each in arguments if each.startswith('--json=')]
    pythons = [each for each in arguments if each not in flags]
    if not pythons:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        environments = [
            Environment(os.path.abspath(python), os.path.join(folder, str(number)))
            for number, python in enumerate(pythons)
        ]
        seconds = measure(environments)
    print('\n'.join(table(seconds)))
    for flag in flags:
        with open(flag.split('=', 1)[1], 'w', encoding='utf-8') as file:
            json.dump(seconds, file, indent=1)


if __name__ == '__main__':
    main(sys.argv[1:])
