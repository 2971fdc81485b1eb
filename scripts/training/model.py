"""The trained part of a network: the tail behind the backbone, and the head."""

import functools
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search, versions
from scripts.graphs import description as description_lib
from scripts.graphs.session import callable_of, open_session
from scripts.training import gradients
from scripts.training import head as head_lib
from scripts.training import tail as tail_lib
from scripts.training.settings import ALL

# What features are fed to, in the boundary's place; it stands only in the training graph, as do the
# summaries of the tail.
_FED, _SUMMARIES = 'fed_features', 'tail/'


class Result(typing.NamedTuple):
    """What a model gives on a batch.

    accuracy, cross_entropy: float, means over the batch.
    scores: float32 `[batch, label_count]`.
    summaries: bytes of a `tf.Summary`, or None where they are not wanted.
    """

    accuracy: float
    cross_entropy: float
    scores: np.ndarray
    summaries: typing.Optional[bytes]


class Model:
    """Tail and head as a graph with a session; used as a context manager.

    Args:
      backbone: the `Backbone` whose features it is fed. Constants between its boundary and the
        bottleneck are variables here: none where the boundary is the bottleneck.
      label_count: int.
      settings: a `settings.Training`.
      description: the `Description` of the graphs that it gives, or None.

    Raises:
      UserError: TensorFlow cannot load the network, or the boundary is none.
    """

    def __init__(self, backbone, label_count, settings, description=None):
        self._backbone, self._description = backbone, description
        self._output_name = settings.final_tensor_name
        graph = tf.Graph()
        with graph.as_default():
            tf.set_random_seed(settings.random_seed)
            # A placeholder, for to feed the boundary itself is not enough: what TensorFlow's
            # optimizer makes of a gradient may wait for that node to have run.
            self._features = tf.placeholder(tf.float32, (None,) + backbone.shape, name=_FED)
            tail = tail_lib.find(backbone)
            self._network_nodes = search.nodes_by_name(tail.backbone.graph_def)
            self._tail = _variables_of(tail)
            values = {name: variable.value() for name, variable in self._tail.items()}
            bottleneck = tail_lib.add(tail, self._features, values)
            for name, variable in self._tail.items():
                places = [head_lib.AT_EVALUATIONS]
                tf.summary.histogram(_SUMMARIES + name, variable, collections=places)
            decayed = [self._tail[each.name] for each in tail.constants if each.decayed]
            in_training = None
            if backbone.network.from_scratch:
                in_training = functools.partial(self._in_training, tail, values, settings)
            self._head = head_lib.add(bottleneck, label_count, settings, decayed, in_training)
            self._variables = {each.op.name: each for each in tf.global_variables()}
            tails = {each.op.name for each in self._tail.values()}
            self._of_head = {each.op.name for each in tf.trainable_variables()} - tails
            initializer = tf.global_variables_initializer()
        self._session = open_session(graph)
        self._session.run(initializer)
        # Not as first values in the graph, which may have two gigabytes at most.
        for each in tail.constants + tail.statistics:
            self._tail[each.name].load(each.value, self._session)
        fed = [self._features, self._head.ground_truth_input, self._head.step_input]
        self._step = callable_of(self._session, fed, None, self._head.train_step)
        self._summarized_step = self._with_summaries(fed)
        # What is trained on fits into memory; to evaluate takes no more.
        self.most_at_once = None
        if self._tail and settings.train_batch_size != ALL:
            self.most_at_once = settings.train_batch_size

    def _in_training(self, tail, values, settings, step):
        """Adds the network as it is while it is trained, for `head.add`."""
        bottleneck, statistics = tail_lib.add_in_training(
            tail, self._features, values, settings.random_seed, step
        )
        return bottleneck, [tf.assign(self._tail[name], each) for name, each in statistics.items()]

    def _with_summaries(self, fed):
        """Returns a function that runs a step as `_step` does, and returns its summaries."""
        summaries, train_step = self._head.step_summaries, self._head.train_step
        if not self._backbone.network.from_scratch:
            return callable_of(self._session, fed, summaries, train_step)
        # They run the network as it is in use, which must not change meanwhile.
        summarize = callable_of(self._session, fed, summaries, summaries.op)

        def run(*values):
            result = summarize(*values)
            self._step(*values)
            return result

        return run

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session.close()

    def train(self, step, batch, summarize):
        """Trains one step.

        Args:
          step: int, its number, from 0 on.
          batch: a `Batch`.
          summarize: whether summaries are wanted.

        Returns:
          The bytes of a `tf.Summary`, or None.

        Raises:
          tf.errors.InvalidArgumentError: among others, where a weight is not finite, of which
            TensorFlow makes no histogram.
        """
        run = self._summarized_step if summarize else self._step
        return run(batch.features, batch.labels, np.int32(step))

    def evaluate(self, batch, summarize=False):
        """Returns the `Result` on a `Batch`, with summaries where they are wanted."""
        head = self._head
        fetched = [head.accuracy, head.cross_entropy, head.scores]
        values = self._session.run(
            fetched + [head.evaluation_summaries] * summarize,
            {self._features: batch.features, head.ground_truth_input: batch.labels},
        )
        count = len(batch.labels)
        accuracy = round(float(values[0]) * count) / count  # Not as rounded to float32.
        return Result(accuracy, float(values[1]), values[2], (values + [None])[3])

    def values(self):
        """Returns a dict from the name of each variable, the optimizer's too, to its value."""
        return self._session.run(self._variables)

    def shapes(self):
        """Returns a dict from the name of each variable to its shape, a tuple."""
        return {name: tuple(each.shape.as_list()) for name, each in self._variables.items()}

    def set_values(self, values):
        """Sets variables as `values` or `head_values` gave them, of a model with the same ones."""
        for name, value in values.items():
            self._variables[name].load(value, self._session)

    def head_values(self):
        """Returns a dict from the name of each variable of the head to its value."""
        return self._session.run({name: self._variables[name] for name in self._of_head})

    def graph_def(self, add_shapes=False):
        """Returns the network, from its fed node on, and what is trained, as a GraphDef."""
        graph_def = self._session.graph.as_graph_def(add_shapes=add_shapes)
        result = tf.GraphDef(versions=graph_def.versions)
        for node in graph_def.node:
            if node.name != _FED:
                inputs = [self._backbone.boundary if each == _FED else each for each in node.input]
                del node.input[:]
                node.input.extend(inputs)
                result.node.add().CopyFrom(node)
        if graph_def.library.function:
            result.library.CopyFrom(graph_def.library)
        return result

    def frozen_graph(self, test=None):
        """Returns the network and the head as trained so far, as one GraphDef of constants.

        The nodes of the network are those of its own file, to the byte, but for the values of the
        constants that the tail trained, and those that it folded: importing them writes out
        attributes that older TensorFlow and other tools do not know. Of the new ones, attributes
        that hold their default are left out for the same reason.

        Args:
          test: the `description.Test` that the description tells, or None.
        """
        frozen = tf.graph_util.convert_variables_to_constants(
            self._session, self.graph_def(), [self._output_name]
        )
        constants = {each.op.name: name for name, each in self._tail.items()}
        result = tf.GraphDef(versions=self._backbone.graph_def.versions)
        for node in versions.strip_defaults(frozen).node:
            if node.name in constants:
                trained = result.node.add()
                trained.CopyFrom(self._network_nodes[constants[node.name]])
                trained.attr['value'].CopyFrom(node.attr['value'])
            elif node.name not in self._tail and not node.name.startswith(gradients.SCOPE):
                result.node.add().CopyFrom(self._network_nodes.get(node.name, node))
        self._add_missing(result)
        if self._tail:
            _sort(result, self._output_name)
        if self._description is not None:
            description_lib.attach(result, self._output_name, self._description._replace(test=test))
        return result

    def _add_missing(self, frozen):
        """Adds what nodes of the network take, and their stand-ins in the training graph do not."""
        there = {node.name for node in frozen.node}
        own = [name for name in there if name in self._network_nodes]
        for node in build.needed(self._network_nodes.values(), own):
            if node.name not in there:
                frozen.node.add().CopyFrom(node)
        if self._backbone.graph_def.library.function:
            frozen.library.CopyFrom(self._backbone.graph_def.library)


def _variables_of(tail):
    """Returns a dict from the names of a tail's constants to their variables, which are zeros."""
    return {
        each.name: tf.Variable(
            tf.zeros(each.value.shape), trainable=trainable, name=gradients.SCOPE + each.name
        )
        for found, trainable in ((tail.constants, True), (tail.statistics, False))
        for each in found
    }


def _sort(graph_def, output_name):
    """Puts the nodes of a GraphDef that an output needs in the order of its computation.

    OpenCV fuses a batch norm only where its nodes come in this order, and reads no other one. That
    of networks differs; the graphs of a trained head keep it, for old ones to be met to the byte.
    """
    ordered = tf.GraphDef(node=build.needed(graph_def.node, [output_name]))
    del graph_def.node[:]
    graph_def.node.extend(ordered.node)


def check_final_tensor_name(backbone, name):
    """Raises UserError where the network of a backbone has a node of that name already."""
    nodes = {node.lower() for node in search.nodes_by_name(backbone.graph_def)}
    # TensorFlow tells names apart without their case, and no node has the name of a scope.
    taken = any(node == name.lower() or node.startswith(name.lower() + '/') for node in nodes)
    if taken or name.lower().split('/')[0] in head_lib.SCOPES:
        raise UserError(
            '--final_tensor_name=%s: %s, or the new layer, has a node or a scope of that name '
            'already; choose another, such as final_result' % (name, backbone.network.name)
        )
