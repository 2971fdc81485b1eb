"""Calibration: constant ranges from the values on photos, in place of dynamic ranges."""

import logging

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import rewrite
from scripts.graphs.importing import import_graph
from scripts.images import runner
from scripts.quantization import ranges
from scripts.quantization.settings import Range

_LOG = logging.getLogger(__name__)


def calibrate(graph_def, graph_input, paths):
    """Makes each dynamic range constant: the widest one over the photos.

    Args:
      graph_def: a GraphDef that `quantize_ops` made, with a float32 input.
      graph_input: its `GraphInput`.
      paths: list of str, the photos.

    Returns:
      A new GraphDef; nodes that computed the dynamic ranges are still in it.

    Raises:
      UserError: all photos are unreadable.
    """
    dynamic = ranges.dynamic(graph_def)
    if not dynamic:
        return graph_def

    def build(pixels_tensor):
        freed = rewrite.allow_any_batch(graph_def, graph_input.name)
        ends = [
            name
            for node in dynamic
            for name in node.input[ranges.first_end(node) : ranges.first_end(node) + 2]
        ]
        tensors = import_graph(
            freed,
            [name if ':' in name else name + ':0' for name in ends],
            {graph_input.name + ':0': pixels_tensor},
        )
        return tf.reshape(tf.stack(tensors), [-1, 2])

    # One by one: each photo is quantized to its own dynamic ranges, as when it is labelled.
    found = [
        values
        for values, readable in runner.run(graph_input.pixels, build, [[path] for path in paths])
        if readable.all()
    ]
    if not found:
        raise UserError('all %d calibration photos are unreadable' % len(paths))
    lowest = np.min([values[:, 0] for values in found], axis=0)
    highest = np.max([values[:, 1] for values in found], axis=0)
    _LOG.info('%d ranges calibrated on %d photos', len(dynamic), len(found))
    widest = map(Range, lowest, highest)
    return ranges.set_constant(graph_def, dict(zip((node.name for node in dynamic), widest)))
