"""Compares extraction with the bound of this machine and with peers, on the same photos, in turns.

  .venv-tf2/bin/python -m tests.benchmarks.peers [--network=mobilenet_0.25_128] [--rounds=9]
      [--every=1] [--keras=.venv-tf2/bin/python] [--peers=PEERS/bin/python] [--work=FOLDER]
      [--json=FILE]

Ours is the whole command, text files included, less the same command on a warm cache. The bound is
a bare graph of this TensorFlow that decodes and runs the network, in batches of 32 or of 128,
whichever is faster, plus creating as many files of that size; each of them alone. Keras is
`image_dataset_from_directory` and `predict`, with and without the same text files. PEERS is an
environment with tests/benchmarks/peers.txt: timm with a DataLoader (on mobilenet_1.0_224 only), and
the network alone in OpenVINO. What is not given is left out, and a line says so.

The photos are 3,030, made of the 600 of ../shared/data: as they are, mirrored, and scaled to 500
and 1,024 pixels; 30 have 12 megapixels. --every=3 takes a third of them. A ratio is that of two
measures of the same round, and what is printed the median of all rounds.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from PIL import Image, ImageOps

from scripts.networks import registry
from tests.benchmarks import measuring
from tests.conftest import REPOSITORY, SHARED_DATA

# Name of a variant: the longer side, 0: as it is; whether it is mirrored; of how many photos.
VARIANTS = {
    'as_is': (0, False, 600),
    'mirrored': (0, True, 600),
    'of_500': (500, False, 600),
    'of_500_mirrored': (500, True, 600),
    'of_1024': (1024, False, 600),
    'of_12_megapixels': (4000, False, 30),
}

_FUSED = """
import sys, time
import numpy as np
import tensorflow.compat.v1 as tf
from scripts.graphs.session import open_session
from scripts.images import pixels
from scripts.networks import backbone, registry
name, models, batch, *paths = sys.stdin.read().split('\\n')
network = registry.find(name)
spec, loaded = network.pixels, backbone.load(network, models)

def load(path):
    image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
    return pixels.normalize(pixels.resize(image, spec.height, spec.width), spec)

graph = tf.Graph()
with graph.as_default():
    images = tf.data.Dataset.from_tensor_slices(np.array(paths)).map(
        tf.autograph.experimental.do_not_convert(load), num_parallel_calls=2)
    images = images.batch(int(batch)).prefetch(2)
    fed = tf.data.make_one_shot_iterator(images).get_next()
    fed.set_shape([None, spec.height, spec.width, 3])
    values = backbone.import_into_graph(loaded, fed)
with open_session(graph) as session:
    session.run(values)
    begin, count = time.perf_counter(), 0
    try:
        while True:
            count += len(session.run(values))
    except tf.errors.OutOfRangeError:
        print((time.perf_counter() - begin) / count)
"""

_KERAS = """
import os, sys, time
import numpy as np, keras
from scripts.features import texts
folder, alpha, size, out = sys.argv[1:]
size = int(size)
model = keras.applications.MobileNet(
    (size, size, 3), float(alpha), weights=None, classes=1001, classifier_activation=None)

def batches():
    found = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(size, size), batch_size=128, shuffle=False)
    return found.file_paths, found.map(lambda images: images / 127.5 - 1).prefetch(2)

model.predict(batches()[1].take(1), verbose=0)
begin = time.perf_counter()
paths, images = batches()
values = model.predict(images, verbose=0)
if out:
    for path, bottleneck in zip(paths, values):
        to = os.path.join(out, os.path.basename(os.path.dirname(path)))
        os.makedirs(to, exist_ok=True)
        with open(os.path.join(to, os.path.basename(path) + '.txt'), 'wb') as file:
            file.write(texts.to_text(bottleneck))
print((time.perf_counter() - begin) / len(paths))
"""

_TIMM = """
import sys, time
import timm, torch
from timm.data import ImageDataset, create_transform
dataset = ImageDataset(sys.argv[1], transform=create_transform(224))
loader = torch.utils.data.DataLoader(dataset, 32, num_workers=2)
model = timm.create_model('mobilenetv1_100').eval()
with torch.inference_mode():
    model(torch.zeros(32, 3, 224, 224))
    begin = time.perf_counter()
    for images, _ in loader:
        model(images)
print((time.perf_counter() - begin) / len(dataset))
"""

_OPENVINO = """
import sys, time
import numpy as np, openvino as ov
graph, name, size, count = sys.argv[1:]
size, count = int(size), int(count)
core = ov.Core()
model = core.read_model(graph)
model.reshape({model.input(0): [1, size, size, 3]})
compiled = core.compile_model(model, 'CPU', {'PERFORMANCE_HINT': 'THROUGHPUT'})
queue = ov.AsyncInferQueue(compiled)
images = np.zeros([1, size, size, 3], np.float32)
queue.start_async([images])
queue.wait_all()
begin = time.perf_counter()
for _ in range(count):
    queue.start_async([images])
queue.wait_all()
print((time.perf_counter() - begin) / count)
"""


def make_photos(folder):
    """Makes the photos below a folder, unless they are there; returns their paths."""
    source = os.path.join(SHARED_DATA, 'flower_photos')
    found = sorted(
        os.path.join(label, name)
        for label in os.listdir(source)
        if os.path.isdir(os.path.join(source, label))
        for name in os.listdir(os.path.join(source, label))
        if name.endswith('.jpg')
    )
    paths = []
    for variant, (side, is_mirrored, count) in VARIANTS.items():
        for number in range(count):
            name = found[number * len(found) // count]
            label, file_name = os.path.split(name)
            path = os.path.join(folder, label, '%s_%s' % (variant, file_name))
            paths.append(path)
            if not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _make(os.path.join(source, name), path, side, is_mirrored)
    return paths


def _make(source, path, side, is_mirrored):
    if not side and not is_mirrored:
        shutil.copyfile(source, path)
        return
    with Image.open(source) as photo:
        image = photo.convert('RGB')
    if is_mirrored:
        image = ImageOps.mirror(image)
    if side:
        height = round(side * image.height / image.width) if side < 2000 else 3000
        image = image.resize((side, height), Image.BICUBIC)
    image.save(path, quality=90)


class Peers:
    """What is measured: each function returns seconds a photo.

    Args:
      options: those of the command.
      work: a folder for all that is made.
    """

    def __init__(self, options, work):
        self._options, self._work = options, work
        self._network = registry.find(options.network)
        made = os.path.join(work, 'photos')
        self._folder = os.path.join(work, 'every_%d' % options.every)
        self._paths = []
        for path in make_photos(made)[:: options.every]:
            self._paths.append(os.path.join(self._folder, os.path.relpath(path, made)))
            os.makedirs(os.path.dirname(self._paths[-1]), exist_ok=True)
            if not os.path.exists(self._paths[-1]):
                os.link(path, self._paths[-1])
        self._models = os.path.join(work, 'models')
        if not os.path.exists(self._models):
            shutil.copytree(os.path.join(SHARED_DATA, 'models'), self._models)
        self._number = 0
        self._run(sys.executable, '', ['--version'])

    def measures(self):
        """Returns a dict from names to functions, and prints what is left out."""
        found = {
            'ours': self.ours,
            'fused, batches of 32': lambda: self.fused(32),
            'fused, batches of 128': lambda: self.fused(128),
            'files': self.files,
        }
        if self._options.keras:
            found['Keras'] = lambda: self.keras('')
            found['Keras, text files'] = lambda: self.keras(self._new_folder())
        if self._options.peers and self._network.name == 'mobilenet_1.0_224':
            found['timm'] = self.timm
        if self._options.peers:
            found['OpenVINO, the network alone'] = self.openvino
        for name, flag in (('Keras', '--keras'), ('timm and OpenVINO', '--peers')):
            if not getattr(self._options, flag[2:]):
                print('%s: left out, no %s is given' % (name, flag), file=sys.stderr)
        return found

    def ours(self):
        folder = self._new_folder()
        cold, warm = self._retrain(folder), self._retrain(folder)
        return (cold - warm) / len(self._paths)

    def fused(self, batch):
        # Not sorted by size: a batch is then as any other.
        paths = sorted(self._paths, key=os.path.basename)
        paths = paths[::7] + [path for number, path in enumerate(paths) if number % 7]
        told = '\n'.join([self._network.name, self._models, str(batch)] + paths)
        return float(self._run(sys.executable, told, ['-c', _FUSED]))

    def files(self):
        """Creates files as large as text files, where those are."""
        folder, data = self._new_folder(), b'0.12345678,' * self._network.bottleneck_length
        for path in self._paths:
            label = os.path.join(folder, os.path.basename(os.path.dirname(path)))
            os.makedirs(label, exist_ok=True)
        begin = time.perf_counter()
        for path in self._paths:
            with open(os.path.join(folder, os.path.relpath(path, self._folder)), 'wb') as file:
                file.write(data)
        return (time.perf_counter() - begin) / len(self._paths)

    def keras(self, out):
        _, alpha, size = self._network.name.split('_')
        arguments = ['-c', _KERAS, self._folder, alpha, size, out]
        return float(self._run(self._options.keras, '', arguments))

    def timm(self):
        return float(self._run(self._options.peers, '', ['-c', _TIMM, self._folder]))

    def openvino(self):
        graph = os.path.join(self._models, self._network.graph_file)
        size = str(self._network.pixels.width)
        arguments = ['-c', _OPENVINO, graph, self._network.name, size, str(len(self._paths))]
        return float(self._run(self._options.peers, '', arguments))

    def _retrain(self, folder):
        arguments = {
            'image_dir': self._folder,
            'architecture': self._network.name,
            'model_dir': self._models,
            'bottleneck_dir': os.path.join(folder, 'bottlenecks'),
            'summaries_dir': os.path.join(folder, 'summaries'),
            'output_graph': os.path.join(folder, 'graph.pb'),
            'output_labels': os.path.join(folder, 'labels.txt'),
            'how_many_training_steps': 1,
        }
        flags = ['--%s=%s' % each for each in arguments.items()]
        begin = time.perf_counter()
        self._run(sys.executable, '', ['-m', 'scripts.retrain'] + flags)
        return time.perf_counter() - begin

    def _new_folder(self):
        """Returns a new folder; that of the last call is removed."""
        for number in (self._number, self._number + 1):
            folder = os.path.join(self._work, 'run_%d' % number)
            shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self._number += 1
        return folder

    def _run(self, python, told, arguments):
        """Runs a Python, and returns the last line that it prints."""
        run = subprocess.run(
            [python] + arguments,
            input=told,
            cwd=REPOSITORY,
            env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3'),
            check=True,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        return (run.stdout.splitlines() or [''])[-1]


def table(seconds):
    """Returns lines of Markdown: photos a second, and the ratio of ours to each, by round."""
    seconds = dict(seconds)
    fused = zip(seconds['fused, batches of 32'], seconds['fused, batches of 128'])
    seconds['bound'] = [min(each) + files for each, files in zip(fused, seconds['files'])]
    lines = ['| | photos a second | ours is as fast by |', '|---|---|---|']
    for name, each in seconds.items():
        ratios = sorted(other / ours for other, ours in zip(each, seconds['ours']))
        lines.append(
            '| %s | %.0f | %.2f (%.2f to %.2f) |'
            % (name, 1 / statistics.median(each), statistics.median(ratios), ratios[0], ratios[-1])
        )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--network', default='mobilenet_0.25_128')
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--every', type=int, default=1)
    parser.add_argument('--keras')
    parser.add_argument('--peers')
    parser.add_argument('--work')
    parser.add_argument('--json')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        peers = Peers(options, os.path.abspath(options.work or temporary))
        measures = peers.measures()
        seconds = {name: [] for name in measures}
        for number in range(options.rounds):
            for name, measure in measures.items():
                seconds[name].append(measure())
                print('%d  %-30s %.6f' % (number + 1, name, seconds[name][-1]), file=sys.stderr)
    print(measuring.machine())
    print('\n'.join(table(seconds)))
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump(seconds, file, indent=1)


if __name__ == '__main__':
    main()
