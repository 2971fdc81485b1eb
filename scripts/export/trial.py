"""A file that was exported, against the graph: both run on a few photos before it is written."""

import numpy as np

from scripts.common.errors import UserError
from scripts.dataset import split
from scripts.images import runner
from scripts.inference import labelling

CALIBRATION_PHOTOS = 100
_PHOTOS = 8


class Trial:
    """A trained graph and its training photos.

    Args:
      classifier: the `labelling.ScoringGraph` of the graph.
      photos: the photos of the `Dataset`.
    """

    def __init__(self, classifier, photos):
        self.classifier = classifier
        self._paths = [photo.path for photo in photos if photo.category == split.TRAINING]
        self._images = self._scores = None

    def calibration(self):
        """Yields the pixels of CALIBRATION_PHOTOS, float32 `[height, width, channels]`."""
        return self._pixels_of(CALIBRATION_PHOTOS)

    def check(self, score, tolerance, name, remedy):
        """Raises UserError where a file contradicts the graph.

        Args:
          score: a function from pixels, float32 `[n, height, width, channels]`, to the scores,
            `[n, labels]`, that the file gives.
          tolerance: the largest error: the root mean square of the differences, over that of the
            graph's scores.
          name: what a message calls the file.
          remedy: what it says to do.
        """
        if self._images is None:
            self._run_graph()
        found = score(self._images)
        error = np.inf
        if found.shape == self._scores.shape and np.isfinite(found).all():
            error = np.linalg.norm(found - self._scores) / np.linalg.norm(self._scores)
        if error > tolerance:
            raise UserError(
                '%s contradicts the graph, and is not written: on %d training photos its scores '
                'have an error of %.2g, where at most %.2g is expected; %s'
                % (name, len(self._images), error, tolerance, remedy)
            )

    def _run_graph(self):
        self._images = np.array(list(self._pixels_of(_PHOTOS)))
        if not len(self._images):
            raise UserError('none of the training photos that are to try an export on is readable')
        with labelling.Scorer(self.classifier) as scorer:
            self._scores = scorer.score_pixels(self._images)

    def _pixels_of(self, count):
        """Yields the pixels of so many training photos, of all labels; unreadable ones warn."""
        paths = [self._paths[int(place)] for place in _spread(len(self._paths), count)]
        batches = [paths[group] for group in runner.groups(len(paths))]
        for values, readable in self._run(batches):
            yield from values[readable]

    def _run(self, batches):
        with runner.Runner(self.classifier.graph_input.pixels) as photos:
            yield from photos.run(batches)


def _spread(total, count):
    """Returns at most `count` indices below `total`, evenly spread."""
    return np.linspace(0, total, min(count, total), endpoint=False)
