"""Measures each stage of ours, of a model of the classic way, and what bounds it.

  python -m tests.benchmarks.speed [--rounds=5] [--output=speed.json]

All figures are medians of rounds in which the measures take turns. The bound of a stage is the sum
of its parts, each alone with the whole machine: decoding, the network in batches, a bare step.
"""

import argparse
import os
import shutil
import tempfile
import time

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.dataset import photos as photos_lib
from scripts.dataset import split
from scripts.evaluation import evaluating
from scripts.features import extract
from scripts.features.place import Place
from scripts.graphs import graph_files
from scripts.graphs.session import open_session
from scripts.images import distort, graph_input, runner
from scripts.images.settings import Distortions
from scripts.inference import labelling
from scripts.networks import backbone as backbone_lib
from scripts.networks import registry
from scripts.training import batches as batches_lib
from scripts.training import fit as fit_lib
from scripts.training import head as head_lib
from scripts.training import settings as settings_lib
from scripts.training.batches import DistortedBatches, Examples, KeptBatches
from scripts.training.model import Model
from tests.benchmarks import classic, measuring
from tests.benchmarks.measuring import Row, timed
from tests.conftest import SHARED_DATA

SMALL = 'mobilenet_0.25_128'
# How many photos each way of extraction is measured on.
EXTRACTED = {
    SMALL: (3600, 300),
    'mobilenet_0.25_224': (600, 100),
    'mobilenet_0.75_224': (600, 60),
}
PHOTO_DIR = os.path.join(SHARED_DATA, 'flower_photos')
DISTORTIONS = Distortions(True, 10, 10, 10)
CLASSIC_STEPS = 100


def training_settings(work, **changes):
    """Returns `settings.Training` with the flags' defaults and a folder of summaries of its own."""
    settings = settings_lib.Training(
        how_many_training_steps=4000,
        learning_rate=0.01,
        validation_batch_size=100,
        summary_interval=1,
        summaries_dir=tempfile.mkdtemp(dir=work),
        random_seed=0,
    )
    return settings._replace(**changes)


class Extraction:
    """Photos become bottlenecks, text files included."""

    def __init__(self, name, model_dir, work):
        self._work = work
        self._pretrained = backbone_lib.load(registry.find(name), model_dir)
        self._photos, self._few = EXTRACTED[name]
        self._classic = classic.Network(self._pretrained)

    def ours(self):
        place = Place(tempfile.mkdtemp(dir=self._work), self._pretrained.network.name)
        many = photos(self._photos)
        return timed(extract.compute, self._pretrained, place, many) / len(many)

    def classic(self):
        few = photos(self._few)
        folder = tempfile.mkdtemp(dir=self._work)
        return timed(classic.extract, self._classic, few, folder) / len(few)

    def decoding(self):
        paths = [photo.path for photo in photos(self._photos)]
        spec = self._pretrained.network.pixels
        graph = tf.Graph()
        with graph.as_default():
            elements = tf.data.Dataset.from_tensor_slices(np.array(paths))
            batches = _batches(elements, lambda path: runner.pixels.load(path, spec))
        return _seconds_of_batches(graph, batches, len(paths) // runner.BATCH_SIZE)

    def network(self):
        return network_seconds(self._pretrained, self._photos // runner.BATCH_SIZE)


def _batches(elements, to_pixels):
    """Returns a tf.data.Dataset of batches of pixels, decoded as fast as TensorFlow can."""
    as_it_is = tf.autograph.experimental.do_not_convert(to_pixels)
    images = elements.map(as_it_is, num_parallel_calls=os.cpu_count())
    return images.batch(runner.BATCH_SIZE).prefetch(2)


def photos(count):
    """Returns `count` `Photo`s: real ones, again and again under other names."""
    real = photos_lib.load(PHOTO_DIR, split.Split()).photos
    return [
        real[index % len(real)]._replace(
            file_name='%d_%s' % (index, real[index % len(real)].file_name)
        )
        for index in range(count)
    ]


def network_seconds(pretrained, batches):
    """Returns the seconds a photo that a network alone takes, in batches."""
    spec = pretrained.network.pixels
    pixels = np.random.RandomState(0).uniform(
        -1, 1, [runner.BATCH_SIZE, spec.height, spec.width, 3]
    )
    pixels = pixels.astype(np.float32)
    graph = tf.Graph()
    with graph.as_default():
        fed = tf.placeholder(tf.float32, [None, spec.height, spec.width, 3])
        bottleneck = backbone_lib.import_into_graph(pretrained, fed)
    with open_session(graph) as session:
        session.run(bottleneck, {fed: pixels})
        start = time.perf_counter()
        for _ in range(batches):
            session.run(bottleneck, {fed: pixels})
        return (time.perf_counter() - start) / batches / runner.BATCH_SIZE


def _seconds_of_batches(graph, dataset, count):
    """Returns the seconds a photo of making `count` batches of pixels, of which nothing is done."""
    with graph.as_default():
        # A sum, not the pixels: they need not come out of the graph.
        done = tf.reduce_sum(tf.data.make_one_shot_iterator(dataset).get_next())
    with open_session(graph) as session:
        session.run(done)
        start = time.perf_counter()
        for _ in range(count - 1):
            session.run(done)
        return (time.perf_counter() - start) / (count - 1) / runner.BATCH_SIZE


class Clock:
    """Batches that note when each step begins."""

    def __init__(self, batches):
        self._batches, self._begins = batches, []

    def next(self):
        self._begins.append(time.perf_counter())
        return self._batches.next()

    def seconds(self):
        """Returns the mean seconds of a step; the first ones, which wait for a start, left out."""
        warm = self._begins[len(self._begins) // 5 :]
        return (warm[-1] - warm[0]) / (len(warm) - 1)


class Training:
    """Steps of the new layer."""

    def __init__(self, model_dir, work):
        self._work = work
        self._pretrained = backbone_lib.load(registry.find(SMALL), model_dir)
        self._photos = list(photos_lib.load(PHOTO_DIR, split.Split()).photos)
        self._text_dir = tempfile.mkdtemp(dir=work)
        classic.extract(classic.Network(self._pretrained), self._photos, self._text_dir)
        self._distorting = classic.Network(self._pretrained, DISTORTIONS)

    def ours(self, steps=2000, count=600, classes=5, summary_interval=1):
        random = np.random.RandomState(0)
        bottlenecks = np.empty([count, 1001], np.float32)
        bottlenecks[:] = random.randn(1001)
        examples = batches_lib.of_arrays(bottlenecks, np.arange(count) % classes, range(count))
        settings = self._settings(steps)._replace(summary_interval=summary_interval)
        return self._steps(KeptBatches(examples, settings), classes, settings)

    def ours_distorted(self, steps=25):
        labels = np.array([photo.label_index for photo in self._photos], np.int64)
        examples = Examples(None, labels, self._photos, np.arange(len(labels)))
        settings = self._settings(steps)
        batches = DistortedBatches(self._pretrained, examples, DISTORTIONS, settings)
        return self._steps(batches, 5, settings)

    def _settings(self, steps):
        return training_settings(
            self._work, how_many_training_steps=steps, eval_step_interval=10**9
        )

    def _steps(self, batches, classes, settings):
        nothing = batches_lib.of_arrays(np.empty([0, 1001]), np.empty(0, np.int64), [])
        with batches, Model(self._pretrained, classes, settings) as model:
            clock = Clock(batches)
            fit_lib.fit(model, clock, nothing, settings)
        return clock.seconds()

    def bare(self, steps=2000, classes=5, with_summaries=True):
        """A step on one batch in memory."""
        random = np.random.RandomState(0)
        settings = training_settings(self._work)
        graph = tf.Graph()
        with graph.as_default():
            bottleneck = backbone_lib.import_into_graph(self._pretrained)
            head = head_lib.add(bottleneck, classes, settings)
            initializer = tf.global_variables_initializer()
        feeds = {
            bottleneck: random.randn(100, 1001).astype(np.float32),
            head.ground_truth_input: np.arange(100) % classes,
        }
        with open_session(graph) as session, tf.summary.FileWriter(
            settings.summaries_dir
        ) as writer:
            session.run(initializer)
            session.run([head.step_summaries, head.train_step], feeds)
            start = time.perf_counter()
            for step in range(steps):
                if with_summaries:
                    summary, _ = session.run([head.step_summaries, head.train_step], feeds)
                    writer.add_summary(summary, step)
                else:
                    session.run(head.train_step, feeds)
            return (time.perf_counter() - start) / steps

    def classic(self, steps=50):
        return self._classic_steps(
            steps,
            10**9,
            lambda photo: classic.read_text(classic.text_path(self._text_dir, photo)),
        )

    def classic_distorted(self, steps=4):
        return self._classic_steps(steps, 10**9, lambda photo: self._distorting(photo.path))

    def classic_command(self):
        """4,000 steps on a warm cache, from a few of them and what comes before."""
        before = measuring.command('-c', 'import tensorflow')
        before += timed(self.read_texts)
        return before + 4000 * self._classic_steps(
            CLASSIC_STEPS,
            10,
            lambda photo: classic.read_text(classic.text_path(self._text_dir, photo)),
        )

    def read_texts(self):
        """Reads all text files the classic way."""
        for photo in self._photos:
            classic.read_text(classic.text_path(self._text_dir, photo))

    def _classic_steps(self, steps, interval, bottleneck_of):
        settings = training_settings(self._work, eval_step_interval=interval)
        trainer = classic.Trainer(self._pretrained, self._photos, settings)
        trainer.step(interval + 1, bottleneck_of)
        start = time.perf_counter()
        for number in range(1, steps + 1):
            trainer.step(number, bottleneck_of)
        return (time.perf_counter() - start) / steps

    def distorting(self):
        """Decoding and distorting alone, seconds for a step of 100 photos."""
        spec = self._pretrained.network.pixels
        paths = np.array([photo.path for photo in self._photos])
        draws = distort.draw(np.random.RandomState(0), len(paths))
        graph = tf.Graph()
        with graph.as_default():
            elements = tf.data.Dataset.from_tensor_slices((paths, draws)).repeat()
            batches = _batches(
                elements, lambda path, draw: distort.load(path, draw, DISTORTIONS, spec)
            )
        return 100 * _seconds_of_batches(graph, batches, 60)

    def network(self):
        """The network alone, seconds for a step of 100 photos."""
        return 100 * network_seconds(self._pretrained, 60)


class Commands:
    """Whole processes, on a cache and a graph that are there already."""

    def __init__(self, model_dir, work):
        self._model_dir, self._work = model_dir, work
        self._graph = os.path.join(work, 'graph.pb')
        self._labels = os.path.join(work, 'labels.txt')
        self._photo = photos_lib.load(PHOTO_DIR, split.Split()).photos[0].path
        self.retrain(100)
        self._pretrained = backbone_lib.load(registry.find(SMALL), model_dir)
        self._classic = classic.Network(self._pretrained)

    def retrain(self, steps=4000):
        return measuring.command(
            '-m',
            'scripts.retrain',
            '--image_dir=' + PHOTO_DIR,
            '--architecture=' + SMALL,
            '--model_dir=' + self._model_dir,
            '--bottleneck_dir=' + os.path.join(self._work, 'bottlenecks'),
            '--summaries_dir=' + os.path.join(self._work, 'summaries'),
            '--output_graph=' + self._graph,
            '--output_labels=' + self._labels,
            '--how_many_training_steps=%d' % steps,
        )

    def label_image(self):
        return measuring.command(
            '-m',
            'scripts.label_image',
            '--graph=' + self._graph,
            '--labels=' + self._labels,
            '--image=' + self._photo,
        )

    def help(self):
        return measuring.command('-m', 'scripts.label_image', '--help')

    def wrong_flag(self):
        return measuring.command('-m', 'scripts.label_image', '--grahp=x', status=1)

    def bare_import(self):
        return measuring.command('-c', 'import tensorflow')

    def evaluate(self):
        graph_def = graph_files.read(self._graph)
        everything = photos_lib.load(PHOTO_DIR, split.Split())
        return timed(
            evaluating.evaluate,
            labelling.ScoringGraph(graph_def, graph_input.read_off(graph_def), 'final_result'),
            everything.labels,
            everything.photos,
        ) / len(everything.photos)

    def evaluate_classic(self, count=200):
        few = photos_lib.load(PHOTO_DIR, split.Split()).photos[:count]
        return timed(lambda: [self._classic(photo.path) for photo in few]) / count


class WarmStart:
    """Reading the cache of 600 photos."""

    def __init__(self, trained, work):
        self._texts = trained
        self._pretrained = trained._pretrained
        self._place = Place(tempfile.mkdtemp(dir=work), self._pretrained.network.name)
        self.ours()

    def ours(self):
        return timed(extract.compute, self._pretrained, self._place, photos(600))

    def classic(self):
        return timed(self._texts.read_texts)


def measures(model_dir, work):
    """Returns a dict from names to functions that return seconds."""
    named = {}
    for name in EXTRACTED:
        extraction = Extraction(name, model_dir, work)
        for what in ('ours', 'classic', 'decoding', 'network'):
            named['%s, %s' % (name, what)] = getattr(extraction, what)
    steps, commands = Training(model_dir, work), Commands(model_dir, work)
    warm = WarmStart(steps, work)
    named.update(
        {
            'step, ours': steps.ours,
            'step, bare': steps.bare,
            'step, classic': steps.classic,
            'distorted step, ours': steps.ours_distorted,
            'distorted step, classic': steps.classic_distorted,
            'distorted step, distorting': steps.distorting,
            'distorted step, network': steps.network,
            'warm start, ours': warm.ours,
            'warm start, classic': warm.classic,
            '4,000 steps, ours': commands.retrain,
            '4,000 steps, classic': steps.classic_command,
            'label_image': commands.label_image,
            'import tensorflow': commands.bare_import,
            '--help': commands.help,
            'wrong flag': commands.wrong_flag,
            'evaluate, ours': commands.evaluate,
            'evaluate, classic': commands.evaluate_classic,
        }
    )
    return named


def rows(medians):
    """Returns the `Row`s of the result."""
    result = []
    for name in EXTRACTED:
        ours, old, decoding, network = (
            medians['%s, %s' % (name, what)] for what in ('ours', 'classic', 'decoding', 'network')
        )
        result.append(Row('bottlenecks, `%s`' % name, 'photos/s', ours, old, decoding + network))
    m = medians
    bare = m['step, bare']
    distorted = m['distorted step, distorting'] + m['distorted step, network'] + bare
    return result + [
        Row('a training step, with summaries', 'ms', m['step, ours'], m['step, classic'], bare),
        Row(
            'a distorted step',
            'ms',
            m['distorted step, ours'],
            m['distorted step, classic'],
            distorted,
        ),
        Row(
            'reading the cache of 600 photos', 's', m['warm start, ours'], m['warm start, classic']
        ),
        Row(
            'the whole command: 4,000 steps on a warm cache of 600',
            's',
            m['4,000 steps, ours'],
            m['4,000 steps, classic'],
        ),
        Row('`evaluate`, photos', 'photos/s', m['evaluate, ours'], m['evaluate, classic']),
        Row(
            'the whole command: `label_image` on one photo; bound: `import tensorflow`',
            's',
            m['label_image'],
            None,
            m['import tensorflow'],
        ),
        Row('`--help`', 's', m['--help'], None, m['import tensorflow']),
        Row('a wrong flag', 's', m['wrong flag'], None, m['import tensorflow']),
    ]


def install_models(folder):
    """Puts the networks of ../shared/data where `--model_dir` has them."""
    models = os.path.join(SHARED_DATA, 'models')
    for name in os.listdir(models):
        source, target = os.path.join(models, name), os.path.join(folder, name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)


def main():
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--output', default='speed.json', help='The JSON file to write.')
    parser.add_argument('--only', default='', help='Only the measures whose name begins so.')
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(dir='tf_files') as work:
        model_dir = os.path.join(work, 'models')
        os.makedirs(model_dir)
        install_models(model_dir)
        named = measures(model_dir, work)
        chosen = {name: each for name, each in named.items() if name.startswith(flags.only)}
        medians = measuring.rounds(chosen, flags.rounds)
    result = rows(medians) if len(chosen) == len(named) else []
    measuring.write_json(flags.output, medians, result)
    print(
        '%(cores)d cores, %(processor)s, Python %(python)s, TensorFlow %(tensorflow)s'
        % measuring.machine()
    )
    print(measuring.table(result) if result else medians)


if __name__ == '__main__':
    main()
