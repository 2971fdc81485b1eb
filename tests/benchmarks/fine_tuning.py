"""Measures a step that trains the last blocks of a network, against what bounds it and Keras.

  python -m tests.benchmarks.fine_tuning [--blocks=1] [--rounds=7] [--steps=10]

Batches of 32 photos, mobilenet_1.0_224, Nesterov momentum, no summaries; all arrays are in memory.
Ours clips gradients and has a schedule, as fine-tuning does; the bound is a bare session step on
the same arrays, without. Under TensorFlow 2 Keras trains the same layers of its MobileNet, on
pixels, as Keras does: the frozen part runs in each step. All take turns.
"""

import argparse
import os
import subprocess
import sys
import time

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.graphs.session import open_session
from scripts.networks import backbone as backbone_lib
from scripts.networks import blocks, registry
from scripts.training import settings as settings_lib
from scripts.training import tail as tail_lib
from scripts.training.batches import Batch
from scripts.training.model import Model
from tests.benchmarks import measuring
from tests.conftest import SHARED_DATA

NETWORK, BATCH, LABELS = 'mobilenet_1.0_224', 32, 5
RATE, MOMENTUM, CLIP_NORM = 0.003, 0.9, 1.0

# Answers each line with the seconds of so many steps. Layers are trained from the first depthwise
# convolution of the last blocks on; batch norms keep their statistics, as ours do.
_KERAS = """
import sys, time
import keras, numpy as np
blocks = int(sys.argv[1])
network = keras.applications.MobileNet(weights=None, classes=1001, classifier_activation=None)
names = [layer.name for layer in network.layers]
first = names.index('conv_dw_%%d' %% (14 - blocks))
for layer in network.layers[:first]:
    layer.trainable = False
pixels = keras.Input([224, 224, 3])
scores = keras.layers.Dense(%(labels)d, activation='softmax')(network(pixels, training=False))
model = keras.Model(pixels, scores)
optimizer = keras.optimizers.SGD(%(rate)g, %(momentum)g, nesterov=True)
model.compile(optimizer, 'sparse_categorical_crossentropy')
random = np.random.RandomState(0)
batch = random.randn(%(batch)d, 224, 224, 3).astype(np.float32)
labels = random.randint(%(labels)d, size=%(batch)d)
model.train_on_batch(batch, labels)
print(sum(int(np.prod(each.shape)) for each in model.trainable_weights), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(int(line)):
        model.train_on_batch(batch, labels)
    print(time.perf_counter() - start, flush=True)
"""


class Ours:
    """A `Model` behind a boundary."""

    def __init__(self, cut, batch):
        settings = settings_lib.Training(
            how_many_training_steps=1000,
            learning_rate=RATE,
            random_seed=0,
            optimizer=settings_lib.NESTEROV,
            learning_rate_decay=settings_lib.COSINE,
            clip_norm=CLIP_NORM,
        )
        self._model, self._batch = Model(cut, LABELS, settings), batch

    def seconds(self, steps):
        start = time.perf_counter()
        for step in range(steps):
            self._model.train(step, self._batch, False)
        return (time.perf_counter() - start) / steps


class Bare:
    """The same nodes and Nesterov momentum in a session, and nothing else."""

    def __init__(self, cut, batch):
        graph = tf.Graph()
        with graph.as_default():
            self._features = tf.placeholder(tf.float32, (None,) + cut.shape)
            self._labels = tf.placeholder(tf.int64, [None])
            tail = tail_lib.find(cut)
            variables = {each.name: tf.Variable(each.value).value() for each in tail.constants}
            bottleneck = tail_lib.add(tail, self._features, variables)
            weights = tf.Variable(tf.zeros([cut.network.bottleneck_length, LABELS]))
            logits = tf.matmul(bottleneck, weights) + tf.Variable(tf.zeros([LABELS]))
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=self._labels, logits=logits
            )
            optimizer = tf.train.MomentumOptimizer(RATE, MOMENTUM, use_nesterov=True)
            self._step = optimizer.minimize(tf.reduce_mean(losses))
            initializer = tf.global_variables_initializer()
        self._session, self._batch = open_session(graph), batch
        self._session.run(initializer)

    def seconds(self, steps):
        fed = {self._features: self._batch.features, self._labels: self._batch.labels}
        start = time.perf_counter()
        for _ in range(steps):
            self._session.run(self._step, fed)
        return (time.perf_counter() - start) / steps


class Keras:
    """Keras in a process of its own: this one has switched TensorFlow 2's behaviour off."""

    def __init__(self, count):
        values = {'labels': LABELS, 'rate': RATE, 'momentum': MOMENTUM, 'batch': BATCH}
        self._process = subprocess.Popen(
            [sys.executable, '-c', _KERAS % values, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3'),
        )
        self.parameters = int(self._answer())

    def seconds(self, steps):
        self._process.stdin.write('%d\n' % steps)
        self._process.stdin.flush()
        return float(self._answer()) / steps

    def close(self):
        self._process.communicate()

    def _answer(self):
        # Keras prints progress of its own.
        return self._process.stdout.readline().split()[-1]


def main():
    """Prints the machine, the milliseconds of a step, and the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--blocks', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--steps', type=int, default=10)
    arguments = parser.parse_args()
    model_dir = os.path.join(SHARED_DATA, 'models')
    network = backbone_lib.load(registry.find(NETWORK), model_dir)
    cut = blocks.cut_for(network, arguments.blocks)
    random = np.random.RandomState(0)
    features = np.abs(random.randn(BATCH, *cut.shape)).astype(np.float32)
    batch = Batch(features, random.randint(LABELS, size=BATCH))
    ways = {'ours': Ours(cut, batch), 'bare': Bare(cut, batch)}
    head = (network.network.bottleneck_length + 1) * LABELS
    print('%d parameters' % (tail_lib.find(cut).parameters + head))
    if tf.VERSION.startswith('2'):
        ways['keras'] = Keras(arguments.blocks)
        print('%d in Keras' % ways['keras'].parameters)
    for way in ways.values():
        way.seconds(3)  # The first steps take longer.
    medians = measuring.rounds(
        {name: lambda way=way: way.seconds(arguments.steps) for name, way in ways.items()},
        arguments.rounds,
    )
    if 'keras' in ways:
        ways['keras'].close()
    print(measuring.machine())
    for name, seconds in medians.items():
        ratio = seconds / medians['ours']
        print('%-6s %7.1f ms a step, %.2f times ours' % (name, 1000 * seconds, ratio))


if __name__ == '__main__':
    main()
