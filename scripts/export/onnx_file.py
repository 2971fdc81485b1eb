"""A trained graph as ONNX. Its packages are imported in functions: few users have them."""

import logging

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.export import onnx_order
from scripts.graphs import build, rewrite
from scripts.graphs import description as description_lib
from scripts.graphs.importing import as_graph

# The name under which the description stands in the metadata.
_DESCRIPTION = 'description'

_OPSET = 13  # The newest of onnxruntime 1.10, which Python 3.6 and 3.7 have.


def convert(graph_def, graph_input, output_name):
    """Returns a graph as the bytes of an ONNX file.

    It takes the pixels of photos, float32 `[batch, height, width, channels]`, normalized as the
    `GraphInput` says, and gives scores, float32 `[batch, labels]`, under the names of the nodes.
    The description, as JSON, is its metadata `description`.

    Args:
      graph_def: a frozen GraphDef.
      graph_input: its `GraphInput`.
      output_name: the node that gives the scores.

    Raises:
      UserError: ONNX lacks an operation of the network.
    """
    import tf2onnx

    logging.getLogger('tf2onnx').setLevel(logging.CRITICAL)  # It logs what it raises, too.
    names = {name + ':0': name for name in (graph_input.name, output_name)}
    found = description_lib.find(graph_def)
    graph = as_graph(_prepared(graph_def, graph_input, output_name))
    try:
        with tf.Session(graph=graph):
            converted = tf2onnx.tfonnx.process_tf_graph(
                graph,
                opset=_OPSET,
                input_names=[graph_input.name + ':0'],
                output_names=[output_name + ':0'],
                tensors_to_rename=names,
            )
        model = tf2onnx.optimizer.optimize_graph(converted).make_model(output_name)
    except Exception as error:  # Of any type: it has a function for each operation.
        raise _refusal('%s: %s' % (type(error).__name__, str(error).strip().split('\n')[0]))
    _check_known(model)
    onnx_order.make_reproducible(model)
    if found is not None:
        text = description_lib.to_json(found.description).decode('ascii')
        model.metadata_props.add(key=_DESCRIPTION, value=text)
    return model.SerializeToString(deterministic=True)


def scorer(data):
    """Returns a function from pixels to scores, `[n, labels]`, that runs the bytes of a file.

    Raises:
      UserError: onnxruntime does not take it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # Errors: nothing that it warns of is the user's to change.
    try:
        session = onnxruntime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    except Exception as error:  # It has a dozen types of its own, which it does not export.
        raise _refusal('onnxruntime cannot load it: %s' % str(error).strip().split('\n')[0])
    (fed,) = [each.name for each in session.get_inputs()]
    return lambda images: session.run(None, {fed: images})[0]


def _prepared(graph_def, graph_input, output_name):
    """Returns a graph of what tf2onnx knows, which takes any batch."""
    freed = rewrite.allow_any_batch(graph_def, graph_input.name)
    prepared = tf.GraphDef(versions=freed.versions, library=freed.library)
    for node in build.needed(freed.node, [output_name]):
        copy = prepared.node.add()
        copy.CopyFrom(node)
        if node.op == 'PlaceholderWithDefault':
            copy.CopyFrom(build.node('Identity', node.name, node.input))
            copy.attr['T'].CopyFrom(node.attr['dtype'])
        elif node.op == 'BatchNormWithGlobalNormalization':
            copy.CopyFrom(_as_fused(node))
        for name in [name for name in copy.attr if name.startswith('_')]:
            del copy.attr[name]
    return prepared


def _as_fused(node):
    """Returns a batch norm of TensorFlow's first version as one that tf2onnx knows."""
    values, mean, variance, beta, gamma = node.input
    if not build.attribute(node, 'scale_after_normalization').b:
        return node
    epsilon = build.attribute(node, 'variance_epsilon').f
    inputs = [values, gamma, beta, mean, variance]
    return build.node(
        'FusedBatchNorm', node.name, inputs, T=tf.float32, epsilon=epsilon, is_training=False
    )


def _check_known(model):
    """Raises UserError where operations of TensorFlow are left in an ONNX model."""
    import onnx

    lacking = {each.op_type for each in model.graph.node if not onnx.defs.has(each.op_type)}
    if lacking:
        raise _refusal('it lacks ' + ', '.join(sorted(lacking)))


def _refusal(why):
    return UserError('ONNX does not take this network: %s; leave --onnx_output_file out' % why)
