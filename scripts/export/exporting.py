"""The files that a run of retrain gives: which can be made, and writing them."""

import logging

from scripts.common import files
from scripts.common.errors import UserError
from scripts.dataset import labels as labels_lib
from scripts.export import lite, saved_model
from scripts.graphs import description, graph_files
from scripts.images.graph_input import GraphInput, read_off

_LOG = logging.getLogger(__name__)


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
    if settings.tflite_output_file:
        # The network alone: of the head TensorFlow Lite has every operation.
        network = backbone.network
        graph_input = GraphInput(network.input_name, network.pixels)
        lite.convert(backbone.graph_def, graph_input, network.bottleneck_name)


def write(settings, graph_def, labels):
    """Writes the trained graph and its labels.

    Args:
      settings: a `training.settings.Retraining`.
      graph_def: the frozen GraphDef.
      labels: list of str.
    """
    graph_files.write(graph_def, settings.output_graph)
    labels_lib.write(labels, settings.output_labels)


def write_others(settings, graph_def, labels):
    """Writes what else is wanted, as `write` takes it.

    Returns:
      A list of texts on what could not be written: each costs only itself.
    """
    writers = []
    if settings.saved_model_dir:
        writers.append(_write_saved_model)
    if settings.tflite_output_file:
        writers.append(_write_lite)
    failures = []
    for writer in writers:
        try:
            writer(settings, graph_def, labels)
        except UserError as error:
            failures.append(str(error))
    return failures


def _write_saved_model(settings, graph_def, labels):
    saved_model.write(
        graph_def,
        _graph_input(graph_def),
        settings.training.final_tensor_name,
        labels,
        settings.saved_model_dir,
    )
    _LOG.info('SavedModel written to %s', settings.saved_model_dir)


def _write_lite(settings, graph_def, labels):
    output, path = settings.training.final_tensor_name, settings.tflite_output_file
    files.write(path, lite.convert(graph_def, _graph_input(graph_def), output))
    labels_lib.write(labels, labels_lib.path_beside(path))
    _LOG.info('TensorFlow Lite file written to %s', path)


def _graph_input(graph_def):
    return read_off(graph_def, description=description.find(graph_def).description)
