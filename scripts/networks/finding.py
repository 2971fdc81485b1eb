"""Finds in the nodes of a frozen graph where it is fed and where its bottleneck is."""

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, paths, rewrite, search
from scripts.graphs.importing import import_graph
from scripts.images.settings import GREY, RGB

MOST_PIXELS_A_SIDE = 4096  # Of which a batch takes 6 GB.
BATCH = 2  # Tells the dimension of the batch from others, which are often 1.

_POOLINGS, _REDUCTIONS = ('AvgPool', 'MaxPool', 'MaxPoolV2'), ('Mean', 'Max')
_HEIGHT_AND_WIDTH = [[1, 2], [2, 3]]  # Axes; the second is for channels first.
_SCOPE = 'network'  # Of the network in what `import_shapes` returns.
_ALL_OUTPUTS = ''  # Stands for a node behind all outputs; no node has that name.


def declared_shape(node, path):
    """Returns the TensorShape that a placeholder declares, None if none; raises UserError."""
    if node.op != 'Placeholder':
        return None
    dtype = tf.as_dtype(build.attribute(node, 'dtype').type or tf.float32)
    if dtype != tf.float32:
        raise UserError(
            '%s takes %s at %s, expected float32: name a node behind it by --input_layer'
            % (path, dtype.name, node.name)
        )
    sizes = [dim.size for dim in build.attribute(node, 'shape').shape.dim]
    if not sizes:  # Unknown, as older versions write it, too.
        return None
    if len(sizes) != 4 or sizes[3] not in (-1, GREY, RGB) or min(sizes) < -1 or 0 in sizes:
        raise UserError(
            '%s takes values of shape %s at %s, expected pixels: [batch, height, width, channels] '
            'with 3 or 1 channels; name another node by --input_layer' % (path, sizes, node.name)
        )
    if max(sizes[1:3]) > MOST_PIXELS_A_SIDE:
        raise UserError(
            '%s takes pixels of shape %s at %s, expected at most %d x %d: export it for smaller '
            'ones' % (path, sizes, node.name, MOST_PIXELS_A_SIDE, MOST_PIXELS_A_SIDE)
        )
    return tf.TensorShape([None if size == -1 else size for size in sizes])


def global_pooling(graph_def, network):
    """Returns the name of the last global pooling that every path to the outputs goes through."""
    graph = import_shapes(graph_def, network)
    poolings = [
        name
        for name in _on_every_path(graph_def, network)
        if _is_global_pooling(_operation(graph, name))
    ]
    if not poolings:
        raise UserError(
            '%s has no global pooling that every path from %s to its outputs goes through: give '
            'its bottleneck by --bottleneck_layer; nodes that would fit: %s'
            % (network.name, network.input_name, fitting(graph_def, network))
        )
    return poolings[-1]


def _is_global_pooling(operation):
    if operation.type not in _POOLINGS + _REDUCTIONS:
        return False
    before, after = operation.inputs[0].shape, operation.outputs[0].shape
    if before.ndims != 4:
        return False
    if operation.type in _POOLINGS:
        sides = after.as_list() if after.ndims == 4 else []
        return [1, 1] in (sides[1:3], sides[2:4])
    try:
        axes = tf.get_static_value(operation.inputs[1])
    except (KeyError, TypeError, ValueError):  # A corrupt constant, which TensorFlow loads.
        return False
    return axes is not None and sorted(axes.reshape(-1) % 4) in _HEIGHT_AND_WIDTH


def candidates(graph_def, network):
    """Returns the names of nodes that give a vector for each photo, the likeliest first."""
    try:
        graph = import_shapes(graph_def, network)
        names = _on_every_path(graph_def, network)
    except UserError:
        return []
    return [name for name in reversed(names[1:]) if length_of(output_of(graph, name))]


def fitting(graph_def, network):
    """Returns `candidates` as text."""
    return listed(candidates(graph_def, network))


def _on_every_path(graph_def, network):
    """Returns the names of the nodes on every path from the fed node to the outputs, in order."""
    nodes = search.nodes_by_name(graph_def)
    if network.output_name:
        outputs = [network.output_name]
    else:
        fed = search.downstream(graph_def, network.input_name)
        outputs = [name for name in search.outputs(graph_def) if name in fed]
    nodes[_ALL_OUTPUTS] = tf.NodeDef(input=outputs)
    try:
        return paths.on_every_path(nodes, network.input_name, _ALL_OUTPUTS)[:-1]
    except ValueError as error:
        raise UserError('%s has a loop (%s): expected a plain graph' % (network.name, error))


def shape_of(pixels, batch):
    """Returns the shape of a batch of such pixels, a list of int."""
    return [batch, pixels.height, pixels.width, pixels.channels]


def import_shapes(graph_def, network):
    """Returns a tf.Graph of a network for `BATCH` photos, of which all shapes are inferred."""
    graph = tf.Graph()
    with graph.as_default():
        pixels_tensor = tf.placeholder(tf.float32, shape_of(network.pixels, BATCH), 'pixels')
        freed = rewrite.allow_any_batch(graph_def, network.input_name)
        import_graph(freed, (), {network.input_name + ':0': pixels_tensor}, _SCOPE)
    return graph


def output_of(graph, name):
    """Returns the tensor that a node gives in what `import_shapes` returned, or None."""
    outputs = _operation(graph, name).outputs
    return outputs[0] if outputs else None


def _operation(graph, name):
    return graph.get_operation_by_name('%s/%s' % (_SCOPE, name))


def length_of(tensor):
    """Returns how many numbers a tensor has for each photo; None if they are no vector."""
    if tensor is None or tensor.dtype != tf.float32 or not tensor.shape.is_fully_defined():
        return None
    dims = tensor.shape.as_list()
    is_vector = len(dims) == 2 or len(dims) == 4 and sorted(dims[1:])[:2] == [1, 1]
    return max(dims[1:]) if is_vector and dims[0] == BATCH and min(dims) > 0 else None


def listed(names):
    """Returns the first of some names as text."""
    return ', '.join(names[: search.NAMES_IN_A_MESSAGE]) or 'none'
