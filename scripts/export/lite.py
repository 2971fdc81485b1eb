"""A trained graph for TensorFlow Lite."""

import contextlib
import os
import re
import sys
import warnings

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import versions
from scripts.graphs.importing import import_graph
from scripts.training.settings import FLOAT16, INT8, NONE


def convert(graph_def, graph_input, output_name, quantization=NONE, calibration=None):
    """Returns a graph as the bytes of a TensorFlow Lite file.

    It takes the pixels of one photo, float32 `[1, height, width, channels]`, normalized as the
    `GraphInput` says, and gives scores, float32 `[1, labels]`, whatever is quantized inside.

    Args:
      graph_def: a frozen GraphDef.
      graph_input: its `GraphInput`.
      output_name: the node that gives the scores.
      quantization: one of `training.settings.QUANTIZATIONS`. FLOAT16: of weights. INT8: of weights,
        one scale for each channel, and of values; what has no 8-bit version stays float32.
      calibration: for INT8, a function that yields float32 `[height, width, channels]`: pixels of
        photos, from which the ranges of values are taken.

    Raises:
      UserError: TensorFlow Lite lacks an operation of the network.
    """
    graph = tf.Graph()
    with graph.as_default():
        input_tensor, scores_tensor = import_graph(
            graph_def, [graph_input.name + ':0', output_name + ':0']
        )
    converter = tf.lite.TFLiteConverter(graph_def, [input_tensor], [scores_tensor])
    if quantization != NONE:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    elif quantization == INT8:
        converter.representative_dataset = lambda: (
            [pixels[np.newaxis]] for pixels in calibration()
        )
    try:
        with _programs_on_path():
            return converter.convert()
    except versions.ConverterError as error:
        lacking = re.search(
            r'(?:custom implementations|TF Select ops|Custom ops): ([^\n]*?)\.?\n', str(error)
        )
        raise _refusal(
            'it lacks ' + lacking.group(1) if lacking else str(error).strip().split('\n')[-1]
        )
    except RuntimeError as error:  # Of the quantizer.
        raise _refusal(str(error).strip().split('\n')[-1])


def scorer(data):
    """Returns a function from pixels to scores, `[n, labels]`, that runs the bytes of a file.

    Raises:
      UserError: the interpreter does not take it.
    """
    try:
        with warnings.catch_warnings():
            # TensorFlow 2 says that it moves to another package.
            warnings.simplefilter('ignore', UserWarning)
            interpreter = tf.lite.Interpreter(model_content=data)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise _refusal('the interpreter cannot load it: %s' % str(error).strip().split('\n')[0])
    (fed,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def score(images):
        scores = []
        for pixels in images:
            interpreter.set_tensor(fed['index'], pixels[np.newaxis])
            interpreter.invoke()
            scores.append(interpreter.get_tensor(given['index'])[0])
        return np.array(scores)

    return score


@contextlib.contextmanager
def _programs_on_path():
    """Lets the converter find its program, which stands beside Python, off the path maybe."""
    path_before = os.environ.get('PATH', '')
    os.environ['PATH'] = os.path.dirname(sys.executable) + os.pathsep + path_before
    try:
        yield
    finally:
        os.environ['PATH'] = path_before


def _refusal(why):
    return UserError(
        'TensorFlow Lite does not take this network: %s; leave --tflite_output_file out' % why
    )
