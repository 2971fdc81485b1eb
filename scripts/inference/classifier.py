"""A trained graph for programs: it takes photos, and gives their labels."""

import os

import scripts.graphs  # noqa: F401  # Goes first: graphs/versions.py says why.

# isort: split

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common import files
from scripts.common.errors import UserError
from scripts.graphs.session import open_session
from scripts.images import bad_images, pixels, runner
from scripts.images.settings import GREY, RGB
from scripts.inference import finished_graph, label_output, labelling


class Classifier:
    """A trained graph in a session, which labels photos.

    Used as a context manager, or closed by `close`, which frees its memory. A process can have
    several, and several threads can call one.

    Args:
      graph: the path of the graph that `retrain` wrote.
      labels: the path of its labels; None: those in the graph, or beside it.
      settings: a `finished_graph.Settings`, for a graph without a description.

    labels: list of str, in the order of the scores.

    Raises:
      UserError: a file cannot be read, or is no graph with scores.
    """

    def __init__(self, graph, labels=None, settings=finished_graph.AS_DESCRIBED):
        if labels is not None:
            settings = settings._replace(labels=labels)
        found = finished_graph.read(graph, files.read(graph, 'graph'), settings)
        self.labels = found.labels
        self._path = graph
        self._scorer = labelling.Scorer(found.classifier)
        self._resizer = Resizer(found.classifier.graph_input.pixels)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Frees what the graph takes; after that, nothing can be labelled."""
        self._scorer.close()
        self._resizer.close()

    def label(self, photos, top_k=5):
        """Labels photos.

        Args:
          photos: the path of a photo; or a decoded one, uint8 `[height, width, 3]`, RGB, or grey
            `[height, width]`; or a list of such.
          top_k: int, the number of labels.

        Returns:
          A list of (label, score), the best one first. For a list of photos a list of these, with
          None in the place of an unreadable photo, of which there is a warning.

        Raises:
          UserError: the only photo is unreadable; an array has another shape or type; the graph
            does not run, or has another number of scores than there are labels.
        """
        if not isinstance(photos, (list, tuple)):
            return self._label_all([photos], top_k, bad_images.ONLY)[0]
        return self._label_all(photos, top_k, bad_images.SKIP)

    def _label_all(self, photos, top_k, policy):
        best = [None] * len(photos)
        arrays = [row for row, photo in enumerate(photos) if isinstance(photo, np.ndarray)]
        of_files = [row for row, photo in enumerate(photos) if not isinstance(photo, np.ndarray)]
        paths = [os.fspath(photos[row]) for row in of_files]
        for batch in self._scorer.score(paths, policy):
            for row, scores, good in zip(of_files[batch.photos], batch.values, batch.readable):
                best[row] = self._best(scores, top_k) if good else None
        for group in runner.groups(len(arrays)):
            fed = np.stack([self._resizer(photos[row]) for row in arrays[group]])
            for row, scores in zip(arrays[group], self._scorer.score_pixels(fed)):
                best[row] = self._best(scores, top_k)
        return best

    def _best(self, scores, top_k):
        finished_graph.check_label_count(self._path, self.labels, scores)
        return label_output.best_labels(scores, self.labels, top_k)


class Resizer:
    """Turns decoded photos into what a network is fed, as those that are read from files.

    Closed by `close`. Several threads may call it.

    Args:
      spec: a `settings.PixelSpec`.
    """

    def __init__(self, spec):
        graph = tf.Graph()
        with graph.as_default(), tf.device('/cpu:0'):
            self._image_tensor = tf.placeholder(tf.uint8, [None, None, RGB])
            image_tensor = self._image_tensor
            if spec.channels == GREY:
                image_tensor = tf.image.rgb_to_grayscale(image_tensor)
            resized_tensor = pixels.resize(image_tensor, spec.height, spec.width)
            self._fed_tensor = pixels.normalize(resized_tensor, spec)
        self._session = open_session(graph)

    def __call__(self, image):
        """Returns float32 `[height, width, channels]` of an array; UserError: it is no photo."""
        shape = image.shape
        is_photo = len(shape) in (2, 3) and shape[2:] in ((), (GREY,), (RGB,)) and 0 not in shape
        if image.dtype != np.uint8 or not is_photo:
            raise UserError(
                'an array of %s %s is no photo: expected uint8 [height, width, 3], RGB, or grey '
                '[height, width]' % (image.dtype, list(shape))
            )
        if shape[2:] != (RGB,):
            image = np.repeat(image.reshape(shape[:2] + (1,)), RGB, axis=2)
        return self._session.run(self._fed_tensor, {self._image_tensor: image})

    def close(self):
        """Frees what the session holds."""
        self._session.close()
