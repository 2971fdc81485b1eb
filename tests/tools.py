"""TensorFlow's own tools, as a user runs them."""

import os
import subprocess
import sys

import tensorflow.compat.v1 as tf


def tflite_convert(graph, lite, output):
    """Runs the converter to TensorFlow Lite on the graph at a path, fed at `input`; returns how
    it ended."""
    programs = os.path.dirname(sys.executable)  # The converter looks for its helper on the path.
    converter = [os.path.join(programs, 'tflite_convert')]
    if not tf.VERSION.startswith('1.'):
        converter.append('--enable_v1_converter')  # The one that takes frozen graphs.
    return subprocess.run(
        converter
        + ['--graph_def_file=' + graph, '--output_file=' + lite]
        + ['--input_arrays=input', '--output_arrays=' + output],
        stderr=subprocess.PIPE,
        env=dict(os.environ, PATH=programs + os.pathsep + os.environ['PATH']),
    )
