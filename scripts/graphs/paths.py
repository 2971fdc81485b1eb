"""Paths through a graph: which nodes every path goes through."""

from scripts.graphs import search


def on_every_path(nodes, source, target):
    """Returns the nodes that every path from one node to another goes through.

    Control inputs are no part of a path.

    Args:
      nodes: a dict from name to NodeDef.
      source: the name of the node where paths begin; what it needs itself is left out.
      target: the name of the node where they end.

    Returns:
      List of names, in the order of the paths, both ends included; empty without a path.

    Raises:
      ValueError: there is a cycle.
    """
    order = between(nodes, source, target)
    position = {name: index for index, name in enumerate(order)}
    furthest = [0] * len(order)  # To which position an edge leads from each.
    for name in order[1:]:
        for each in _inputs(nodes, name):
            if each in position:
                furthest[position[each]] = max(furthest[position[each]], position[name])
    found, reach = [], 0
    for index, name in enumerate(order):
        # All of these nodes are on some path, so an edge past a node is a path around it.
        if reach <= index:
            found.append(name)
        reach = max(reach, furthest[index])
    return found


def between(nodes, source, target):
    """Returns the nodes that are on some path from one node to another, in topological order.

    Args:
      nodes: a dict from name to NodeDef.
      source: the name of the node where paths begin.
      target: the name of the node where they end.

    Returns:
      List of names, each behind those that it needs, both ends included; empty without a path.

    Raises:
      ValueError: there is a cycle.
    """
    order = _topological(nodes, target, source)
    reached = set()
    for name in order:
        if name == source or (reached and any(each in reached for each in _inputs(nodes, name))):
            reached.add(name)
    return [name for name in order if name in reached] if target in reached else []


def _topological(nodes, target, source):
    """Returns what a node needs, in order, itself last; what `source` needs is not followed."""
    order, entered = [], set()
    stack = [(target, False)]
    while stack:
        name, done = stack.pop()
        if done:
            order.append(name)
            continue
        if name in entered:
            continue
        entered.add(name)
        stack.append((name, True))
        if name != source:
            stack.extend((each, False) for each in _inputs(nodes, name) if each not in entered)
    position = {name: index for index, name in enumerate(order)}
    for name in order:
        if name != source and any(
            position[each] >= position[name] for each in _inputs(nodes, name)
        ):
            raise ValueError('there is a cycle through %s' % name)
    return order


def _inputs(nodes, name):
    """Returns the names of the nodes whose outputs a node takes, one for each input."""
    return [search.node_name(each) for each in nodes[name].input if not each.startswith('^')]
