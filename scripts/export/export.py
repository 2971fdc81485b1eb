"""The trained network as one frozen GraphDef, and from that as other tools want it."""

import os
import re
import sys

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.lite.python.convert import ConverterError

from scripts.common import files, output_checks
from scripts.common.errors import UserError
from scripts.graphs import rewrite, search, versions
from scripts.graphs.importing import import_graph
from scripts.images import pixels

# TensorFlow Serving takes and gives names that end so as base64.
_IMAGE_BYTES = 'image_bytes'

_SAVED_MODEL = tf.saved_model.constants.SAVED_MODEL_FILENAME_PB


def freeze(session, pretrained, final_tensor_name):
    """Returns the pretrained network and the new layer as one GraphDef of constants.

    The nodes of the pretrained network are those of its own file, to the byte: importing them
    writes out attributes that older TensorFlow and other tools do not know. Of the new ones,
    attributes that hold their default are left out for the same reason.

    Args:
      session: a session on the graph that the layer was trained in.
      pretrained: the `Backbone` network behind the layer.
      final_tensor_name: the softmax node, which is the only output.
    """
    frozen = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), [final_tensor_name]
    )
    original = search.nodes_by_name(pretrained.graph_def)
    result = tf.GraphDef(versions=pretrained.graph_def.versions)
    stripped = versions.strip_defaults(frozen)
    result.node.extend(original.get(node.name, node) for node in stripped.node)
    return result


def write_saved_model(graph_def, graph_input, output_name, labels, folder):
    """Writes a SavedModel for TensorFlow Serving.

    Its one signature takes `image_bytes`, string `[batch]`, encoded photos of any size, and gives
    `scores`, float32 `[batch, labels]`, and `labels`, string `[batch, labels]`, in the same order.

    Args:
      graph_def: a frozen GraphDef.
      graph_input: its `GraphInput`.
      output_name: the node that gives the scores.
      labels: list of str.
      folder: where it is written; an earlier SavedModel there is replaced.

    Raises:
      UserError: it cannot be written there.
    """
    graph = tf.Graph()
    with graph.as_default():
        contents_tensor = tf.placeholder(tf.string, [None], name=_IMAGE_BYTES)
        pixels_tensor = tf.map_fn(
            lambda contents: pixels.from_contents(contents, graph_input.pixels),
            contents_tensor,
            tf.float32,
            back_prop=False,
        )
        spec = graph_input.pixels
        pixels_tensor.set_shape([None, spec.height, spec.width, 3])
        (scores_tensor,) = import_graph(
            rewrite.allow_any_batch(graph_def, graph_input.name),
            [output_name + ':0'],
            {graph_input.name + ':0': pixels_tensor},
        )
        count = tf.shape(scores_tensor)[:1]
        labels_tensor = tf.tile([labels], tf.concat([count, [1]], 0), name='labels')
    signature = tf.saved_model.predict_signature_def(
        {_IMAGE_BYTES: contents_tensor}, {'scores': scores_tensor, 'labels': labels_tensor}
    )
    # Without variables that one file is all. TensorFlow's own builder does not write it at once.
    data = _saved_model(graph, signature).SerializeToString(deterministic=True)
    files.write(os.path.join(folder, _SAVED_MODEL), data)


def _saved_model(graph, signature):
    """Returns the SavedModel message of a graph with one signature."""
    saved_model = saved_model_pb2.SavedModel(
        saved_model_schema_version=tf.saved_model.constants.SAVED_MODEL_SCHEMA_VERSION
    )
    meta_graph = saved_model.meta_graphs.add()
    # Collections are for training, and are written in another order each time.
    meta_graph.CopyFrom(
        tf.train.export_meta_graph(graph=graph, collection_list=[], strip_default_attrs=True)
    )
    meta_graph.meta_info_def.tags.append(tf.saved_model.tag_constants.SERVING)
    key = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
    meta_graph.signature_def[key].CopyFrom(signature)
    return saved_model


def check_saved_model_dir(folder):
    """Raises UserError unless a SavedModel may be written at `folder`, in place of one at most."""
    output_checks.check_folder_writable(folder)
    for place, _, names in os.walk(folder):
        for name in names:
            if name != _SAVED_MODEL and not name.startswith('.'):
                raise UserError(
                    '--saved_model_dir=%s holds %s, which is no part of a SavedModel as retrain '
                    'writes it: choose another folder'
                    % (folder, os.path.relpath(os.path.join(place, name), folder))
                )


def to_lite(graph_def, graph_input, output_name):
    """Returns a graph as the bytes of a float TensorFlow Lite file.

    It takes the pixels of one photo, float32 `[1, height, width, 3]`, normalized as the
    `GraphInput` says, and gives scores, float32 `[1, labels]`.

    Args:
      graph_def: a frozen GraphDef.
      graph_input: its `GraphInput`.
      output_name: the node that gives the scores.

    Raises:
      UserError: TensorFlow Lite lacks an operation of the network.
    """
    graph = tf.Graph()
    with graph.as_default():
        input_tensor, scores_tensor = import_graph(
            graph_def, [graph_input.name + ':0', output_name + ':0']
        )
    converter = tf.lite.TFLiteConverter(graph_def, [input_tensor], [scores_tensor])
    # The converter runs a program that stands beside Python, which need not be on the path.
    path_before = os.environ.get('PATH', '')
    os.environ['PATH'] = os.path.dirname(sys.executable) + os.pathsep + path_before
    try:
        return converter.convert()
    except ConverterError as error:
        lacking = re.search(
            r'(?:custom implementations|TF Select ops|Custom ops): ([^\n]*?)\.?\n', str(error)
        )
        raise UserError(
            'TensorFlow Lite does not take this network: %s; leave --tflite_output_file out'
            % ('it lacks ' + lacking.group(1) if lacking else str(error).strip().split('\n')[-1])
        )
    finally:
        os.environ['PATH'] = path_before
