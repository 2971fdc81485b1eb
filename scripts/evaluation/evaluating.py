"""Running a graph over photos whose labels are known."""

import logging
import time
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.dataset.photos import Photo
from scripts.evaluation import metrics
from scripts.graphs.importing import import_graph
from scripts.graphs.session import open_session
from scripts.images.settings import IGNORE
from scripts.inference import labelling

_TIMED_RUNS = 10
_SUM_TOLERANCE = 0.05  # Scores of 8-bit graphs sum to 1 only roughly.

_LOG = logging.getLogger(__name__)


class Evaluation(typing.NamedTuple):
    """The scores that a graph gives photos.

    labels: str, in the order of the scores.
    photos: `Photo`, the readable ones; a label_index counts in `labels`.
    scores: float32 `[photos, labels]`.
    unreadable: how many photos were left out, since they are unreadable.
    exif_rotation: as in `settings.PixelSpec`: how the graph was fed.
    """

    labels: typing.Sequence[str]
    photos: typing.Sequence[Photo]
    scores: np.ndarray
    unreadable: int = 0
    exif_rotation: str = IGNORE

    @property
    def truth(self):
        """int64 `[photos]`, the index of each one's true label."""
        return np.array([photo.label_index for photo in self.photos], np.int64)

    @property
    def predicted(self):
        """int64 `[photos]`, the index of each one's predicted label."""
        return self.scores.argmax(axis=1)

    @property
    def confusion(self):
        """int64 `[labels, labels]`, photos by true and predicted label."""
        return metrics.confusion_of(self.truth, self.predicted, len(self.labels))


def evaluate(classifier, labels, photos):
    """Runs a graph over photos, in batches.

    Args:
      classifier: the `labelling.ScoringGraph`.
      labels: list of str, in the order of the scores.
      photos: non-empty list of `Photo`, each label_index counting in `labels`.

    Returns:
      The `Evaluation`. Unreadable photos are left out, each with a warning.

    Raises:
      UserError: the graph does not run, its scores are not numbers or not as many as there are
        labels, or all photos are unreadable.
    """
    scores = np.empty((len(photos), len(labels)), np.float32)
    readable = np.empty(len(photos), np.bool_)
    paths = [photo.path for photo in photos]
    with Progress('Evaluating', len(photos), 'photos') as progress:
        for batch in labelling.score_many(classifier, paths):
            _check_count(batch.values, classifier.output_name, labels)
            scores[batch.photos], readable[batch.photos] = batch.values, batch.readable
            progress.advance(len(batch.values))
    if not readable.any():
        raise UserError('all %d photos are unreadable: nothing to evaluate on' % len(photos))
    unreadable = int((~readable).sum())
    if unreadable:
        _LOG.warning('%d of %d photos are unreadable and left out', unreadable, len(photos))
    _check_scores(scores[readable], classifier.output_name)
    kept = [photo for photo, keep in zip(photos, readable) if keep]
    exif_rotation = classifier.graph_input.pixels.exif_rotation
    return Evaluation(tuple(labels), kept, scores[readable], unreadable, exif_rotation)


def milliseconds_a_photo(classifier):
    """Returns how long a `ScoringGraph` takes for one photo, without decoding it.

    The photo is a grey one, and the figure the median of several runs after a first one.

    Raises:
      UserError: the graph does not run on one photo.
    """
    name, spec = classifier.graph_input
    graph = tf.Graph()
    with graph.as_default():
        import_graph(classifier.for_any_batch().graph_def)
    pixels = np.zeros((1, spec.height, spec.width, 3), np.float32)
    seconds = []
    with open_session(graph) as session, labelling.runs(classifier):
        for _ in range(1 + _TIMED_RUNS):
            start = time.time()
            session.run(classifier.output_name + ':0', {name + ':0': pixels})
            seconds.append(time.time() - start)
    return 1000 * np.median(seconds[1:])


def _check_count(values, output_name, labels):
    if values.shape[1] != len(labels):
        raise UserError(
            'there are %d labels, and the node %s gives %d scores: pass the labels that were '
            'written with the graph, or another node as --output_layer'
            % (len(labels), output_name, values.shape[1])
        )


def _check_scores(scores, output_name):
    if not np.isfinite(scores).all():
        raise UserError(
            'the node %s gives scores that are not numbers for %d photos: the graph is corrupt'
            % (output_name, (~np.isfinite(scores)).any(axis=1).sum())
        )
    sums = scores.sum(axis=1)
    if scores.min() < 0 or np.abs(sums - 1).max() > _SUM_TOLERANCE:
        _LOG.warning(
            'the node %s does not give probabilities (scores from %.3g to %.3g, those of a photo '
            'sum to %.3g): cross entropy and confidence are meaningless',
            output_name,
            scores.min(),
            scores.max(),
            sums[np.abs(sums - 1).argmax()],
        )
