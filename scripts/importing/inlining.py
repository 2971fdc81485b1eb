"""Puts the bodies of functions where they are called: TensorFlow 2 saves a network as functions."""

import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.graphs import build, search, versions

_CALLS = ('PartitionedCall', 'StatefulPartitionedCall')
_CONDITIONS = ('If', 'StatelessIf')
_MOST_NODES = 1000000
_MOST_ROUNDS = 100  # Functions that call functions.


def called_function(node):
    """Returns the name of the function that a NodeDef calls, or '' for another op."""
    return build.attribute(node, 'f').func.name if node.op in _CALLS else ''


def inline(graph_def, names, keep_control=False):
    """Returns a GraphDef without calls of functions, of what some nodes need.

    An If whose condition is a constant is the call of one of its branches. Functions that loops
    and other conditions call stay in the library.

    Args:
      graph_def: a GraphDef.
      names: list of the nodes that are wanted, none of them a call.
      keep_control: whether control inputs stay. Without variables that are written to, they only
        order what has no effect.

    Raises:
      UserError: a function is called in a way that is not known, or without end.
    """
    functions = {each.signature.name: each for each in graph_def.library.function}
    for _ in range(_MOST_ROUNDS):
        nodes, targets, calls = [], {}, 0
        by_name = search.nodes_by_name(graph_def)
        for node in graph_def.node:
            called = _function_of(node, functions, by_name)
            if called is None:
                nodes.append(node)
                continue
            calls += 1
            body, outputs = _body(node, called, functions)
            nodes += body
            targets.update(outputs)
            if len(nodes) > _MOST_NODES:
                raise UserError('the graph has more than %d nodes' % _MOST_NODES)
        nodes = build.rewire(nodes, targets)
        if not keep_control:
            for node in nodes:
                node.input[:] = [each for each in node.input if not each.startswith('^')]
        graph_def = build.subgraph(build.graph(nodes, graph_def), names)
        if not calls:
            return graph_def
    raise UserError('the functions of the graph call each other without end')


def _function_of(node, functions, by_name):
    """Returns the name of the function whose body replaces a NodeDef, or None."""
    if node.op in functions:
        return node.op
    if node.op in _CALLS:
        return called_function(node)
    if node.op in _CONDITIONS and node.input:
        condition = constant_condition(node.input[0], by_name)
        if condition is not None:
            return node.attr['then_branch' if condition else 'else_branch'].func.name
    return None


def constant_condition(name, by_name):
    """Returns whether a tensor is always true, or None where it is not always the same."""
    negated = False
    for _ in range(_MOST_ROUNDS):
        node = by_name.get(search.node_name(name))
        if node is None:
            return None
        if node.op == 'Const':
            value = build.value_or_none(node)
            if value is None or value.size != 1:
                return None
            return bool(value.reshape(-1)[0]) != negated
        if node.op == 'LogicalNot':
            negated = not negated
        elif node.op not in ('Identity', 'PlaceholderWithDefault'):
            return None
        if not node.input:  # It is corrupt.
            return None
        name = node.input[0]
    return None


def _body(node, name, functions):
    """Returns the NodeDefs of a called function, and a dict from the call's outputs to theirs."""
    function = functions.get(name)
    if function is None:
        raise UserError('the node %s calls the function %s, which is missing' % (node.name, name))
    inputs = [each for each in node.input if not each.startswith('^')]
    if node.op in _CONDITIONS:
        inputs = inputs[1:]
    arguments = [each.name for each in function.signature.input_arg]
    if len(arguments) != len(inputs):
        raise UserError(
            'the node %s gives the function %s %d values, expected %d'
            % (node.name, name, len(inputs), len(arguments))
        )
    tensors = dict(zip(arguments, inputs))
    offsets = {each.name: _offsets(each, functions) for each in function.node_def}

    def outer(tensor):
        """Returns the name, outside of the function, of what an input is called in it."""
        if tensor.startswith('^'):
            inner = tensor[1:]
            return '^' + search.node_name(tensors.get(inner, '%s/%s' % (node.name, inner)))
        if tensor in tensors:
            return tensors[tensor]
        inner, _, rest = tensor.partition(':')
        output, _, index = rest.partition(':')
        if inner not in offsets or output not in offsets[inner]:
            raise UserError('the function %s takes %s, which it does not have' % (name, tensor))
        number = offsets[inner][output] + int(index or 0)
        return '%s/%s:%d' % (node.name, inner, number) if number else node.name + '/' + inner

    made = []
    for each in function.node_def:
        copy = tf.NodeDef()
        copy.CopyFrom(each)
        copy.name = '%s/%s' % (node.name, each.name)
        copy.input[:] = [outer(tensor) for tensor in each.input]
        _fill_in(copy, node, name)
        made.append(copy)
    results = [outer(function.ret[each.name]) for each in function.signature.output_arg]
    outputs = {
        '%s:%d' % (node.name, number) if number else node.name: result
        for number, result in enumerate(results)
    }
    if not results:  # It is called for what it does: the node stays, and waits for all of that.
        made.append(tf.NodeDef(op='NoOp', name=node.name, input=['^' + each.name for each in made]))
    return made, outputs


def _fill_in(copy, call, name):
    """Sets the attributes of a function's node that its call gives."""
    for key, value in copy.attr.items():
        if value.WhichOneof('value') != 'placeholder':
            continue
        if value.placeholder not in call.attr:
            raise UserError('the node %s does not say the %s of %s' % (call.name, key, name))
        value.CopyFrom(call.attr[value.placeholder])


def _offsets(node, functions):
    """Returns a dict from the names of a NodeDef's outputs to the number of the first tensor."""
    if node.op in functions:
        arguments = functions[node.op].signature.output_arg
    else:
        op_def = versions.op_def(node.op)
        if op_def is None:
            raise UserError('TensorFlow %s has no operation %s' % (tf.VERSION, node.op))
        arguments = op_def.output_arg
    found, number = {}, 0
    for each in arguments:
        found[each.name] = number
        if each.number_attr:
            number += build.attribute(node, each.number_attr).i
        elif each.type_list_attr:
            number += len(build.attribute(node, each.type_list_attr).list.type)
        else:
            number += 1
    return found
