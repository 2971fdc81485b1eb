"""What a retraining writes, and whether it can be written. No TensorFlow here."""

import os

from scripts.common import encodings, output_checks, packages
from scripts.common.errors import UserError
from scripts.dataset import labels as labels_lib
from scripts.training import settings as settings_lib
from scripts.training import summaries

# What makes and runs ONNX files.
_ONNX = ['tf2onnx', 'onnx', 'onnxruntime', 'packaging']


def check(settings, dataset, report):
    """Raises UserError where an output cannot be written, or would replace something else.

    Args:
      settings: the `Retraining`.
      dataset: the `Dataset`, whose photos are not to be replaced.
      report: the path of the report, empty where there is none.
    """
    outputs = _outputs(settings, report)
    for name, path in outputs:
        if path:
            output_checks.check_writable(path)
        elif name in ('--output_graph', '--output_labels'):
            raise UserError('%s is empty: expected the name of a file to write' % name)
    if settings.onnx_output_file:
        packages.require(_ONNX, '--onnx_output_file', 'requirements-export.txt')
    if settings.tflite_quantization != settings_lib.NONE and not settings.tflite_output_file:
        raise UserError(
            '--tflite_quantization=%s is about --tflite_output_file: give that too, or leave it out'
            % settings.tflite_quantization
        )
    labels_lib.check_replaceable(_lite_labels(settings), dataset.labels)
    network = os.path.join(settings.model_dir, settings.network.graph_file)
    output_checks.check_distinct(
        outputs,
        [('the pretrained graph', network)]
        + [('the photo', photo.path) for photo in dataset.photos],
    )
    summaries_dir = settings.training.summaries_dir
    output_checks.check_folder_writable(summaries_dir)
    encodings.for_tensorflow(summaries_dir)
    summaries.check_dir(summaries_dir)
    summaries.check_outside(summaries_dir, _folders(settings, dataset) + outputs)
    if settings.training.intermediate_store_frequency:
        output_checks.check_folder_writable(settings.training.intermediate_output_graphs_dir)


def _outputs(settings, report):
    """Returns pairs of a name and the path of a file that is written, empty where it is not."""
    saved_model = settings.saved_model_dir
    return [
        ('--output_graph', settings.output_graph),
        ('--output_labels', settings.output_labels),
        ('--report', report),
        ('--checkpoint_path', settings.training.checkpoint_path),
        ('--tflite_output_file', settings.tflite_output_file),
        ('the labels of --tflite_output_file', _lite_labels(settings)),
        (
            'the description of --tflite_output_file',
            description_beside(settings.tflite_output_file),
        ),
        ('--onnx_output_file', settings.onnx_output_file),
        # Its name is TensorFlow's, which is not imported yet.
        ('the file of --saved_model_dir', saved_model and saved_model + '/saved_model.pb'),
    ]


def description_beside(path):
    """Returns where the description of a TensorFlow Lite file goes, empty if `path` is."""
    return path and os.path.splitext(path)[0] + '_description.json'


def _lite_labels(settings):
    """Returns where the labels beside a TensorFlow Lite file go, empty if it is --output_labels."""
    path = settings.tflite_output_file and labels_lib.path_beside(settings.tflite_output_file)
    same = os.path.realpath(path) == os.path.realpath(settings.output_labels)
    return '' if same else path


def _folders(settings, dataset):
    """Returns pairs of a flag and the folder that it names, empty where it is not used."""
    training = settings.training
    intermediate = training.intermediate_store_frequency and training.intermediate_output_graphs_dir
    return [
        ('--image_dir', dataset.image_dir),
        ('--test_dir', dataset.test_dir),
        ('--model_dir', settings.model_dir),
        ('--bottleneck_dir', settings.bottleneck_dir),
        ('--intermediate_output_graphs_dir', intermediate),
        ('--saved_model_dir', settings.saved_model_dir),
    ]
