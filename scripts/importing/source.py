"""A network to import: a graph with its variables, validated, and run as it is."""

import typing

import numpy as np
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search, session, validation, versions
from scripts.graphs.importing import as_graph, import_graph

# Ops that make a variable. The first two give a reference, the third a handle.
REFERENCES, HANDLE = ('Variable', 'VariableV2'), 'VarHandleOp'


class Source(typing.NamedTuple):
    """What is imported.

    graph_def: what the output needs, validated; its functions as well.
    input_name: the node that is fed, a placeholder.
    output: the name of the output tensor, such as `StatefulPartitionedCall:0`.
    variables: a dict from the name of each variable's node to its value.
    """

    graph_def: tf.GraphDef
    input_name: str
    output: str
    variables: typing.Dict[str, np.ndarray]


def make(graph_def, input_name, output, read_variables, origin):
    """Returns a `Source`, before which nothing of a graph is run.

    Args:
      graph_def: a GraphDef whose structure was checked.
      input_name: the node that is fed; one that is no placeholder is made one.
      output: the name of the output tensor.
      read_variables: takes the list of the variables' NodeDefs and returns the dict of values.
      origin: what a message calls the graph.

    Raises:
      UserError: what the output needs is not allowed, or does not depend on the input.
    """
    nodes = search.nodes_by_name(graph_def)
    for name in (input_name, output):
        if search.node_name(name) not in nodes:
            raise UserError('%s has no node %s' % (origin, search.node_name(name)))
    if search.node_name(output) not in search.downstream(graph_def, input_name):
        raise UserError(
            '%s: the output %s does not depend on the input %s' % (origin, output, input_name)
        )
    if nodes[input_name].op != 'Placeholder':
        graph_def = _cut(graph_def, input_name)
    graph_def = build.subgraph(graph_def, [search.node_name(output)])
    graph_def = with_reachable_functions(graph_def)
    _check_allowed(graph_def, origin)
    validation.drop_unknown_defaults(graph_def, origin)
    graph_def = _without_devices(graph_def)
    as_graph(graph_def)  # From here on each node has the inputs that its op takes.
    found = [node for node in graph_def.node if node.op in REFERENCES + (HANDLE,)]
    variables = read_variables(found) if found else {}
    return Source(graph_def, input_name, output, variables)


def _cut(graph_def, name):
    """Returns a GraphDef in which a node that computes is a placeholder."""
    placeholder = build.node('Placeholder', name, [], dtype=tf.float32)
    nodes = [placeholder if node.name == name else node for node in graph_def.node]
    return build.graph(nodes, graph_def)


def _check_allowed(graph_def, origin):
    try:
        validation.check_operations(graph_def)
    except UserError as error:
        raise UserError('%s: %s' % (origin, error))
    for node in all_nodes(graph_def):
        if node.op == 'TRTEngineOp':
            raise UserError(
                '%s is refused: the node %s is a TensorRT engine, which runs on one kind of GPU '
                'only; import the network that it was made from' % (origin, node.name)
            )


def all_nodes(graph_def):
    """Yields the NodeDefs of a GraphDef and of the functions in it."""
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


def with_reachable_functions(graph_def):
    """Returns a GraphDef without the functions that none of its nodes can reach."""
    functions = {each.signature.name: each for each in graph_def.library.function}
    gradients = {each.function_name: each.gradient_func for each in graph_def.library.gradient}
    kept, waiting = [], list(_functions_of(graph_def.node, functions))
    seen = set(waiting)
    while waiting:
        function = functions[waiting.pop()]
        kept.append(function)
        others = set(_functions_of(function.node_def, functions))
        others.update(
            gradients[each]
            for each in list(others) + [function.signature.name]
            if gradients.get(each) in functions
        )
        waiting += sorted(others - seen)
        seen |= others
    result = tf.GraphDef(versions=graph_def.versions)
    result.node.extend(graph_def.node)
    result.library.function.extend(sorted(kept, key=lambda each: each.signature.name))
    result.library.gradient.extend(
        each for each in graph_def.library.gradient if each.function_name in seen
    )
    return result


def _functions_of(nodes, functions):
    for node in nodes:
        if node.op in functions:
            yield node.op
        for value in node.attr.values():
            for each in [value.func] + list(value.list.func):
                if each.name in functions:
                    yield each.name


def _without_devices(graph_def):
    """Returns a copy of a GraphDef that runs where these commands run."""
    result = tf.GraphDef()
    result.CopyFrom(graph_def)
    for node in all_nodes(result):
        node.device = ''
    return result


def run(source, images):
    """Returns what a source gives for images, one at a time: an array `[batch, ...]`.

    Args:
      source: a `Source`.
      images: float32 `[batch, height, width, channels]`, as the source takes them.

    Raises:
      UserError: it cannot be run.
    """
    graph = tf.Graph()
    with graph.as_default():
        placeholder = tf.placeholder(tf.float32, [None] + list(images.shape[1:]))
        (output,) = import_graph(
            source.graph_def, [source.output], {source.input_name + ':0': placeholder}
        )
        assigned = [
            _assignment(graph, name, value) for name, value in sorted(source.variables.items())
        ]
    with session.open_session(graph) as running:
        try:
            for operation, value_tensor, value in assigned:
                running.run(operation, {value_tensor: value})
            outputs = [running.run(output, {placeholder: image[np.newaxis]}) for image in images]
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(
                'TensorFlow cannot run the network on images of %d x %d pixels: %s'
                % (images.shape[1], images.shape[2], versions.what_failed(error))
            )
    return np.concatenate(outputs)


def _assignment(graph, name, value):
    """Returns the operation that sets a variable, the tensor that is fed for it, the value."""
    value_tensor = tf.placeholder(value.dtype, value.shape)
    variable = graph.get_tensor_by_name(name + ':0')
    if variable.op.type == HANDLE:
        operation = tf.raw_ops.AssignVariableOp(resource=variable, value=value_tensor)
    else:
        operation = tf.raw_ops.Assign(ref=variable, value=value_tensor, validate_shape=False).op
    return operation, value_tensor, value
