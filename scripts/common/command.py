"""Running a command: its flags are parsed, its errors become one line, its end an exit status.

A command module defines its flags on a `flags.FlagValues()` of its own, so that several commands
can be imported into one process, and passes them to `run` with its `main`.
"""

import copy
import functools
import os
import re
import shlex
import sys

from scripts.common import flag_help, flags, limits, packages, printing, process
from scripts.common.errors import UserError
from scripts.common.process import FAILURE, INTERRUPTED, SUCCESS


def run(main, flag_values):
    """Runs a command on this process's arguments and exits with its status; see `execute`.

    `scripts.common.process` says which process does the work.
    """
    name = _name(sys.argv)
    if not printing.open_closed_streams():
        printing.print_error(
            name,
            'standard output is closed: leave it open, or send it to a file or %s' % os.devnull,
        )
        sys.exit(FAILURE)
    work = functools.partial(execute, main, flag_values, sys.argv)
    if process.is_watched():
        sys.exit(process.run_watched(name, work))
    printing.print_every_name()
    sys.exit(work())


def execute(main, flag_values, argv):
    """Parses `argv`, calls `main`, and turns a user error into one line.

    Args:
      main: takes the parsed flags (`FlagValues`) and the list of other arguments; it may raise
        UserError.
      flag_values: the `FlagValues` that the command defined; left as it is.
      argv: list of str, the program's name first.

    Returns:
      The exit status: 0, 1 for a user error, 130 for Ctrl-C. Other exceptions, which are bugs,
      pass.
    """
    printing.set_up_logging()
    name = _name(argv)
    if any(argument in ('--help', '-help', '-h', '--helpfull') for argument in argv[1:]):
        print(_help(main, flag_values))
        return SUCCESS
    values = copy.deepcopy(flag_values)
    values.set_gnu_getopt(True)
    try:
        _refuse_spaces(argv[1:])
        arguments = values(argv)[1:]
        main(values, arguments)
    except flags.Error as error:
        printing.print_error(name, '%s; --help lists the flags' % str(error).rstrip('.'))
    except UserError as error:
        printing.print_error(name, error)
    except KeyboardInterrupt:
        printing.print_stopped(name)
        return INTERRUPTED
    except Exception as error:
        why = None if isinstance(error, OSError) else limits.explain_memory(error=error)
        if why is None:
            raise
        printing.print_error(name, why)
    else:
        return SUCCESS
    return FAILURE


def how_to_start(name):
    """Returns how to start another of these commands from here: by its file if this one was."""
    if getattr(sys.modules['__main__'], '__spec__', None) is not None:
        return 'python -m scripts.' + name
    return 'python ' + shlex.quote(os.path.join(os.path.dirname(sys.argv[0]), name + '.py'))


def refuse_arguments(arguments):
    """Raises UserError if a command that takes only flags has positional arguments."""
    if arguments:
        raise UserError(
            'unexpected argument %r: this command takes flags only; '
            'write --flag=value, with quotes around a value that holds spaces' % arguments[0]
        )


def set_positional(values, arguments, names):
    """Sets flags from positional arguments; a flag that is given by name is skipped.

    Args:
      values: the parsed `FlagValues`.
      arguments: list of str.
      names: the flags that may be positional, in order.

    Raises:
      UserError: there are more arguments than flags left.
    """
    left = [name for name in names if not values[name].present]
    if len(arguments) > len(left):
        raise UserError(
            'unexpected argument %r: expected at most %s; pass anything else as --flag=value'
            % (arguments[len(left)], ' '.join(name.upper() for name in names))
        )
    for name, argument in zip(left, arguments):
        values[name].value = argument


def _show_uncaught(kind, error, trace):
    """Reports exceptions while a command's modules are imported, as `sys.excepthook`."""
    why = limits.explain_memory(error=error) if issubclass(kind, Exception) else None
    if why is None:
        sys.__excepthook__(kind, error, trace)
    else:
        printing.print_error(_name(sys.argv), why)


if packages.is_ours():
    sys.excepthook = _show_uncaught


def _refuse_spaces(arguments):
    """Raises UserError if there is a space beside the = of a flag, as in old tutorials.

    The flag would be empty then, and its value an argument.
    """
    if '--' in arguments:
        arguments = arguments[: arguments.index('--')]
    for place, (flag, after) in enumerate(zip(arguments, arguments[1:])):
        name, equals, rest = flag.partition('=')
        if not re.match('--?[A-Za-z]', name) or rest or after.startswith('-'):
            continue
        if equals or after.startswith('='):
            value = ''.join(arguments[place + 2 : place + 3]) if after == '=' else after.lstrip('=')
            raise UserError(
                '%s is followed by a space and %s: write %s, without the space'
                % (flag, after, shlex.quote('%s=%s' % (name, value)))
            )


def _help(main, flag_values):
    usage = main.__globals__['__doc__']  # A profiler's or debugger's own module is __main__.
    return '%s\n%s' % (usage, flag_help.text(flag_values))


def _name(argv):
    return os.path.splitext(os.path.basename(argv[0]))[0]
