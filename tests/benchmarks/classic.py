"""A small honest model of how the classic scripts do each stage, to measure against.

Written from what the classic scripts are known to do, and checked against what they were seen to
take (../shared/data/README.md): one photo at a time in two calls of the session; text files read
again, number by number, for each batch.
"""

import os
import random

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.images import distort
from scripts.networks import backbone as backbone_lib
from scripts.training import head as head_lib


class Network:
    """A pretrained network and a decoder, run on one photo at a time.

    Args:
      pretrained: a `Backbone`.
      distortions: `Distortions`, or None.
    """

    def __init__(self, pretrained, distortions=None):
        spec = pretrained.network.pixels
        graph = tf.Graph()
        with graph.as_default():
            self._contents = tf.placeholder(tf.string, [])
            image = tf.cast(tf.image.decode_jpeg(self._contents, channels=3), tf.float32)
            if distortions:
                image = distort.distort(
                    image, tf.random_uniform([distort.DRAWS]), distortions, spec
                )[tf.newaxis]
            else:
                image = tf.image.resize_bilinear(image[tf.newaxis], [spec.height, spec.width])
            self._pixels = (image - spec.mean) * (1.0 / spec.std)
            self._fed = tf.placeholder(tf.float32, [1, spec.height, spec.width, 3])
            self._bottleneck = backbone_lib.import_into_graph(pretrained, self._fed)
        self._session = tf.Session(graph=graph)

    def __call__(self, path):
        """Returns the bottleneck `[length]` of a photo."""
        with open(path, 'rb') as file:
            contents = file.read()
        image = self._session.run(self._pixels, {self._contents: contents})
        return np.squeeze(self._session.run(self._bottleneck, {self._fed: image}))


def text_path(folder, photo):
    """Returns where the text file of a `Photo` stands."""
    return os.path.join(folder, photo.folder, photo.file_name + '.txt')


def extract(network, photos, folder):
    """Writes the text files of photos, and reads each one back."""
    for photo in photos:
        path = text_path(folder, photo)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(','.join(str(value) for value in network(photo.path)))
        read_text(path)


def read_text(path):
    """Returns the numbers of a text file as a list of float."""
    with open(path) as file:
        return [float(number) for number in file.read().split(',')]


class Trainer:
    """The head, trained on batches of text files or of distorted photos.

    Args:
      pretrained: a `Backbone`.
      photos: list of `Photo` to train on.
      settings: a `settings.Training`.
    """

    def __init__(self, pretrained, photos, settings):
        self._photos, self._settings = photos, settings
        classes = 1 + max(photo.label_index for photo in photos)
        graph = tf.Graph()
        with graph.as_default():
            self._bottleneck = backbone_lib.import_into_graph(pretrained)
            self._head = head_lib.add(self._bottleneck, classes, settings)
            initializer = tf.global_variables_initializer()
        self._session = tf.Session(graph=graph)
        self._session.run(initializer)
        self._writer = tf.summary.FileWriter(settings.summaries_dir)
        self._by_label = [
            [photo for photo in photos if photo.label_index == label] for label in range(classes)
        ]

    def step(self, number, bottleneck_of):
        """One step on the bottlenecks that `bottleneck_of` gives for `Photo`s drawn by chance."""
        feeds = self._draw(self._settings.train_batch_size, bottleneck_of)
        summary, _ = self._session.run([self._head.summaries, self._head.train_step], feeds)
        self._writer.add_summary(summary, number)
        if number % self._settings.eval_step_interval == 0:
            self._session.run([self._head.accuracy, self._head.cross_entropy], feeds)
            feeds = self._draw(self._settings.validation_batch_size, bottleneck_of)
            self._session.run([self._head.summaries, self._head.accuracy], feeds)

    def _draw(self, count, bottleneck_of):
        drawn = [random.choice(random.choice(self._by_label)) for _ in range(count)]
        return {
            self._bottleneck: np.array([bottleneck_of(photo) for photo in drawn]),
            self._head.ground_truth_input: np.array([photo.label_index for photo in drawn]),
        }
