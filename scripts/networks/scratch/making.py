"""Makes networks with random weights, for use and for training."""

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import versions
from scripts.networks.scratch.alexnet_32 import alexnet_32
from scripts.networks.scratch.cnn_32 import cnn_32
from scripts.networks.scratch.dense_128 import dense_128
from scripts.networks.scratch.dense_128_128 import dense_128_128
from scripts.networks.scratch.layers import InferenceLayers, TrainingLayers

FUNCTIONS = {each.__name__: each for each in (dense_128, dense_128_128, cnn_32, alexnet_32)}


def make(network):
    """Returns a complete `Network`, and its GraphDef with random weights, as it is when trained.

    Args:
      network: a `Network` from scratch, with pixels of a size, and a seed.

    Raises:
      UserError: pixels of that size are too few for it, or make it too large; or the user gives a
        node, of which it has no other.
    """
    given, pixels = network.given, network.pixels
    for flag in ('input_layer', 'bottleneck_layer'):
        if getattr(given, flag) is not None:
            raise UserError(
                '--%s is about pretrained networks, and %s is trained from random weights: leave '
                'it out' % (flag, network.name)
            )
    for field in ('height', 'width', 'mean', 'std'):
        value = getattr(given, 'input_' + field)
        if value is not None:
            pixels = pixels._replace(**{field: value})
    with tf.Graph().as_default() as graph:
        shape = [None, pixels.height, pixels.width, pixels.channels]
        images = tf.placeholder(tf.float32, shape, name=network.input_name)
        try:
            bottleneck = FUNCTIONS[network.name](InferenceLayers(network.seed), images)
        except ValueError as error:
            raise UserError(
                '%s does not take pixels of %d x %d: %s; leave --input_height and --input_width '
                'out' % (network.name, pixels.height, pixels.width, versions.what_failed(error))
            )
    network = network._replace(
        pixels=pixels,
        bottleneck_name=bottleneck.op.name,
        bottleneck_length=bottleneck.shape.as_list()[1],
    )
    return network, versions.strip_defaults(graph.as_graph_def())


def in_training(network, images, values, seed, step):
    """Adds a network, as it is while it is trained, to the current graph.

    Args:
      network: the `Network` that `make` returned.
      images: float32 `[batch, height, width, channels]`.
      values: a dict from the names of its constants to the tensors that replace them.
      seed: int, that of the dropout.
      step: int32 scalar, the number of the step.

    Returns:
      The bottleneck tensor, float32 `[batch, length]`, and a dict from the names of the statistics
      of batch norms to tensors of their values after the step.
    """
    layers = TrainingLayers(values, seed, step)
    bottleneck = FUNCTIONS[network.name](layers, images)
    return bottleneck, layers.statistics
