"""Reads SavedModels, also modules of TensorFlow Hub, without running what is in them.

TensorFlow's own loader runs the operations that a file names to restore its variables and to
initialize it. Here the nodes that one signature needs are taken, and the values of its variables
are read from the checkpoint.
"""

import functools
import operator
import os
import typing

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from scripts.common import files
from scripts.common.errors import UserError
from scripts.graphs import build, graph_files, search, validation, versions
from scripts.importing import inlining
from scripts.importing import source as source_lib

_GRAPH, _VARIABLES = 'saved_model.pb', os.path.join('variables', 'variables')
_MOST_BYTES = 1 << 31
_TRAIN = 'train'
_SIGNATURES = ('serving_default', 'default', 'image_feature_vector')  # The most usual first.
_INIT_SIGNATURE = '__saved_model_init_op'
_OBJECT_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_ASSIGN = ('Assign', 'AssignVariableOp')
_LONGEST_CHAIN = 20
_RESTORED = '_restored'
# What TensorFlow raises of a checkpoint; IndexError: TensorFlow 2, of one that is truncated.
_UNREADABLE = (tf.errors.OpError, ValueError, RuntimeError, MemoryError, IndexError)
_PASSED = ('Identity', 'Reshape', 'Cast')  # From what is restored to what is assigned.


class Place(typing.NamedTuple):
    """Where a variable is in a checkpoint: its key, and the slices of it, or None for all."""

    key: str
    slices: typing.Optional[typing.Tuple[slice, ...]] = None


def read(folder, nodes):
    """Returns the `source.Source` of a SavedModel.

    Args:
      folder: of the SavedModel.
      nodes: the `settings.Nodes` that are meant.

    Raises:
      UserError: there is none, or it is corrupt or refused.
    """
    path = os.path.join(folder, _GRAPH)
    meta_graph = _meta_graph(files.read(path, 'SavedModel'), path)
    graph_def = meta_graph.graph_def
    validation.check_structure(graph_def, path)
    signature = _signature(meta_graph, nodes.signature, path)
    input_name = _input(signature, graph_def, nodes.input, path)
    output = _output(signature, graph_def, nodes.output, path)
    checkpoint = os.path.join(folder, _VARIABLES)

    def read_variables(found):
        return _read_variables(meta_graph, found, checkpoint)

    return source_lib.make(graph_def, input_name, output, read_variables, path)


def _meta_graph(data, path):
    """Returns the MetaGraphDef to import: the one to serve, else one that is not for training."""
    message = versions.SavedModel()
    if not graph_files.parse_message(message, data):
        raise UserError('%s is corrupt: it does not parse as a SavedModel' % path)
    found = [each for each in message.meta_graphs if each.graph_def.node]
    if not found:
        raise UserError('%s holds no graph: it is corrupt or no SavedModel' % path)

    def unfit(meta_graph):
        tags = meta_graph.meta_info_def.tags
        return tf.saved_model.tag_constants.SERVING not in tags, _TRAIN in tags

    return min(found, key=unfit)


def _signature(meta_graph, name, path):
    """Returns the SignatureDef of a name, or the usual one."""
    signatures = dict(meta_graph.signature_def)
    signatures.pop(_INIT_SIGNATURE, None)
    if name is not None and name not in signatures or not signatures:
        raise UserError(
            '%s has no signature%s; it has %s'
            % (path, '' if name is None else ' ' + name, _listed(signatures) or 'none')
        )
    if name is not None:
        return signatures[name]
    usual = [each for each in _SIGNATURES if each in signatures]
    if not usual and len(signatures) > 1:
        raise UserError(
            '%s has the signatures %s: choose one by --signature' % (path, _listed(signatures))
        )
    return signatures[usual[0] if usual else sorted(signatures)[0]]


def _input(signature, graph_def, name, path):
    """Returns the name of the node that takes images."""
    if name is not None and name not in signature.inputs:
        return search.require_node(graph_def, name, signature.inputs).name
    found = {
        key: info
        for key, info in signature.inputs.items()
        if key == name or name is None and info.dtype == tf.float32.as_datatype_enum
    }
    if len(found) != 1:
        raise UserError(
            '%s takes %s; expected one input of float32 images: choose an input or a node by '
            '--input_layer' % (path, _described(signature.inputs) or 'nothing')
        )
    ((key, info),) = found.items()
    if info.dtype != tf.float32.as_datatype_enum or not info.name:
        raise UserError(
            '%s: the input %s takes %s, expected float32; choose the node behind its decoding by '
            '--input_layer' % (path, key, _described({key: info}))
        )
    return search.node_name(info.name)


def _output(signature, graph_def, name, path):
    """Returns the name of the output tensor."""
    outputs = dict(signature.outputs)
    if name is not None and name not in outputs:
        return search.require_node(graph_def, name, outputs).name + ':0'
    floats = [
        key
        for key, info in outputs.items()
        if info.dtype == tf.float32.as_datatype_enum and info.name
    ]
    if name is None and len(floats) > 1 and 'default' in floats:
        floats = ['default']  # Modules of TensorFlow Hub give their inner layers, too.
    keys = [each for each in floats if name in (None, each)]
    if len(keys) != 1:
        raise UserError(
            '%s gives %s; expected one output of float32: choose one by --output_layer'
            % (path, _described(outputs) or 'nothing')
        )
    return outputs[keys[0]].name


def _described(infos):
    return _listed(
        '%s (%s)' % (key, tf.as_dtype(info.dtype).name if info.dtype in _DTYPES else 'unknown')
        for key, info in infos.items()
    )


_DTYPES = {each.as_datatype_enum for each in (
    tf.float16, tf.float32, tf.float64, tf.int32, tf.int64, tf.uint8, tf.int8, tf.string, tf.bool
)}  # fmt: skip


def _listed(names):
    names = sorted(names)
    more = ' and %d more' % (len(names) - 8) if len(names) > 8 else ''
    return ', '.join(names[:8]) + more


def _read_variables(meta_graph, nodes, checkpoint):
    """Returns a dict from the name of each variable's node to its value in a checkpoint."""
    try:
        reader = tf.train.load_checkpoint(checkpoint)
        shapes = reader.get_variable_to_shape_map()
        dtypes = reader.get_variable_to_dtype_map()
    except _UNREADABLE as error:
        raise UserError('cannot read the variables %s: %s' % (checkpoint, _first_line(error)))
    places = _from_restoring(meta_graph)
    places.update(_from_objects(meta_graph, reader, shapes))
    found, size = {}, 0
    for node in nodes:
        shared = node.attr['shared_name'].s.decode('utf-8', 'replace') or node.name
        place = places.get(node.name, Place(shared))
        if place.key not in shapes:
            raise UserError('%s holds no value of the variable %s' % (checkpoint, node.name))
        dtype = tf.as_dtype(dtypes[place.key])
        if dtype.as_datatype_enum != node.attr['dtype'].type or not _is_number(dtype):
            raise UserError('%s holds %s for the variable %s' % (checkpoint, dtype.name, node.name))
        size += functools.reduce(operator.mul, map(int, shapes[place.key]), dtype.size)
        if size > _MOST_BYTES:
            raise UserError(
                '%s holds variables of more than %d MB' % (checkpoint, _MOST_BYTES >> 20)
            )
        found[node.name] = _value(reader, place, node, checkpoint)
    return found


def _is_number(dtype):
    return dtype.is_floating or dtype.is_integer or dtype.is_bool


def _value(reader, place, node, checkpoint):
    try:
        value = reader.get_tensor(place.key)
    except _UNREADABLE as error:
        raise UserError('cannot read the variables %s: %s' % (checkpoint, _first_line(error)))
    if place.slices is not None:
        value = value[place.slices]
    shape = tf.TensorShape(node.attr['shape'].shape) if 'shape' in node.attr else None
    if shape is not None and not shape.is_compatible_with(value.shape):
        raise UserError(
            '%s holds a value of shape %s for the variable %s, expected %s'
            % (checkpoint, list(value.shape), node.name, shape)
        )
    return value


def _first_line(error):
    return versions.what_failed(error) or type(error).__name__


def _from_objects(meta_graph, reader, shapes):
    """Returns a dict from nodes of variables to places: as TensorFlow 2 saves them.

    The object graph says which objects a function captures, and the checkpoint which keys they
    have.
    """
    objects = meta_graph.object_graph_def
    if not objects.nodes or _OBJECT_GRAPH not in shapes:
        return {}
    try:
        keys = versions.checkpoint_keys(reader.get_tensor(_OBJECT_GRAPH))
    except (DecodeError, TypeError) + _UNREADABLE as error:
        raise UserError('the object graph of the checkpoint is corrupt: %s' % _first_line(error))
    places = {}
    for node in meta_graph.graph_def.node:
        function = inlining.called_function(node)
        if function not in objects.concrete_functions:
            continue
        bound = list(objects.concrete_functions[function].bound_inputs)
        captured = [each for each in node.input if not each.startswith('^')]
        for name, number in zip(captured[len(captured) - len(bound) :], bound):
            if keys.get(number):
                places[search.node_name(name)] = Place(keys[number])
    return places


def _from_restoring(meta_graph):
    """Returns a dict from nodes of variables to places: what the operation that restores does."""
    name = search.node_name(meta_graph.saver_def.restore_op_name)
    graph_def = meta_graph.graph_def
    if name not in search.nodes_by_name(graph_def):
        return {}
    restored = tf.GraphDef()
    restored.CopyFrom(graph_def)
    restored.node.add(name=_RESTORED, op='NoOp', input=['^' + name])
    try:
        graph_def = inlining.inline(restored, [_RESTORED], keep_control=True)
        nodes = search.nodes_by_name(graph_def)
    except UserError:  # What restores may hold anything; it is not run.
        return {}
    places = {}
    for node in graph_def.node:
        if node.op in _ASSIGN and len(node.input) >= 2:
            place = _restored(nodes, node.input[1])
            if place is not None:
                places[search.node_name(node.input[0])] = place
    return places


def _restored(nodes, name):
    """Returns the place that a tensor is restored from, or None."""
    node = nodes.get(search.node_name(name))
    for _ in range(_LONGEST_CHAIN):
        if node is None or node.op not in _PASSED or not node.input:
            break
        name = node.input[0]
        node = nodes.get(search.node_name(name))
    if node is None or node.op != 'RestoreV2' or len(node.input) < 3:
        return None
    index = build.output_index(name)
    values = []
    for each in node.input[1:3]:
        constant = nodes.get(search.node_name(each))
        is_constant = constant is not None and constant.op == 'Const'
        strings = build.value_or_none(constant) if is_constant else None
        if strings is None or index >= strings.size or strings.dtype != object:
            return None
        values.append(strings.reshape(-1)[index].decode('utf-8', 'replace'))
    return Place(values[0], _slices(values[1]))


def _slices(text):
    """Returns the slices that TensorFlow writes as '64 3 0,32:-' (shape, start and length)."""
    if not text:
        return None
    made = []
    for part in text.split(' ')[-1].split(':'):
        start, _, length = part.partition(',')
        if part == '-':
            made.append(slice(None))
        elif start.isdigit() and length.isdigit():
            made.append(slice(int(start), int(start) + int(length)))
        else:
            raise UserError('the checkpoint names the slice %r of a variable' % text[:60])
    return tuple(made)
