"""The trained network as one frozen GraphDef."""

import tensorflow.compat.v1 as tf

from scripts.graphs import search


def freeze(session, pretrained, final_tensor_name):
    """Returns the pretrained network and the new layer as one GraphDef of constants.

    The nodes of the pretrained network are those of its own file, to the byte: importing them
    writes out attributes that older TensorFlow and other tools do not know.

    Args:
      session: a session on the graph that the layer was trained in.
      pretrained: the `Pretrained` network behind the layer.
      final_tensor_name: the softmax node, which is the only output.
    """
    frozen = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), [final_tensor_name]
    )
    original = search.nodes_by_name(pretrained.graph_def)
    result = tf.GraphDef(versions=pretrained.graph_def.versions)
    result.node.extend(original.get(node.name, node) for node in frozen.node)
    return result
