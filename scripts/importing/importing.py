"""Imports a network: gets it from its source, freezes it, compares the two, and writes it."""

import hashlib
import logging
import os
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, description, graph_files, rewrite, search, session, versions
from scripts.graphs.importing import import_graph
from scripts.importing import freezing, frozen_graphs, probing, saved_models
from scripts.importing import settings as settings_lib
from scripts.importing import source as source_lib

_LOG = logging.getLogger(__name__)

_TOLERANCE = 1e-4  # Of the largest difference between images.


class Candidate(typing.NamedTuple):
    """A network that is to be imported, and what its source gives.

    source: a `source.Source`.
    pixels: complete `settings.Pixels`.
    channels: 1 or 3.
    outputs: what the source gives for `probing.images`, float32 `[batch, ...]`.
    origin: where the preprocessing is from, for a message.
    """

    source: source_lib.Source
    pixels: settings_lib.Pixels
    channels: int
    outputs: np.ndarray
    origin: str


class Imported(typing.NamedTuple):
    """What was imported: a described frozen graph, and by how much it differs from its source.

    error: the largest difference between an output of the graph and of its source.
    difference: the largest difference between the outputs for two images.
    """

    graph_def: tf.GraphDef
    error: float
    difference: float


def of_keras(built):
    """Returns the `Candidate` of a `keras_source.Built`."""
    source = saved_models.read(built.saved_model, settings_lib.Nodes())
    result = built.result
    return Candidate(source, result.pixels, result.channels, built.outputs, result.origin)


def of_saved_model(folder, pixels, nodes):
    """Returns the `Candidate` of a SavedModel, fed as `settings.Pixels` and `Nodes` say."""
    return _run(saved_models.read(folder, nodes), pixels, settings_lib.FROM_ZERO)


def of_frozen_graph(path, pixels, nodes):
    """Returns the `Candidate` of a frozen graph, fed as `settings.Pixels` and `Nodes` say."""
    source, described = frozen_graphs.read(path, nodes)
    default = settings_lib.FROM_MINUS_ONE
    if described is not None:
        default = settings_lib.Preprocessing(described.mean, described.std, 'that of the graph')
        if not pixels.height and not pixels.width:
            pixels = pixels._replace(height=described.height, width=described.width)
    return _run(source, pixels, default)


def _run(source, pixels, default):
    """Returns the `Candidate` of a source, which is run."""
    height, width, channels = _shape(source, pixels)
    origin = settings_lib.origin(pixels, default)
    pixels = settings_lib.completed(pixels, default)._replace(height=height, width=width)
    images = probing.as_source_takes(probing.images(height, width, channels), pixels)
    return Candidate(source, pixels, channels, source_lib.run(source, images), origin)


def _shape(source, pixels):
    """Returns height, width and channels of the input: of flags, else declared, else 224."""
    node = search.nodes_by_name(source.graph_def)[source.input_name]
    dtype = build.attribute(node, 'dtype').type
    if dtype != tf.float32.as_datatype_enum:
        raise UserError(
            'the node %s takes %s; expected float32: choose the node behind the conversion by '
            '--input_layer' % (source.input_name, tf.as_dtype(dtype).name)
        )
    shape = tf.TensorShape(build.attribute(node, 'shape').shape)
    if not shape.ndims:  # Old graphs declare nothing, which reads as a scalar.
        shape = tf.TensorShape([None] * 4)
    dims = shape.as_list()
    channels = dims[-1] or 3
    if len(dims) != 4 or channels not in (1, 3):
        raise UserError(
            'the node %s takes values of shape %s; expected images, [batch, height, width, '
            'channels] with 3 channels, or 1 for grey' % (source.input_name, shape)
        )
    return (
        pixels.height or dims[1] or settings_lib.DEFAULT_SIZE,
        pixels.width or dims[2] or settings_lib.DEFAULT_SIZE,
        channels,
    )


def import_candidate(candidate, name, bottleneck):
    """Returns the frozen graph of a `Candidate`, compared with its source, as `Imported`.

    Args:
      candidate: a `Candidate`.
      name: of the network.
      bottleneck: the node of the bottleneck, or None: it is found where the network is used.

    Raises:
      UserError: it cannot be frozen, or gives other values than its source.
    """
    pixels, channels = candidate.pixels, candidate.channels
    bgr = channels == 3 and pixels.channel_order == settings_lib.BGR
    shape = [pixels.height, pixels.width, channels]
    frozen = freezing.freeze(candidate.source, shape, bgr)
    data = frozen.graph_def.SerializeToString(deterministic=True)
    graph_def = rewrite.allow_any_batch(graph_files.parse(data, 'the frozen graph'), freezing.INPUT)
    if bottleneck is not None:
        bottleneck = search.require_node(graph_def, bottleneck, search.outputs(graph_def)).name
    error, difference = _compare(graph_def, frozen.output_name, candidate)
    _LOG.info(
        'Input: %d x %d pixels, %s, mean %s, std %s (%s)',
        pixels.width, pixels.height, 'grey' if channels == 1 else pixels.channel_order.upper(),
        _numbers(pixels.mean), _numbers(pixels.std), candidate.origin,
    )  # fmt: skip
    described = _description(candidate, name, hashlib.sha256(data).hexdigest(), bottleneck)
    description.attach(graph_def, frozen.output_name, described)
    return Imported(graph_def, error, difference)


def _numbers(value):
    return ', '.join('%g' % each for each in (value if isinstance(value, tuple) else (value,)))


def _compare(graph_def, output_name, candidate):
    """Returns the largest error, and the largest difference between images."""
    pixels = candidate.pixels
    images = probing.images(pixels.height, pixels.width, candidate.channels)
    outputs = run(graph_def, output_name, probing.normalized(images, pixels))
    if outputs.shape != candidate.outputs.shape:
        raise UserError(
            'the frozen graph gives values of shape %s, the source %s'
            % (outputs.shape, candidate.outputs.shape)
        )
    difference = probing.largest_difference(candidate.outputs)
    error = float(np.abs(outputs - candidate.outputs).max()) if outputs.size else 0.0
    if not difference > 0 or not np.isfinite(difference):
        raise UserError(
            'the source gives the same for all images, or values that are not finite: its weights '
            'are missing, or its preprocessing is another one (--input_mean, --input_std)'
        )
    if not error <= _TOLERANCE * difference:
        raise UserError(
            'the frozen graph differs from its source by up to %.3g, where images differ by %.3g; '
            'expected at most %g of that: the network draws random numbers, or depends on what no '
            'frozen graph holds' % (error, difference, _TOLERANCE)
        )
    return error, difference


def run(graph_def, output_name, images):
    """Returns what a frozen graph gives for images, as `source.run` does.

    A batch can differ from its images one by one in the last bits, so it only has to run.
    """
    graph = tf.Graph()
    with graph.as_default():
        fed, output = import_graph(graph_def, [freezing.INPUT + ':0', output_name + ':0'])
    with session.open_session(graph) as running:
        try:
            batch = running.run(output, {fed: images})
            outputs = [running.run(output, {fed: image[np.newaxis]}) for image in images]
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(
                'the frozen graph does not run on a batch of images: %s'
                % versions.what_failed(error)
            )
    outputs = np.concatenate(outputs)
    if batch.shape != outputs.shape:
        raise UserError(
            'the frozen graph gives values of shape %s for a batch, and %s for its images: '
            'expected one for each image' % (batch.shape, outputs.shape)
        )
    return outputs


def _description(candidate, name, fingerprint, bottleneck):
    pixels = candidate.pixels
    return description.Description(
        labels=(),
        input=description.Input(
            freezing.INPUT,
            pixels.height,
            pixels.width,
            pixels.mean,
            pixels.std,
            'ignore',
            candidate.channels,
        ),
        network=description.Network(name, fingerprint, bottleneck),
        photos=None,
        test=None,
        tensorflow=tf.VERSION,
    )


def path_of(model_dir, name):
    """Returns the path of an imported network."""
    return os.path.join(model_dir, name, 'frozen_graph.pb')
