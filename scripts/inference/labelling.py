"""Labelling photos with a retrained graph."""

import contextlib
import time
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, rewrite, search, versions
from scripts.graphs.importing import import_graph
from scripts.images import bad_images, runner
from scripts.images.graph_input import GraphInput

_DEFAULT_OUTPUT = 'final_result'


class ScoringGraph(typing.NamedTuple):
    """A graph that gives scores of photos, and what it takes to run it.

    graph_def: a frozen GraphDef, which may have been made for one image at a time.
    graph_input: its `GraphInput`.
    output_name: the node that gives the scores, float32 `[batch, labels]`.
    """

    graph_def: tf.GraphDef
    graph_input: GraphInput
    output_name: str

    def for_any_batch(self):
        """Returns the `ScoringGraph` with a graph that takes any number of photos at once."""
        freed = rewrite.allow_any_batch(self.graph_def, self.graph_input.name)
        return self._replace(graph_def=freed)


class Scores(typing.NamedTuple):
    """values: float32 `[labels]`. seconds: reading, decoding and the network."""

    values: np.ndarray
    seconds: float


class BatchScores(typing.NamedTuple):
    """What a graph gives for a batch of photos.

    photos: which of the paths they are, a slice.
    values: float32 `[batch, labels]`; rows of unreadable photos mean nothing.
    readable: bool `[batch]`.
    """

    photos: slice
    values: np.ndarray
    readable: np.ndarray


def output_of(graph_def, name=None):
    """Returns the name of the node that gives the scores.

    Args:
      graph_def: a GraphDef.
      name: the node that the user names, or None: `final_result`, or the only output.

    Raises:
      UserError: there is no such node.
    """
    outputs = search.outputs(graph_def)
    if (
        name is None
        and _DEFAULT_OUTPUT not in search.nodes_by_name(graph_def)
        and len(outputs) == 1
    ):
        return outputs[0]
    return search.require_node(graph_def, name or _DEFAULT_OUTPUT, outputs).name


def score(classifier, path):
    """Runs a `ScoringGraph`, as it is, on the photo at a path.

    Returns:
      The `Scores`.

    Raises:
      UserError: the photo is unreadable, or the graph does not run on it.
    """
    declared = _check_fed_shape(classifier)
    if declared not in (None, 1):
        classifier, declared = classifier.for_any_batch(), None

    def build(pixels_tensor):
        pixels_tensor.set_shape([declared, None, None, None])
        return _scores_of(pixels_tensor, classifier)

    with runner.Runner(classifier.graph_input.pixels, build) as photos, runs(classifier):
        start = time.time()
        ((values, _),) = photos.run([[path]], bad_images.ONLY)
        seconds = time.time() - start
    _check_shape(values, classifier.output_name)
    if len(values) != 1:
        raise UserError('the graph gives %d rows of scores for a photo, expected 1' % len(values))
    _check_finite(values, classifier.output_name)
    return Scores(values[0], seconds)


def batch_size(classifier):
    """Returns how many photos a `ScoringGraph` is run on at once; `Scorer` says why."""
    alone = search.ranges_depend_on(classifier.graph_def, classifier.graph_input.name)
    return 1 if alone else runner.BATCH_SIZE


def score_many(classifier, paths):
    """Runs a `ScoringGraph` on many photos, once, as `Scorer.score` does."""
    with Scorer(classifier) as scorer:
        yield from scorer.score(paths)


class Scorer:
    """A `ScoringGraph` in a session, run in batches, by the same runner as training.

    If the graph has dynamic ranges of 8-bit values, each photo is a batch: the values of another
    one would change its ranges, and so its scores.

    Used as a context manager, or closed by `close`. Its functions may be called by several threads.

    Raises:
      UserError: the graph takes other pixels, or TensorFlow cannot load it.
    """

    def __init__(self, classifier):
        _check_fed_shape(classifier)
        self._classifier = classifier
        self._batch_size = batch_size(classifier)

        def build(pixels_tensor):
            return _scores_of(pixels_tensor, classifier.for_any_batch())

        self._runner = runner.Runner(classifier.graph_input.pixels, build)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Frees what the session holds."""
        self._runner.close()

    def score(self, paths, policy=bad_images.SKIP):
        """Runs the graph on photos.

        Args:
          paths: list of str.
          policy: of `bad_images`.

        Yields:
          The `BatchScores` of each batch of photos, in order. Each unreadable photo is a warning.

        Raises:
          UserError: the graph does not run; or a photo is unreadable, and the policy is to stop.
        """
        groups = runner.groups(len(paths), self._batch_size)
        with runs(self._classifier):
            results = self._runner.run([paths[group] for group in groups], policy)
            for group, (values, readable) in zip(groups, results):
                self._check(values, readable)
                yield BatchScores(group, values, readable)

    def score_pixels(self, images):
        """Runs the graph on what it is fed.

        Args:
          images: float32 `[n, height, width, channels]`, normalized.

        Returns:
          float32 `[n, labels]`.

        Raises:
          UserError: the graph does not run.
        """
        batches = [images[group] for group in runner.groups(len(images), self._batch_size)]
        found = []
        with runs(self._classifier):
            for batch in batches:
                found.append(self._runner.run_pixels(batch))
                self._check(found[-1], np.ones(len(batch), np.bool_))
        return np.concatenate(found)

    def _check(self, values, readable):
        name = self._classifier.output_name
        _check_shape(values, name)
        if len(values) != len(readable):
            raise UserError(
                'the graph gives %d rows of scores for a batch of %d photos, so it takes them '
                'one at a time only' % (len(values), len(readable))
            )
        _check_finite(values[readable], name)


def _check_fed_shape(classifier):
    """Raises UserError if the fed node does not take a batch of such pixels.

    Returns:
      How many photos it is declared to take at once, or None.
    """
    name, spec = classifier.graph_input
    node = search.nodes_by_name(classifier.graph_def)[name]
    shape = tf.TensorShape([None, spec.height, spec.width, spec.channels])
    declared = tf.TensorShape(
        build.attribute(node, 'shape').shape if 'shape' in node.attr else None
    )
    if not declared.is_compatible_with(shape):
        raise UserError(
            'the node %s takes pixels of shape %s, and photos are %s (batch, height, width, '
            'channels): leave --input_height and --input_width out, or name another node by '
            '--input_layer' % (name, declared, shape)
        )
    return declared.as_list()[0] if declared.ndims else None


def _scores_of(pixels_tensor, classifier):
    """Adds a graph behind pixels; returns its scores, float32. UserError: it gives no numbers."""
    fed = {classifier.graph_input.name + ':0': pixels_tensor}
    wanted = [classifier.output_name + ':0']
    (output_tensor,) = import_graph(classifier.graph_def, wanted, fed)
    dtype = output_tensor.dtype
    if not (dtype.is_floating or dtype.is_integer):
        raise UserError(
            'the node %s gives %s values, expected scores as numbers: check --output_layer'
            % (classifier.output_name, dtype.name)
        )
    return tf.cast(output_tensor, tf.float32)


@contextlib.contextmanager
def runs(classifier):
    """Turns an error of TensorFlow in running a `ScoringGraph` into a UserError."""
    try:
        yield
    except tf.errors.OpError as error:
        raise UserError(
            'the graph does not run from %s to %s: %s'
            % (classifier.graph_input.name, classifier.output_name, versions.what_failed(error))
        )


def _check_shape(values, output_name):
    if values.ndim != 2:
        raise UserError(
            'the node %s gives values of shape %s, expected scores of shape [1, '
            'labels]: check --output_layer' % (output_name, list(values.shape))
        )


def _check_finite(values, output_name):
    if not np.isfinite(values).all():
        raise UserError(
            'the node %s gives scores that are not finite: the graph is corrupt' % output_name
        )
