"""What is asked of a graph that comes from outside, before anything is done with it.

A graph is a program. Most of its operations only compute; some read and write files, call Python,
open connections or end the process, and a stranger's graph has no business with these.
"""

import re

import tensorflow.compat.v1 as tf

from scripts.errors import UserError
from scripts.graphs import search, versions

_MOST_CONSTANT_BYTES = 2**31  # No file that holds them one by one is larger: protobuf's own bound.

# Operations with a state or an effect are refused but for these, which stay in memory.
_HARMLESS = re.compile(
    r'Assert|Print|CheckNumerics|DeepCopy|Empty|GuaranteeConst|Case|If|While|StatefulPartitionedCall'
    r'|(Parameterized)?TruncatedNormal|Random(StandardNormal|Uniform|UniformInt|Shuffle|Gamma|Crop'
    r'|Poisson|PoissonV2)|Multinomial|SampleDistortedBoundingBox(V2)?|Stateful(Uniform|UniformInt'
    r'|UniformFullInt|StandardNormal|StandardNormalV2|TruncatedNormal)'
    r'|TensorArray\w*|Stack(V2|PushV2|PopV2|CloseV2)?|HashTable(V2)?|InitializeTableV2'
    r'|LookupTable(Find|Size)V2|Variable(V2|Shape)?|TemporaryVariable|VarHandleOp'
    r'|VarIsInitializedOp|ReadVariableOp|Assign(Add|Sub)?VariableOp|ResourceGather(Nd)?'
)
# Operations without a state that reach outside of the graph all the same: they take the names of
# files, addresses or functions, have code compiled and run (Xla, Mlir), or end the process.
_REACHING_OUT = re.compile(
    r'ReadFile|MatchingFiles|PyFuncStateless|ImmutableConst|InitializeTableFromTextFile'
    r'|GenerateVocabRemapping|GenerateBigQueryReaderPartitions|(Decode|Encode)Proto\w*'
    r'|Debug\w*|Copy(Host)?|Abort|RemoteFusedGraphExecute|TPU\w*|Reader\w*|Batch(Function)?'
    r'|Unbatch(Grad)?|\w*Dataset\w*|\w*Iterator\w*|_?Xla\w*|Mlir\w*'
)
# What newer TensorFlow writes for what older TensorFlow always does, where that is not 0 or empty.
_DEFAULTS = {'exponential_avg_factor': 1.0, 'incompatible_shape_error': True}


def check_operations(graph_def):
    """Raises UserError where a graph has operations that are unknown here, or not harmless.

    Args:
      graph_def: a GraphDef; the functions in it count as well.
    """
    functions = {function.signature.name for function in graph_def.library.function}
    nodes = [node for node in _all_nodes(graph_def) if node.op not in functions]
    op_defs = _op_defs(nodes)
    unknown = sorted({node.op for node in nodes if op_defs[node.op] is None})
    if unknown:
        raise UserError(
            'TensorFlow %s has no operation %s: the graph is of a newer TensorFlow or needs an '
            'extension; make it with TensorFlow %s' % (tf.VERSION, _listed(unknown), tf.VERSION)
        )
    refused = sorted({node.op for node in nodes if not _is_harmless(op_defs[node.op])})
    if refused:
        first = next(node.name for node in nodes if node.op == refused[0])
        raise UserError(
            'the graph is refused: running it may read or write files, run other code or wait '
            'for other programs, by %s (such as the node %s); expected a frozen graph, as retrain '
            'writes it' % (_listed(refused), first)
        )


def check_structure(graph_def, origin):
    """Raises UserError unless names are unique, inputs come first, and constants have a sane size.

    Args:
      graph_def: a GraphDef.
      origin: what a message calls it.
    """
    names = set()
    for node in graph_def.node:
        if not node.name or node.name in names:
            raise UserError(
                '%s has two nodes named %r: it was put together wrongly' % (origin, node.name)
            )
        names.add(node.name)
    for node in graph_def.node:
        for each in node.input:
            if search.node_name(each) not in names:
                raise UserError(
                    '%s is cut short or was put together wrongly: the node %s takes %s, which it '
                    'does not have' % (origin, node.name, each)
                )
    _check_order(graph_def, origin)
    size = sum(
        _tensor_bytes(value.tensor, node, origin)
        for node in _all_nodes(graph_def)
        for value in node.attr.values()
        if value.HasField('tensor')
    )
    if size > _MOST_CONSTANT_BYTES:
        raise UserError(
            '%s holds constants that would take %d MB of memory, and at most %d are loaded'
            % (origin, size >> 20, _MOST_CONSTANT_BYTES >> 20)
        )


def drop_unknown_defaults(graph_def, origin):
    """Takes attributes away that this TensorFlow does not know, where they say what it does anyway.

    Newer TensorFlow writes out attributes, such as `explicit_paddings`, that older ones refuse.

    Args:
      graph_def: a GraphDef, which is changed.
      origin: what a message calls it.

    Raises:
      UserError: an unknown attribute asks for something else.
    """
    nodes = list(_all_nodes(graph_def))
    op_defs = _op_defs(nodes)
    for node in nodes:
        if op_defs[node.op] is None:
            continue
        known = {attribute.name for attribute in op_defs[node.op].attr}
        for key in [key for key in node.attr if key not in known and not key.startswith('_')]:
            if not _is_default(key, node.attr[key]):
                raise UserError(
                    '%s is of a newer TensorFlow: the node %s (%s) has the attribute %s, which '
                    'TensorFlow %s does not know; make it with that version'
                    % (origin, node.name, node.op, key, tf.VERSION)
                )
            del node.attr[key]


def _check_order(graph_def, origin):
    """Raises UserError where nodes wait for each other; only a loop's own steps back may do so."""
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


def _is_harmless(op_def):
    if op_def.is_stateful:
        return _HARMLESS.fullmatch(op_def.name) is not None
    return _REACHING_OUT.fullmatch(op_def.name) is None


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
        raise UserError(
            '%s is damaged: the constant %s has no type of values' % (origin, node.name)
        )


def _listed(names):
    return ', '.join(names[: search.NAMES_IN_A_MESSAGE]) + (
        ' and %d more' % (len(names) - search.NAMES_IN_A_MESSAGE)
        if len(names) > search.NAMES_IN_A_MESSAGE
        else ''
    )
