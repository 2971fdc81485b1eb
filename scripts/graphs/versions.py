"""The one place that knows of more than one TensorFlow: 1.15, and 2 through its `compat.v1`.

It is also the only one that uses what TensorFlow does not export, and lists it in PRIVATE.

Importing `scripts.graphs` makes TensorFlow 2 what 1.15 is by default, with graphs, sessions and
variables of the old kind: names of nodes, and checkpoints, depend on that.
"""

import functools
import re

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import (
    config_pb2,
    saved_model_pb2,
    trackable_object_graph_pb2,
)
from tensorflow.lite.python.convert import ConverterError  # noqa: F401  # For `export`.

from scripts.graphs import memory

# What is used of TensorFlow that it does not export, and why what it exports was not enough.
PRIVATE = {
    'tensorflow.core.protobuf.config_pb2': 'CallableOptions, the argument of the next one',
    '_make_callable_from_options': (
        'Session.run, and Session.make_callable where something is fed, look up what is fed and '
        'fetched again in each call: a quarter of a small training step'
    ),
    'tensorflow.core.protobuf.saved_model_pb2': (
        'the SavedModel message; saved_model.Builder writes it in place, not under a temporary '
        'name, and in another order each time'
    ),
    'tensorflow.core.protobuf.trackable_object_graph_pb2': (
        'the message in a checkpoint of TensorFlow 2 that says which variable has which key; the '
        'loader of SavedModels that reads it runs what is in them'
    ),
    'tensorflow.lite.python.convert.ConverterError': (
        'tf.lite exports the converter and not the error that it raises; to catch every Exception '
        'would hide bugs'
    ),
    'tensorflow.python.compiler.tensorrt.trt_convert': (
        'TF-TRT for frozen graphs, as NVIDIA documents it; what is exported takes SavedModels only'
    ),
    '_get_op_def': '1.15 exports nothing that gives an OpDef; 2 has Graph.op_def_for_type',
}

CallableOptions = config_pb2.CallableOptions
SavedModel = saved_model_pb2.SavedModel

# What a command takes that trains, without what is trained. Measured on Linux.
BYTES_OF_PROGRAM = 500000000 if tf.VERSION.startswith('1.') else 900000000

# What TensorFlow 2 puts before the cause of an error: nodes, where in Python they were made, and
# the step of a data set.
_WHERE = re.compile(
    r'\AGraph execution error:\s+(.*^Node: [^\n]*\n)?'
    r'(Error in user-defined function [^\n]*?Root\S*: )?',
    re.DOTALL | re.MULTILINE,
)
tf.disable_v2_behavior()
if tf.VERSION.startswith('1.'):  # TensorFlow 2 is no faster by it.
    memory.keep_freed()


def strip_defaults(graph_def):
    """Returns a GraphDef without the attributes that hold their op's default.

    A newer TensorFlow writes attributes that an older one does not know, and refuses.
    """
    return tf.train.export_meta_graph(
        graph_def=graph_def, graph=tf.Graph(), strip_default_attrs=True
    ).graph_def


def checkpoint_keys(data):
    """Returns a dict from the numbers of the objects in a checkpoint to the keys of their values.

    Args:
      data: bytes, the serialized object graph; DecodeError is raised where it is none.
    """
    objects = trackable_object_graph_pb2.TrackableObjectGraph.FromString(data)
    return {
        number: each.attributes[0].checkpoint_key
        for number, each in enumerate(objects.nodes)
        if len(each.attributes) == 1
    }


def op_def(name):
    """Returns the OpDef of an operation, or None where this TensorFlow has none of that name."""
    try:
        return _op_def_finder()(name)
    except (tf.errors.NotFoundError, RuntimeError):
        return None


@functools.lru_cache(maxsize=None)
def _op_def_finder():
    graph = tf.Graph()
    return getattr(graph, 'op_def_for_type', None) or graph._get_op_def


def tensorrt_graph(graph_def, output_names, precision):
    """Returns what TF-TRT makes of a GraphDef, with engines that are built when they first run.

    Args:
      graph_def: a frozen GraphDef.
      output_names: list of the names of nodes that stay.
      precision: 'FP32' or 'FP16'.

    Raises:
      RuntimeError, ImportError or tf.errors.OpError: there is no TensorRT here. Some builds give a
        graph without engines instead.
    """
    if op_def('TRTEngineOp') is None:
        raise RuntimeError('it is built without TensorRT')
    if not tf.config.experimental.list_physical_devices('GPU'):  # 1.15.0 would abort.
        raise RuntimeError('it finds no GPU')
    from tensorflow.python.compiler.tensorrt import trt_convert

    staying = 'nodes_blacklist' if tf.VERSION.startswith('1.') else 'nodes_denylist'
    converter = trt_convert.TrtGraphConverter(
        input_graph_def=graph_def,
        precision_mode=precision,
        is_dynamic_op=True,
        **{staying: output_names},
    )
    return converter.convert()


def make_callable(session, options):
    """Returns a function that runs a step of a session, whose tensors are looked up only once.

    Args:
      session: a Session.
      options: its `CallableOptions`: names of what is fed, fetched and run.

    Returns:
      A function that takes an array for each tensor that is fed, and returns the list of arrays
      fetched.
    """
    return session._make_callable_from_options(options)


def what_failed(error):
    """Returns the line of an error that names its cause: 'photo.jpg; No such file'.

    Args:
      error: a tf.errors.OpError, or a ValueError of a session.
    """
    return _WHERE.sub('', getattr(error, 'message', str(error))).strip().split('\n')[0]
