"""Makes a frozen graph of a source: one that both lines of TensorFlow, and other tools, can run."""

import re
import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search, versions
from scripts.importing import inlining
from scripts.importing import source as source_lib

INPUT = 'input'
_OUTPUT = '_imported_output'
_BATCH_NORMS = ('FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3')
_CALL = re.compile(r'(?:Stateful)?PartitionedCall(?:_\d+)?/(?=.)')
_PASS_ON = ('IdentityN', 'ReadVariableOp', 'RefIdentity')
# What keeps a state, or waits for it: no part of a frozen graph.
_STATE = ('Variable', 'Table', 'TensorArray', 'Stack', 'Queue', 'Iterator', 'Assign', 'VarHandle')


class Frozen(typing.NamedTuple):
    """A frozen graph, fed at INPUT, and the name of its output node."""

    graph_def: tf.GraphDef
    output_name: str


def freeze(source, shape, bgr):
    """Returns a source as `Frozen`.

    Args:
      source: a `source.Source`.
      shape: list of int, `[height, width, channels]` of its input.
      bgr: whether the source takes blue first; the frozen graph takes red first.

    Raises:
      UserError: it cannot be frozen.
    """
    graph_def = tf.GraphDef()
    graph_def.CopyFrom(source.graph_def)
    graph_def.node.add(name=_OUTPUT, op='Identity', input=[source.output])
    graph_def.node[-1].attr['T'].type = tf.float32.as_datatype_enum
    _make_constants(graph_def, source.variables)
    _use_defaults(graph_def, source.input_name)
    graph_def = inlining.inline(graph_def, [_OUTPUT])
    graph_def = _without_constant_switches(graph_def)
    graph_def = _without_reads(graph_def)
    graph_def = source_lib.with_reachable_functions(build.subgraph(graph_def, [_OUTPUT]))
    graph_def = _with_input(graph_def, source.input_name, shape, bgr)
    _check_inference(graph_def)
    output_name = _real_output(graph_def)
    graph_def = build.subgraph(graph_def, [output_name])
    _strip(graph_def)
    graph_def, output_name = _short_names(graph_def, output_name)
    return Frozen(versions.strip_defaults(graph_def), output_name)


def _make_constants(graph_def, variables):
    """Makes the nodes of variables constants, which is done in place."""
    for node in graph_def.node:
        if node.name in variables:
            node.CopyFrom(build.constant(node.name, variables[node.name]))


def _use_defaults(graph_def, input_name):
    """Makes what may be fed, such as Keras' learning phase, its default, in place."""
    for node in graph_def.node:
        if node.op == 'PlaceholderWithDefault' and node.name != input_name:
            node.op = 'Identity'
            node.attr['T'].CopyFrom(node.attr['dtype'])
            del node.attr['dtype']
            node.attr.pop('shape', None)


def _without_reads(graph_def):
    """Returns a GraphDef in which the constants that were variables are read as such.

    An IdentityN, which TensorFlow 2 makes for swish, has no gradient: what it passes on is taken
    in its place.
    """
    targets, nodes = {}, []
    for node in graph_def.node:
        is_handle = build.attribute(node, 'T').type == tf.resource.as_datatype_enum
        if node.op in _PASS_ON or (node.op == 'Identity' and is_handle):
            targets.update(
                ('%s:%d' % (node.name, number) if number else node.name, each)
                for number, each in enumerate(node.input)
            )
        elif node.op == 'ResourceGather':
            nodes += _gather(node)
        else:
            nodes.append(node)
    return build.graph(build.rewire(nodes, targets), graph_def)


def _gather(node):
    axis = build.constant(node.name + '/axis', np.int32(0))
    result = build.node('GatherV2', node.name, list(node.input) + [axis.name])
    result.attr['Tparams'].CopyFrom(node.attr['dtype'])
    result.attr['Tindices'].CopyFrom(node.attr['Tindices'])
    result.attr['Taxis'].type = tf.int32.as_datatype_enum
    return [axis, result]


def _without_constant_switches(graph_def):
    """Returns a GraphDef without the branches that are never taken, as for training."""
    by_name = search.nodes_by_name(graph_def)
    targets, dead = {}, set()
    for node in graph_def.node:
        if node.op not in ('Switch', 'RefSwitch') or len(node.input) < 2:
            continue
        condition = inlining.constant_condition(node.input[1], by_name)
        if condition is not None:
            taken, other = (':1', '') if condition else ('', ':1')
            targets[node.name + taken] = node.input[0]
            dead.add(node.name + other)
    if not targets:
        return graph_def
    _spread(graph_def, dead)
    for node in graph_def.node:
        if node.op in ('Merge', 'RefMerge'):
            alive = [each for each in node.input if _tensor(each) not in dead]
            if len(alive) == 1 and len(node.input) > 1:
                targets[node.name] = alive[0]
    return build.graph(build.rewire(graph_def.node, targets), graph_def)


def _spread(graph_def, dead):
    """Adds to `dead`, a set of tensor names, what depends on them."""
    users = {}
    for node in graph_def.node:
        for each in node.input:
            users.setdefault(_tensor(each), []).append(node)
    waiting = list(dead)
    while waiting:
        for node in users.get(waiting.pop(), ()):
            merges = node.op in ('Merge', 'RefMerge')
            if merges and not all(_tensor(each) in dead for each in node.input):
                continue
            more = {node.name, node.name + ':1'} - dead
            dead |= more
            waiting += more


def _tensor(name):
    return name[:-2] if name.endswith(':0') else name


def _with_input(graph_def, name, shape, bgr):
    """Returns a GraphDef fed at INPUT with red first, for batches of any size."""
    nodes = []
    taken = {node.name for node in graph_def.node}
    renamed = {}
    if name != INPUT and INPUT in taken:
        renamed[INPUT] = next(
            each for each in ('%s_%d' % (INPUT, number) for number in range(len(taken) + 1))
            if each not in taken
        )  # fmt: skip
    fed = INPUT + '/bgr' if bgr else INPUT
    targets = dict(renamed, **({} if name == fed else {name: fed}))
    for node in build.rewire([each for each in graph_def.node if each.name != name], targets):
        node.name = renamed.get(node.name, node.name)
        nodes.append(node)
    placeholder = build.node('Placeholder', INPUT, [], dtype=tf.float32)
    placeholder.attr['shape'].shape.CopyFrom(tf.TensorShape([None] + list(shape)).as_proto())
    return build.graph([placeholder] + (_reversal() if bgr else []) + nodes, graph_def)


def _reversal():
    """Returns the nodes that swap red and blue: a convolution, which every tool can take."""
    kernel = np.eye(3, dtype=np.float32)[np.newaxis, np.newaxis, :, ::-1]
    convolution = build.node(
        'Conv2D',
        INPUT + '/bgr',
        [INPUT, INPUT + '/bgr/kernel'],
        T=tf.float32,
        strides=[1, 1, 1, 1],
        padding=b'VALID',
    )
    return [build.constant(INPUT + '/bgr/kernel', kernel), convolution]


def _check_inference(graph_def):
    """Raises UserError where a node keeps a state, or normalizes by the batch, as in training."""
    for node in source_lib.all_nodes(graph_def):
        if node.op in _BATCH_NORMS:
            training = node.attr['is_training'].b if 'is_training' in node.attr else True
            if training:
                raise UserError(
                    'the node %s (%s) computes its mean and variance from the batch: export the '
                    'network in inference mode (training=False)' % (node.name, node.op)
                )
        if node.op == 'Placeholder' and node.name != INPUT:
            raise UserError(
                'the output needs the node %s to be fed, too; expected one input: choose another '
                'one by --input_layer or --output_layer' % node.name
            )
        if any(word in node.op for word in _STATE):
            raise UserError(
                'the node %s (%s) keeps a state, which no frozen graph can hold: choose another '
                'output by --output_layer, or export the network without it' % (node.name, node.op)
            )


def _real_output(graph_def):
    """Returns the name of the node whose output is passed on to _OUTPUT."""
    nodes = search.nodes_by_name(graph_def)
    name = _OUTPUT
    while nodes[name].op == 'Identity':
        first = nodes[name].input[0]
        if build.output_index(first) or nodes[search.node_name(first)].op == 'Placeholder':
            break
        name = search.node_name(first)
    return name


def _strip(graph_def):
    """Removes, in place, what only TensorFlow's own tools write beside a network."""
    for node in source_lib.all_nodes(graph_def):
        for key in [key for key in node.attr if key.startswith('_')]:
            del node.attr[key]


def _short_names(graph_def, output_name):
    """Returns a GraphDef without the scopes of the calls that its nodes were in, and its output."""
    scoped = True
    while scoped:
        names = {node.name for node in graph_def.node}
        scopes = [_CALL.match(name) for name in names]
        shorter = {each.string: each.string[each.end() :] for each in scopes if each}
        scoped = bool(shorter)
        if len(set(shorter.values()) | (names - set(shorter))) < len(names):
            break  # Two nodes would have one name.
        for node in graph_def.node:
            node.name = shorter.get(node.name, node.name)
            for place, each in enumerate(node.input):
                bare = search.node_name(each)
                node.input[place] = each.replace(bare, shorter.get(bare, bare), 1)
        output_name = shorter.get(output_name, output_name)
    return graph_def, output_name
