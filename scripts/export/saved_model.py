"""A trained graph as a SavedModel, for TensorFlow Serving."""

import os

import tensorflow.compat.v1 as tf

from scripts.common import files, output_checks
from scripts.common.errors import UserError
from scripts.graphs import rewrite, versions
from scripts.graphs.importing import import_graph
from scripts.images import pixels

# TensorFlow Serving takes and gives names that end so as base64.
_IMAGE_BYTES = 'image_bytes'

_SAVED_MODEL = tf.saved_model.constants.SAVED_MODEL_FILENAME_PB


def write(graph_def, graph_input, output_name, labels, folder):
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
        pixels_tensor.set_shape([None, spec.height, spec.width, spec.channels])
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
    saved_model = versions.SavedModel(
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


def check_dir(folder):
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
