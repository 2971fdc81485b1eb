"""Graphs and evaluations for TensorBoard."""

import tensorflow.compat.v1 as tf

from scripts.evaluation import pictures
from scripts.graphs.importing import import_graph
from scripts.images import thumbnails
from scripts.training.event_writer import EventWriter


def write(evaluation, folder, step=0):
    """Writes the confusion matrix and the top losses as image summaries.

    Args:
      evaluation: an `Evaluation`.
      folder: the run's, such as `<summaries_dir>/testing`; what is there stays.
      step: the training step that the pictures are of.

    Raises:
      UserError: the folder cannot be written.
    """
    drawn = {
        'confusion_matrix': pictures.confusion_matrix(evaluation),
        'worst_mistakes': pictures.top_losses(evaluation),
    }
    summary = tf.Summary()
    for tag, image in drawn.items():
        if image is not None:
            summary.value.add(tag=tag).image.CopyFrom(
                tf.Summary.Image(
                    width=image.width,
                    height=image.height,
                    colorspace=3,  # RGB, as summary.proto counts.
                    encoded_image_string=thumbnails.png(image),
                )
            )
    with EventWriter(folder) as writer:
        writer.add_summary(summary, step)


def write_graph(graph_def, folder):
    """Writes a graph for the graph page, with the tensors' shapes as far as they are known.

    Args:
      graph_def: a GraphDef.
      folder: the run's; what is there stays.

    Raises:
      UserError: TensorFlow cannot load the graph, or the folder cannot be written.
    """
    graph = tf.Graph()
    with graph.as_default():
        import_graph(graph_def)
    with EventWriter(folder) as writer:
        writer.add_graph(graph.as_graph_def(add_shapes=True))
