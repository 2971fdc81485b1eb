"""The graph that is served: bytes of photos become scores, labels and heatmaps."""

import os
from http import HTTPStatus

import numpy as np

from scripts.common.errors import UserError
from scripts.images import contents, runner
from scripts.inference import classifier as classifier_lib
from scripts.inference import finished_graph, heatmaps, labelling
from scripts.serving.answers import RefusedError
from scripts.serving.batching import Batcher
from scripts.serving.budget import Budget

_GREY = 128


class Model:
    """A graph in sessions, that labels what several threads ask for at once, in batches.

    Closed by `close`.

    Args:
      graph: a `finished_graph.Graph`.
      limits: `Limits`.

    name: str, the graph's file name without its ending.
    labels: list of str, in the order of the scores.
    no_heatmaps: why there are none of the graph, or None.

    Raises:
      UserError: the graph does not run.
    """

    def __init__(self, graph, limits):
        self.name = os.path.splitext(os.path.basename(graph.path))[0]
        self.labels = graph.labels
        self.no_heatmaps = None
        self.exif_rotation = graph.classifier.graph_input.pixels.exif_rotation
        self._limits = limits
        spec = graph.classifier.graph_input.pixels
        self._pixels = Budget(limits.pixels, 'pixels')
        self._decoder = contents.Decoder(spec)
        self._resizer = classifier_lib.Resizer(spec)
        self._scorer = labelling.Scorer(graph.classifier)
        self._heatmaps = self._open_heatmaps(graph.classifier)
        self._scores = Batcher(
            lambda fed: self._scorer.score_pixels(np.stack(fed)),
            runner.BATCH_SIZE,
            limits.waiting,
            runner.BATCHES_AT_ONCE,
        )
        self._heat = Batcher(
            lambda fed: self._heatmaps.of_pixels(np.stack(fed)), runner.BATCH_SIZE, limits.waiting
        )
        grey = np.full((spec.height, spec.width, spec.channels), _GREY, np.uint8)
        scores = self.scores([self.of_image(grey)])  # The first run takes longer.
        finished_graph.check_label_count(graph.path, graph.labels, scores[0])
        if self._heatmaps:
            self.heatmap(self.of_image(grey))

    def _open_heatmaps(self, classifier):
        try:
            return heatmaps.Heatmaps(classifier)
        except UserError as error:
            self.no_heatmaps = str(error)
            return None

    def close(self):
        """Frees what the sessions hold."""
        for each in (self._scores, self._heat):
            each.close()
        for each in (self._decoder, self._resizer, self._scorer, self._heatmaps):
            if each is not None:
                each.close()

    def of_photo(self, data):
        """Returns what the network is fed for the bytes of a photo; raises RefusedError."""
        try:
            count = contents.check_cost(data, self._limits.pixels, self._limits.scans)
            with self._pixels.take(count, self._limits.answer_seconds):
                return self._decoder(data)
        except UserError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, error)

    def of_image(self, image):
        """Returns what the network is fed for a decoded photo, uint8 `[height, width, 3]`, RGB."""
        return self._resizer(image)

    def scores(self, fed):
        """Returns the scores, list of float32 `[labels]`, of a list of what the network is fed."""
        return self._scores.run_all(fed, self._limits.answer_seconds)

    def heatmap(self, fed):
        """Returns the heatmap, float32 `[rows, columns]`, of what the network is fed."""
        if self._heatmaps is None:
            raise RefusedError(HTTPStatus.BAD_REQUEST, self.no_heatmaps)
        return self._heat.run_all([fed], self._limits.answer_seconds)[0]
