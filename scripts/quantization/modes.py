"""The five modes, each a list of passes."""

import typing

from scripts.graphs import description
from scripts.quantization import (
    batch_norms,
    calibrate,
    checks,
    fake_rounding,
    quantize_ops,
    quantize_weights,
    quantized_input,
    ranges,
    redundant,
    round_weights,
    simplify,
)
from scripts.quantization import settings as settings_lib


class Calibration(typing.NamedTuple):
    """The photos to calibrate ranges on: list of paths, and the graph's `GraphInput`."""

    paths: typing.List[str]
    graph_input: typing.Any


def quantize(graph_def, settings, calibration=None):
    """Returns a graph quantized as `settings` say, with the description of the float graph.

    Args:
      graph_def: a frozen GraphDef.
      settings: `settings.Quantization`.
      calibration: a `Calibration` for mode eightbit, or None.

    Raises:
      UserError: the graph cannot be quantized.
    """
    checks.check_graph(graph_def, settings.output_names)
    quantized = graph_def
    for each in _passes(settings, calibration):
        quantized = each(quantized)
    description.copy(graph_def, quantized)
    checks.check_loads(quantized)
    return quantized


def _passes(settings, calibration):
    names, bits = settings.output_names, settings.bitdepth

    def prune(graph_def):
        return simplify.prune(graph_def, names)

    def bypass(graph_def):
        return simplify.bypass(graph_def, names)

    def fold_small(graph_def):
        return simplify.fold_constants(graph_def, names)

    def feed_eight(graph_def):
        return quantized_input.quantize_input(graph_def, settings.quantized_input)

    feeding = [feed_eight] if settings.quantized_input else []
    if settings.mode == settings_lib.ROUND:
        return [prune, lambda graph: fake_rounding.round_outputs(graph, bits)] + feeding
    if settings.mode == settings_lib.QUANTIZE:
        return [
            prune,
            bypass,
            lambda graph: fake_rounding.round_inputs_and_outputs(graph, bits),
        ] + feeding
    if settings.mode == settings_lib.WEIGHTS_ROUNDED:
        return [prune, lambda graph: round_weights.round_weights(graph, bits)] + feeding
    if settings.mode == settings_lib.WEIGHTS:
        return [
            prune,
            bypass,
            fold_small,
            lambda graph: quantize_weights.quantize_weights(graph, bits),
        ] + feeding
    return [prune, bypass] + _eightbit(settings, calibration, feeding)


def _eightbit(settings, calibration, feeding):
    names = settings.output_names

    def prune(graph_def):
        return simplify.prune(graph_def, names)

    def fold_all(graph_def):
        return simplify.fold_constants(graph_def, names, large_too=True)

    def fix_ranges(graph_def):
        if calibration:
            return calibrate.calibrate(graph_def, calibration.graph_input, calibration.paths)
        if settings.fallback:
            return ranges.set_constant(
                graph_def,
                {node.name: settings.fallback for node in ranges.dynamic(graph_def)},
            )
        return graph_def

    passes = [
        fold_all,
        batch_norms.split_batch_norms,
        lambda graph: batch_norms.fold_multiplications(graph, names),
        lambda graph: quantize_ops.quantize_ops(graph, names),
    ]
    stripping = [redundant.remove_redundant] if settings.strip_redundant else []
    # Ranges are made constant once all pairs are gone, so that none is for a value that is not
    # quantized; a quantized input makes new pairs, with a range of its own.
    passes += stripping + [prune, fix_ranges]
    if feeding:
        passes += feeding + stripping
    return passes + [ranges.propagate, prune, fold_all]
