"""The files that a run of retrain gives: which can be made, and writing them."""

import logging

import numpy as np

from scripts.common import files
from scripts.common.errors import UserError
from scripts.dataset import labels as labels_lib
from scripts.export import lite, onnx_file, outputs, saved_model
from scripts.export.trial import Trial
from scripts.graphs import description, graph_files
from scripts.images.graph_input import GraphInput, read_off
from scripts.inference.labelling import ScoringGraph
from scripts.training.settings import FLOAT16, INT8, NONE

_LOG = logging.getLogger(__name__)

# A file that was made wrongly has an error of about 1. With large logits, as of a head that is
# trained on large bottlenecks, 0.02 is rounding.
_EXACT = 0.1
_TOLERANCES = {NONE: _EXACT, FLOAT16: 0.2, INT8: 0.5}


def check_places(settings):
    """Raises UserError where something that is wanted cannot be written where it is wanted.

    Args:
      settings: a `training.settings.Retraining`.
    """
    if settings.saved_model_dir:
        saved_model.check_dir(settings.saved_model_dir)


def check_convertible(settings, backbone):
    """Raises UserError where the network cannot be converted to what is wanted.

    Args:
      settings: a `training.settings.Retraining`.
      backbone: the `Backbone` that is to be trained on.
    """
    # The network alone: of the head, TensorFlow Lite and ONNX have every operation.
    network = backbone.network
    graph_input = GraphInput(network.input_name, network.pixels)
    args = backbone.graph_def, graph_input, network.bottleneck_name
    if settings.tflite_output_file:
        lite.convert(*args, settings.tflite_quantization, lambda: [_noise(network.pixels)])
    if settings.onnx_output_file:
        onnx_file.convert(*args)


def write(settings, graph_def, labels):
    """Writes the trained graph and its labels.

    Args:
      settings: a `training.settings.Retraining`.
      graph_def: the frozen GraphDef.
      labels: list of str.
    """
    graph_files.write(graph_def, settings.output_graph)
    labels_lib.write(labels, settings.output_labels)


def write_others(settings, graph_def, dataset):
    """Writes what else is wanted.

    Args:
      settings: a `training.settings.Retraining`.
      graph_def: the frozen GraphDef.
      dataset: the `Dataset` that it was trained on.

    Returns:
      A list of texts on what could not be written: each costs only itself.
    """
    writers = []
    if settings.saved_model_dir:
        writers.append(_write_saved_model)
    if settings.tflite_output_file:
        writers.append(_write_lite)
    if settings.onnx_output_file:
        writers.append(_write_onnx)
    if not writers:
        return []
    output_name = settings.training.final_tensor_name
    trial = Trial(ScoringGraph(graph_def, _graph_input(graph_def), output_name), dataset.photos)
    failures = []
    for writer in writers:
        try:
            writer(settings, trial, dataset.labels)
        except UserError as error:
            failures.append(str(error))
    return failures


def _write_saved_model(settings, trial, labels):
    saved_model.write(*trial.classifier, labels, settings.saved_model_dir)
    _LOG.info('SavedModel written to %s', settings.saved_model_dir)


def _write_lite(settings, trial, labels):
    path, quantization = settings.tflite_output_file, settings.tflite_quantization
    data = lite.convert(*trial.classifier, quantization, trial.calibration)
    remedy = 'leave --tflite_output_file out'
    if quantization != NONE:
        remedy = 'give another --tflite_quantization'
    trial.check(lite.scorer(data), _TOLERANCES[quantization], path, remedy)
    files.write(path, data)
    labels_lib.write(labels, labels_lib.path_beside(path))
    described = description.find(trial.classifier.graph_def).description
    files.write(outputs.description_beside(path), description.to_json(described) + b'\n')
    _LOG.info('TensorFlow Lite file written to %s', path)


def _write_onnx(settings, trial, _):
    path = settings.onnx_output_file
    data = onnx_file.convert(*trial.classifier)
    trial.check(onnx_file.scorer(data), _EXACT, path, 'leave --onnx_output_file out')
    files.write(path, data)
    _LOG.info('ONNX file written to %s', path)


def _graph_input(graph_def):
    return read_off(graph_def, description=description.find(graph_def).description)


def _noise(spec):
    """Returns pixels of noise: what can be quantized does not depend on the ranges."""
    shape = [spec.height, spec.width, spec.channels]
    return np.random.RandomState(1).uniform(-1, 1, shape).astype(np.float32)
