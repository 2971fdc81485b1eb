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
_SMALLEST = 1e-12  # Values before that are all zero have no root mean square to compare with.


# The error of an output that each mode explains at 8 bits: above what was measured, over three
# random inputs each, of seven real networks (MobileNet v1 in four sizes and v2, EfficientNet-Lite0,
# a retrained graph) and of two stand-ins. The largest were 0.13, 0.55, 0.42, 0.39 and 0.97. When
# two tensors shared one quantizer by mistake, the error was 0.69 to 0.71 in modes quantize and
# eightbit. A bit less doubles what a mode explains, so that at few bits it is anything.
_EXPLAINED = {
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
    """What a graph gives on random input, and by placeholder what its quantized version is fed."""

    outputs: list
    quantized_inputs: dict


def tried(graph_def, settings, dims):
    """Returns the `Trial` of a graph.

    Args:
      graph_def: a float GraphDef.
      settings: the `settings.Quantization` that it is to go through.
      dims: as of `feeds`.

    Raises:
      UserError: it does not run, or gives what is no number; or as `feeds`.
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
                'broken, and nothing was written' % name
            )
    return Trial(outputs, quantized_inputs)


def feeds(graph_def, dims):
    """Returns a dict from each float32 placeholder's name to random values to feed, -1 to 1.

    Args:
      graph_def: a float GraphDef.
      dims: list of int for placeholders whose shape is not declared in full, or of those that
        have as many dimensions; None: as declared, with 1 for what is open.

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
                    'the placeholder %s declares no shape: give one by --test_input_dims' % name
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
      UserError: it does not run, or gives what is no number.
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


def unexplained(found, settings):
    """Returns a line for each `Difference` that is larger than what the mode explains.

    Args:
      found: list of `Difference`.
      settings: the `settings.Quantization` that the graph went through.
    """
    most = _EXPLAINED[settings.mode] * 2 ** max(8 - settings.bitdepth, 0)
    line = (
        '%s: the two graphs are %.3g apart, of values up to %.3g: an error of %.0f%%, where mode '
        '%s explains %.0f%% at %d bits; try another mode, or evaluate both graphs on photos'
    )
    return [
        line
        % (
            each.name,
            each.greatest,
            each.scale,
            100 * each.error,
            settings.mode,
            100 * most,
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
