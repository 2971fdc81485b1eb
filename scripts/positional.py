"""Flags that may be given by place: `count_ops GRAPH OP` for `--graph=GRAPH --op=OP`."""

from scripts.errors import UserError


def fill(values, arguments, names):
    """Sets flags from the arguments that have no name; a flag that has been given is passed by.

    Args:
      values: the parsed `FlagValues`.
      arguments: list of str.
      names: the flags that may be given by place, in order.

    Raises:
      UserError: there are more arguments than flags left.
    """
    left = [name for name in names if not values[name].present]
    if len(arguments) > len(left):
        raise UserError(
            'unexpected argument %r: expected at most %s; other things are given as --flag=value'
            % (arguments[len(left)], ' '.join(name.upper() for name in names))
        )
    for name, argument in zip(left, arguments):
        values[name].value = argument
