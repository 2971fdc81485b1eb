"""How a graph and its quantized version differ: in values, bytes and nodes."""

import collections
import gzip
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search, versions
from scripts.graphs.importing import import_graph
from scripts.graphs.session import open_session
from scripts.quantization import settings as settings_lib

_SEED = 1
_GZIP_LEVEL = 9
_SMALLEST = 1e-12  # In place of a root mean square of zero.


# The largest error of an output that is expected of each mode at 8 bits: above what was measured,
# over three random inputs each, of seven real networks (MobileNet v1 in four sizes and v2,
# EfficientNet-Lite0, a retrained graph) and of two stand-ins. The largest were 0.13, 0.55, 0.42,
# 0.39 and 0.97. When a bug made two tensors share one quantizer, the error was 0.69 to 0.71 in
# modes quantize and eightbit. A bit less doubles the expected error: at few bits, any will do.
_EXPECTED = {
    settings_lib.ROUND: 0.3,
    settings_lib.QUANTIZE: 0.65,
    settings_lib.EIGHTBIT: 0.6,
    settings_lib.WEIGHTS: 0.6,
    settings_lib.WEIGHTS_ROUNDED: 1.2,
}


class Difference(typing.NamedTuple):
    """How far apart an output is before and after.

    name: of the output's node.
    greatest: the greatest absolute difference.
    scale: the greatest absolute value before.
    error: the root mean square of the differences, over that of the values before.
    """

    name: str
    greatest: float
    scale: float
    error: float


class Trial(typing.NamedTuple):
    """A graph's outputs on random input, and by placeholder the input of its quantized version."""

    outputs: list
    quantized_inputs: dict


def run_trial(graph_def, settings, dims):
    """Returns the `Trial` of a graph.

    Args:
      graph_def: a float GraphDef.
      settings: the `settings.Quantization` to apply.
      dims: as of `feeds`.

    Raises:
      UserError: it does not run, or an output is not a number; or as `feeds`.
    """
    inputs = quantized_inputs = feeds(graph_def, dims)
    if settings.quantized_input:
        low, high = settings.quantized_input
        quantized_inputs = {
            name: np.round((value + 1) / 2 * 255).astype(np.uint8) for name, value in inputs.items()
        }
        inputs = {
            name: value * np.float32((high - low) / 255) + np.float32(low)
            for name, value in quantized_inputs.items()
        }
    outputs = run(graph_def, settings.output_names, inputs)
    for name, value in zip(settings.output_names, outputs):
        if not np.isfinite(value).all():
            raise UserError(
                'the node %s gives values that are not numbers on random input: the graph is '
                'corrupt; nothing was written' % name
            )
    return Trial(outputs, quantized_inputs)


def feeds(graph_def, dims):
    """Returns a dict from each float32 placeholder's name to random values to feed, -1 to 1.

    Args:
      graph_def: a float GraphDef.
      dims: list of int, the shape of placeholders with as many dimensions, or without a declared
        shape; None: the declared shape, with 1 for unknown dimensions.

    Raises:
      UserError: a placeholder cannot take `dims`, or its shape is unknown.
    """
    random = np.random.RandomState(_SEED)
    nodes, values = search.nodes_by_name(graph_def), {}
    for name in search.placeholders(graph_def):
        node = nodes[name]
        declared = tf.TensorShape(
            build.attribute(node, 'shape').shape if 'shape' in node.attr else None
        )
        shape = tf.TensorShape(dims)
        if dims is None or declared.ndims not in (None, len(dims)):
            if declared.ndims is None:
                raise UserError(
                    'the placeholder %s declares no shape: set --test_input_dims' % name
                )
            shape = tf.TensorShape([dim or 1 for dim in declared.as_list()])
        if not declared.is_compatible_with(shape):
            raise UserError(
                '--test_input_dims=%s does not fit the placeholder %s, which has the '
                'shape %s; leave the flag out to use that one'
                % (','.join(map(str, dims)), name, declared.as_list())
            )
        dtype = tf.as_dtype(build.attribute(node, 'dtype').type)
        if dtype != tf.float32:
            raise UserError(
                'the placeholder %s takes %s; expected a graph that is fed float32'
                % (name, dtype.name)
            )
        values[name] = random.uniform(-1, 1, shape.as_list()).astype(np.float32)
    return values


def run(graph_def, output_names, values):
    """Runs a graph and returns the list of its outputs' values.

    Args:
      graph_def: a GraphDef.
      output_names: list of node names.
      values: dict from placeholders' names to arrays.

    Raises:
      UserError: it does not run.
    """
    graph = tf.Graph()
    with graph.as_default():
        import_graph(graph_def)
    try:
        with open_session(graph) as session:
            return session.run(
                [search.node_name(name) + ':0' for name in output_names],
                {name + ':0': value for name, value in values.items()},
            )
    except (ValueError, tf.errors.OpError) as error:
        raise UserError('the graph does not run: %s' % versions.what_failed(error))


def differences(trial, after, output_names):
    """Returns a list with a `Difference` for each output.

    Args:
      trial: the `Trial` of the graph before it was quantized.
      after: the quantized GraphDef.
      output_names: list of node names.

    Raises:
      UserError: it does not run, or an output is not a number.
    """
    outputs = run(after, output_names, trial.quantized_inputs)
    found = []
    for name, before, values in zip(output_names, trial.outputs, outputs):
        if not np.isfinite(values).all():
            raise UserError(
                'the quantized graph gives values that are not numbers at the node %s: nothing was '
                'written; try another mode, or other ranges' % name
            )
        difference = before.astype(np.float64) - values
        error = np.linalg.norm(difference) / max(np.linalg.norm(before), _SMALLEST)
        found.append(Difference(name, _greatest(difference), _greatest(before), float(error)))
    return found


def unexpected(found, settings):
    """Returns a line for each `Difference` that is larger than expected of the mode.

    Args:
      found: list of `Difference`.
      settings: the `settings.Quantization` that was applied.
    """
    most = _EXPECTED[settings.mode] * 2 ** max(8 - settings.bitdepth, 0)
    line = (
        '%s: the two graphs are %.3g apart, of values up to %.3g: an error of %.0f%%, where at '
        'most %.0f%% is expected of mode %s at %d bits; try another mode, or evaluate both graphs '
        'on photos'
    )
    return [
        line
        % (
            each.name,
            each.greatest,
            each.scale,
            100 * each.error,
            100 * most,
            settings.mode,
            settings.bitdepth,
        )
        for each in found
        if each.error > most
    ]


def table(before, after):
    """Returns the lines of a table of bytes, gzip bytes and nodes by op, before and after.

    Args:
      before, after: GraphDefs.
    """
    data = [graph.SerializeToString(deterministic=True) for graph in (before, after)]
    rows = [
        ('bytes', [len(each) for each in data]),
        ('gzip bytes', [len(gzip.compress(each, _GZIP_LEVEL)) for each in data]),
        ('nodes', [len(graph.node) for graph in (before, after)]),
    ]
    counts = [collections.Counter(node.op for node in graph.node) for graph in (before, after)]
    ops = sorted(
        set(counts[0]) | set(counts[1]), key=lambda op: (-max(count[op] for count in counts), op)
    )
    rows += [('  ' + op, [count[op] for count in counts]) for op in ops]
    width = max(len(name) for name, _ in rows)
    return ['%-*s  %10s  %10s' % (width, '', 'before', 'after')] + [
        '%-*s  %10d  %10d' % (width, name, *pair) for name, pair in rows
    ]


def _greatest(array):
    return float(np.abs(array).max()) if array.size else 0.0
