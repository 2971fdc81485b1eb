"""Validates untrusted graphs, before anything is done with them.

A graph is a program. Most of its operations only compute; some read and write files, call Python,
open connections or end the process, which untrusted input must not do. What may run is an
allowlist, `allowed_ops`: an operation that was not reviewed is refused.
"""

import re

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from scripts.common.errors import UserError
from scripts.graphs import build, search, versions
from scripts.graphs.allowed_ops import ALLOWED

_MOST_CONSTANT_BYTES = 2**31  # No file that holds them one by one is larger: protobuf's own bound.

# Attributes that make XLA compile a node or a function, to run as machine code or on a TPU.
_COMPILING = ('_xla', '_tpu')
_COMPILING_DEVICE = re.compile('XLA|TPU', re.IGNORECASE)
_CONFIGS = ('config', 'config_proto')  # A function's own ConfigProto.

# Defaults, other than 0 or empty, of attributes that only newer TensorFlow knows.
_DEFAULTS = {'exponential_avg_factor': 1.0, 'incompatible_shape_error': True}


def check_operations(graph_def):
    """Raises UserError where a graph has operations that TensorFlow lacks, or that are not allowed.

    Args:
      graph_def: a GraphDef; the functions in it count as well.
    """
    nodes = list(_all_nodes(graph_def))
    op_defs = _op_defs(nodes)
    # A function does not make an operation of the same name its own.
    functions = {function.signature.name for function in graph_def.library.function}
    functions -= {op for op, op_def in op_defs.items() if op_def is not None}
    nodes = [node for node in nodes if node.op not in functions]
    unknown = sorted({node.op for node in nodes if op_defs[node.op] is None})
    if unknown:
        raise UserError(
            'TensorFlow %s has no operation %s: the graph is from a newer TensorFlow or needs an '
            'extension; export it with TensorFlow %s' % (tf.VERSION, _listed(unknown), tf.VERSION)
        )
    refused = sorted({node.op for node in nodes if node.op not in ALLOWED})
    if refused:
        first = next(node.name for node in nodes if node.op == refused[0])
        raise UserError(
            'the graph is refused: running it may read or write files, run other code or wait '
            'for other programs, by %s (such as the node %s); expected a frozen graph, as retrain '
            'writes it' % (_listed(refused), first)
        )
    _check_not_compiled(graph_def)


def check_engines(graph_def, origin):
    """Raises UserError where a graph holds a serialized TensorRT engine, which is machine code.

    Args:
      graph_def: a GraphDef; the functions in it count as well.
      origin: what a message calls it.
    """
    for node in _all_nodes(graph_def):
        if node.op == 'TRTEngineOp' and build.attribute(node, 'serialized_segment').s:
            raise UserError(
                '%s holds a TensorRT engine, in the node %s: machine code, which cannot be '
                'validated; if you trust its source, label_image and evaluate run it '
                'with --allow_tensorrt_engines' % (origin, node.name)
            )


def check_structure(graph_def, origin):
    """Raises UserError unless names are unique, inputs come first, and constants have a sane size.

    Args:
      graph_def: a GraphDef.
      origin: what a message calls it.
    """
    names, later = set(), []
    for node in graph_def.node:
        name = node.name
        if not name or name in names:
            raise UserError('%s is malformed: it has two nodes named %r' % (origin, name))
        later += [(name, each) for each in node.input if search.node_name(each) not in names]
        names.add(name)
    for name, each in later:
        if search.node_name(each) not in names:
            raise UserError(
                '%s is truncated or malformed: the node %s takes %s, which it does not have'
                % (origin, name, each)
            )
    if later:
        _check_order(graph_def, origin)
    size = sum(
        _tensor_bytes(value.tensor, node, origin)
        for node in _all_nodes(graph_def)
        for value in node.attr.values()
        if value.HasField('tensor')
    )
    if size > _MOST_CONSTANT_BYTES:
        raise UserError(
            '%s holds constants that would take %d MB of memory; at most %d MB are loaded'
            % (origin, size >> 20, _MOST_CONSTANT_BYTES >> 20)
        )


def drop_unknown_defaults(graph_def, origin):
    """Removes attributes that this TensorFlow does not know, where they hold their defaults.

    Newer TensorFlow writes attributes, such as `explicit_paddings`, that older versions refuse.

    Args:
      graph_def: a GraphDef, which is changed.
      origin: what a message calls it.

    Raises:
      UserError: an unknown attribute holds another value.
    """
    nodes = list(_all_nodes(graph_def))
    known = {
        op: op_def and {attribute.name for attribute in op_def.attr}
        for op, op_def in _op_defs(nodes).items()
    }
    for node in nodes:
        here = known[node.op]
        if here is None:
            continue
        for key in [key for key in node.attr if key not in here and not key.startswith('_')]:
            if not _is_default(key, node.attr[key]):
                raise UserError(
                    '%s was written by a newer TensorFlow: the node %s (%s) has the attribute %s, '
                    'which TensorFlow %s does not know; export it with that version'
                    % (origin, node.name, node.op, key, tf.VERSION)
                )
            del node.attr[key]


def _check_order(graph_def, origin):
    """Raises UserError where a graph has a cycle other than a loop through NextIteration."""
    waiting = {}
    for node in graph_def.node:
        waiting[node.name] = 0 if node.op == 'NextIteration' else len(node.input)
    ready = [name for name, count in waiting.items() if not count]
    users = {name: [] for name in waiting}
    for node in graph_def.node:
        for each in node.input if node.op != 'NextIteration' else ():
            users[search.node_name(each)].append(node.name)
    while ready:
        name = ready.pop()
        del waiting[name]
        for user in users[name]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    if waiting:
        raise UserError(
            '%s has a cycle: the node %s waits for its own output' % (origin, sorted(waiting)[0])
        )


def _all_nodes(graph_def):
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


def _op_defs(nodes):
    """Returns a dict from each operation of the nodes to its OpDef, None where there is none."""
    return {op: versions.op_def(op) for op in {node.op for node in nodes}}


def _check_not_compiled(graph_def):
    """Raises UserError where an attribute or a device makes XLA compile a part of a graph."""
    for node in _all_nodes(graph_def):
        found = _compiled_by(node.attr)
        if _COMPILING_DEVICE.search(node.device):
            found = 'device ' + node.device
        if found is not None:
            _refuse_compiling('node', node.name, found)
    for function in graph_def.library.function:
        found = _compiled_by(function.attr)
        if found is not None:
            _refuse_compiling('function', function.signature.name, found)


def _refuse_compiling(kind, name, found):
    raise UserError(
        'the graph is refused: the %s %s has the %s, by which TensorFlow would compile a part of '
        'it and run that; make the graph without XLA (no jit_compile, no jit_scope)'
        % (kind, name, found)
    )


def _compiled_by(attributes):
    """Returns which of the attributes of a node or function makes XLA compile it, or None."""
    for key, value in attributes.items():
        if key.startswith('_') and key.lower().startswith(_COMPILING):
            if not _is_default(key, value):
                return 'attribute ' + key
        elif key in _CONFIGS and _is_jit_config(value.s):
            return 'attribute %s with a global_jit_level' % key
        for function in _functions_in(value):
            found = _compiled_by(function.attr)
            if found is not None:
                return found
    return None


def _functions_in(value):
    """Returns the functions, with attributes of their own, that an attribute's value names."""
    kind = value.WhichOneof('value')
    return [value.func] if kind == 'func' else value.list.func if kind == 'list' else ()


def _is_jit_config(data):
    config = tf.ConfigProto()
    try:
        config.ParseFromString(data)
    except DecodeError:
        return False  # TensorFlow refuses it, too.
    options = config.graph_options.optimizer_options
    return options.global_jit_level not in (options.DEFAULT, options.OFF)


def _is_default(key, value):
    kind = value.WhichOneof('value')
    if kind is None or kind == 'list':
        return not value.list.ByteSize()
    return getattr(value, kind) == _DEFAULTS.get(key, type(getattr(value, kind))())


def _tensor_bytes(tensor, node, origin):
    count = 1
    for dim in tensor.tensor_shape.dim:
        count *= max(dim.size, 0)
    try:
        return count * tf.as_dtype(tensor.dtype).size
    except TypeError:
        raise UserError('%s is corrupt: the constant %s has no dtype' % (origin, node.name))


def _listed(names):
    return ', '.join(names[: search.NAMES_IN_A_MESSAGE]) + (
        ' and %d more' % (len(names) - search.NAMES_IN_A_MESSAGE)
        if len(names) > search.NAMES_IN_A_MESSAGE
        else ''
    )
