"""Heatmaps: where in a photo a graph found the label that it predicts (Grad-CAM).

Each channel of the last feature map is weighted by how much the label's logit grows with it, and
what the channels then sum to is the heat.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", 2017, https://arxiv.org/abs/1610.02391, equations 1 and 2.
"""

import re

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs.importing import import_graph
from scripts.images import bad_images, runner
from scripts.inference import labelling
from scripts.training import gradients

_CONVOLUTIONS = ('Conv2D', 'DepthwiseConv2dNative', 'Conv2DBackpropInput')
# Between the softmax and the scores there may be these, which give the values as they are.
_AS_THEY_ARE = ('Identity', 'Reshape', 'Squeeze', 'Cast')
_PROBABILITIES = ('Softmax', 'Sigmoid')

_NO_GRADIENT = re.compile(r"'(?P<name>[^']+)' \(op type: (?P<op>\w+)\)")


class Heatmaps:
    """A graph in a session that gives heatmaps of photos, each of the label with the best score.

    Used as a context manager, or closed by `close`. Its functions may be called by several threads.

    Args:
      classifier: a `labelling.ScoringGraph`.

    Raises:
      UserError: the graph has no feature map, or is quantized, so that its scores have no gradient.
    """

    def __init__(self, classifier):
        self._classifier = classifier
        self._batch_size = labelling.batch_size(classifier)
        names = [node.name for node in classifier.graph_def.node]
        graph_def = gradients.differentiable(classifier.for_any_batch().graph_def, names)
        freed = classifier._replace(graph_def=graph_def)
        spec = classifier.graph_input.pixels
        self._runner = runner.Runner(spec, lambda pixels: _heat(pixels, freed))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Frees what the session holds."""
        self._runner.close()

    def of_files(self, paths):
        """Yields the heatmap of each photo, as `of_pixels` gives it, or None for an unreadable one.

        Args:
          paths: list of str.

        Raises:
          UserError: the graph does not run.
        """
        batches = [paths[group] for group in runner.groups(len(paths), self._batch_size)]
        with labelling.runs(self._classifier):
            for heat, readable in self._runner.run(batches, bad_images.SKIP):
                for row, good in zip(heat, readable):
                    yield row if good else None

    def of_pixels(self, images):
        """Returns heatmaps, float32 `[n, rows, columns]`, as large as the feature map.

        The highest value of each is 1; all are 0 where nothing in the photo speaks for the label.

        Args:
          images: float32 `[n, height, width, channels]`, normalized.

        Raises:
          UserError: the graph does not run.
        """
        with labelling.runs(self._classifier):
            batches = [images[group] for group in runner.groups(len(images), self._batch_size)]
            return np.concatenate([self._runner.run_pixels(batch) for batch in batches])


def _heat(pixels_tensor, classifier):
    """Adds a graph behind pixels; returns its heatmaps, float32 `[batch, rows, columns]`."""
    fed = {classifier.graph_input.name + ':0': pixels_tensor}
    (scores_tensor,) = import_graph(classifier.graph_def, [classifier.output_name + ':0'], fed)
    logits_tensor = _logits(scores_tensor)
    map_tensor = _last_feature_map(pixels_tensor, logits_tensor)
    # [batch, labels], also where the network ends in [batch, 1, 1, labels].
    logits_tensor = tf.reshape(logits_tensor, [tf.shape(logits_tensor)[0], -1])
    # The scores of a photo depend on no other photo: so their sum has the gradient of each.
    gradient_tensor = _gradient(tf.reduce_max(logits_tensor, axis=1), map_tensor)
    weights_tensor = tf.reduce_mean(gradient_tensor, axis=[1, 2], keepdims=True)
    heat_tensor = tf.nn.relu(tf.reduce_sum(weights_tensor * map_tensor, axis=3))
    most_tensor = tf.reduce_max(heat_tensor, axis=[1, 2], keepdims=True)
    return tf.div_no_nan(heat_tensor, most_tensor)


def _logits(scores_tensor):
    """Returns what the softmax behind scores takes, or the scores where there is none.

    The gradient of a score that is almost 1 is almost nothing.
    """
    tensor = scores_tensor
    while tensor.op.type in _AS_THEY_ARE:
        tensor = tensor.op.inputs[0]
    return tensor.op.inputs[0] if tensor.op.type in _PROBABILITIES else scores_tensor


def _last_feature_map(pixels_tensor, logits_tensor):
    """Returns the last tensor on the way to the logits that tells places in a photo apart.

    That is float32 `[batch, rows, columns, channels]`, of more than one place, behind a
    convolution.

    Raises:
      UserError: there is none.
    """
    needed, waiting = set(), [logits_tensor.op]
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    # Operations of a graph are in topological order.
    from_pixels, convolved, last = {pixels_tensor.op}, set(), None
    for op in pixels_tensor.graph.get_operations():
        inputs = {tensor.op for tensor in op.inputs}
        if op not in needed or not inputs & from_pixels:
            continue
        from_pixels.add(op)
        if op.type in _CONVOLUTIONS or inputs & convolved:
            convolved.add(op)
            last = op.outputs[0] if _is_map(op.outputs[0]) else last
    if last is None:
        raise UserError(
            'the graph has no feature map, the values of a convolution at more than one place, '
            'on the way from %s to the scores: there are no heatmaps of it' % pixels_tensor.op.name
        )
    return last


def _is_map(tensor):
    shape = tensor.shape
    if tensor.dtype != tf.float32 or shape.ndims != 4:
        return False
    rows, columns, channels = shape.as_list()[1:]
    return None not in (rows, columns, channels) and rows * columns > 1


def _gradient(target_tensor, map_tensor):
    """Returns the gradient of a tensor by a feature map; raises UserError where there is none."""
    try:
        (gradient_tensor,) = tf.gradients(target_tensor, map_tensor)
    except LookupError as error:
        found = _NO_GRADIENT.search(str(error))
        op = 'the operation %(op)s of the node %(name)s' % found.groupdict() if found else error
        raise UserError(
            'a heatmap takes the gradient of the scores, and %s has none: give the float graph '
            'that this one was quantized from' % op
        )
    if gradient_tensor is None:
        raise UserError(
            'the scores have no gradient by the feature map %s: there are no heatmaps of this '
            'graph' % map_tensor.op.name
        )
    return gradient_tensor
