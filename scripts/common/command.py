"""What every command shares: parsing flags, where log lines go, and how a run ends.

A command module defines its flags on a `flags.FlagValues()` of its own, so that several commands
can be imported into one process, and hands them to `run` with its `main`.
"""

import atexit
import codecs
import copy
import ctypes
import functools
import io
import logging
import os
import re
import shlex
import signal
import sys
import tempfile
import traceback
import warnings

from scripts.common import limits, packages
from scripts.common.errors import UserError
from scripts.common.progress import Progress

packages.check()
from absl import flags  # noqa: E402  # Not before it has been looked for.

SUCCESS = 0
FAILURE = 1
INTERRUPTED = 128 + signal.SIGINT  # What a shell reports for a program that Ctrl-C stopped.

# With what the child process ends that has told of its failure: libraries end processes with 1.
_TOLD = 71
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
_CRASHES |= {getattr(signal, 'SIGBUS', signal.SIGSEGV)}  # Windows has none.

_LOG_LEVEL, _ERRORS_ONLY = 'TF_CPP_MIN_LOG_LEVEL', '3'
_LAST_BYTES = 500

# Python's stand-ins for bytes that are no text, and what must not reach a terminal: control
# characters, line separators, directions, half characters, and bytes 0x80 to 0x9f.
_UTF8 = ('utf-8', 'surrogateescape')
_BYTES = re.compile('[\udc80-\udcff]+')
_STEERING = re.compile('[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udc9f\udd00-\udfff]')

_PASSED_ON = {signal.SIGINT, signal.SIGTERM}
_SECONDS_TO_STOP = 3
_PR_SET_PDEATHSIG = 1  # Of <sys/prctl.h>.


def run(main, flag_values):
    """Runs a command on this process's arguments and exits with its status; see `execute`.

    The work is done in a child process: where a damaged graph takes TensorFlow down, there is
    still someone to say so. Where there is no fork, on Windows, nobody is.
    """
    if not _open_closed_streams():
        sys.exit(
            _fail(
                _name(sys.argv),
                'standard output is closed: leave it open, or send it to a file or %s' % os.devnull,
            )
        )
    if not hasattr(os, 'fork'):
        sys.exit(execute(main, flag_values, sys.argv))
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # Until both know what to do with them.
    asides = _open_asides()
    child = os.fork()
    if child:
        sys.exit(watch(child, asides))
    signal.signal(signal.SIGTERM, functools.partial(_stop, os.getpid()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # No parent, no child.
    sys.stdout = _any_name(sys.stdout, sys.stdout.buffer)
    sys.stderr = _any_name(sys.stderr, _set_aside(asides))
    try:
        status = execute(main, flag_values, sys.argv)
        sys.stdout.flush()
    except OSError as error:
        # What is printed has nowhere to go: head, say, has had enough, or a disk is full.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILURE
        if not isinstance(error, BrokenPipeError):
            _fail(_name(sys.argv), error)
    except Exception:
        traceback.print_exc()
        status = FAILURE
    # What is registered for the end is done, and no more: taking TensorFlow's modules apart would
    # be a sixth of label_image.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_TOLD if status == FAILURE else status)


def _open_closed_streams():
    """Lets closed standard streams lead nowhere, so that no file that is opened takes their place.

    Returns:
      Whether what is printed can be seen.
    """
    visible = sys.stdout is not None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # It gets that number: the lower ones are open.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, 'w', closefd=False)
    return visible


def _stop(worker, number, _):
    if os.getpid() != worker:  # It is of a multiprocessing.Pool, which ends its processes so.
        os._exit(128 + number)
    Progress.stop_all()


def watch(child, asides=None):
    """Waits for the child process that does the work and returns its exit status.

    What kills it becomes one line and the status 1.

    Args:
      child: its id.
      asides: the file that holds what its libraries wrote to the standard error, or None.
    """
    status, stop = _wait(child)
    if os.WIFEXITED(status):
        return _status_of_exit(os.WEXITSTATUS(status), stop, asides)
    number = os.WTERMSIG(status)
    if stop and number == signal.SIGKILL:
        _tell_of_the_stop(_name(sys.argv))
        return 128 + stop
    last_words = '' if asides is None else _last_words(asides)
    if number == signal.SIGKILL:
        why, last_words = 'it was killed, by a person or because memory ran out', ''
    elif number not in _CRASHES:
        why = 'another program ended it, or a limit of the system (ulimit)'
    else:
        why = limits.explain_memory(last_words)
        why = why or 'TensorFlow crashed; a graph or a photo is damaged, or made to crash it'
    name = signal.Signals(number).name
    return _fail(_name(sys.argv), 'stopped by %s: %s%s' % (name, why, last_words))


def _status_of_exit(status, stop, asides):
    """Returns the status of a command whose child process ended with `status`."""
    if stop and status == INTERRUPTED:
        return 128 + stop
    if status == _TOLD:
        return FAILURE
    if asides is None or status in (SUCCESS, INTERRUPTED):
        return status
    last_words = _last_words(asides)
    why = limits.explain_memory(last_words)
    return _fail(
        _name(sys.argv),
        'ended with status %d in the midst of its work%s%s'
        % (status, ': ' + why if why else '', last_words),
    )


def _wait(child):
    """Waits for a child process; returns its status as of `os.waitpid` and the signal to stop.

    SIGINT and SIGTERM ask it to stop after the piece of work at hand. They kill it where it takes
    too long, which is safe: it may be killed at any time. Raising an exception in its signal
    handler is not: Python drops one that is raised in a destructor, and a lock may be left taken.
    """
    # Numbers of signals come through a pipe: libraries' threads take signals that this one blocks,
    # so that signal.sigwait would miss some, and one may come just before os.waitpid waits.
    signals, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    before = signal.set_wakeup_fd(wakeup)
    awaited = _PASSED_ON | {signal.SIGCHLD, signal.SIGALRM}
    for number in awaited:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, awaited)
    stop = None
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended:
        number = os.read(signals, 1)[0]
        if number == signal.SIGALRM:
            os.kill(child, signal.SIGKILL)
        elif number in _PASSED_ON and not stop:
            stop = number
            os.kill(child, signal.SIGTERM)
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_STOP)
        ended, status = os.waitpid(child, os.WNOHANG)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.set_wakeup_fd(before)
    os.close(signals)
    os.close(wakeup)
    return status, stop


def _open_asides():
    """Returns a file for what libraries write to the standard error past TensorFlow's log.

    libjpeg's complaints, say, do not tell of which photo. None where all of it is to be seen.
    """
    if os.environ.get(_LOG_LEVEL, _ERRORS_ONLY) != _ERRORS_ONLY:
        return None
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return None


def _set_aside(asides):
    """Lets libraries write to that file; returns a binary file that is the standard error."""
    if asides is None:
        return sys.stderr.buffer
    number = sys.stderr.fileno()
    stderr = os.fdopen(os.dup(number), 'wb')
    os.dup2(asides.fileno(), number)
    return stderr


def _last_words(asides):
    asides.seek(max(0, asides.seek(0, os.SEEK_END) - _LAST_BYTES))
    lines = asides.read().decode('utf-8', 'replace').split('\n')
    last = next((line for line in reversed(lines) if line.strip()), None)
    return '' if last is None else '; it last said: ' + last


def execute(main, flag_values, argv):
    """Parses `argv`, calls `main`, and turns what a person got wrong into one line.

    Args:
      main: takes the parsed flags (`FlagValues`) and the list of other arguments; it may raise
        UserError.
      flag_values: the `FlagValues` that the command defined; left as it is.
      argv: list of str, the program's name first.

    Returns:
      The exit status: 0, 1 for a person's mistake, 130 for Ctrl-C. Other exceptions pass.
    """
    _set_up_logging()
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
        return _fail(name, '%s; --help lists the flags' % str(error).rstrip('.'))
    except UserError as error:
        return _fail(name, error)
    except KeyboardInterrupt:
        _tell_of_the_stop(name)
        return INTERRUPTED
    except Exception as error:
        why = None if isinstance(error, OSError) else limits.explain_memory(error=error)
        if why is None:
            raise
        return _fail(name, why)
    return SUCCESS


def how_to_start(name):
    """Returns how another command of ours is started from here: by its file where this one was."""
    if getattr(sys.modules['__main__'], '__spec__', None) is not None:
        return 'python -m scripts.' + name
    return 'python ' + shlex.quote(os.path.join(os.path.dirname(sys.argv[0]), name + '.py'))


def printable(text):
    """Returns a text, such as a file's name, with no line breaks and no steering of a terminal.

    Control characters, those that turn the direction of writing, and bytes that a terminal may
    take for control characters become escapes. The rest of a name that is no UTF-8, or that came
    without a locale, is printed as its bytes are.
    """
    text = _BYTES.sub(lambda found: found.group().encode(*_UTF8).decode(*_UTF8), text)
    return _STEERING.sub(lambda found: _escape(found.group()), text)


def _escape(character):
    if _BYTES.match(character):
        return '\\x%02x' % (ord(character) - 0xDC00)
    return repr(character)[1:-1]


def one_line(message):
    """Returns a message as one printable line, which some of TensorFlow's are not."""
    return printable(re.sub(r'\s*\n\s*', ' ', message.strip()))


def refuse_arguments(arguments):
    """Raises UserError where a command that takes only flags was given anything else."""
    if arguments:
        raise UserError(
            'unexpected argument %r: this command takes flags only; '
            'write --flag=value, with quotes around a value that holds spaces' % arguments[0]
        )


def fill_by_place(values, arguments, names):
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


def _show_uncaught(kind, error, trace):
    """Is Python's hook for exceptions while a command's modules are imported."""
    why = limits.explain_memory(error=error) if issubclass(kind, Exception) else None
    if why is None:
        sys.__excepthook__(kind, error, trace)
    else:
        _fail(_name(sys.argv), why)


if packages.is_ours():
    sys.excepthook = _show_uncaught


class _ProgressFriendlyHandler(logging.Handler):
    """Writes a line without tearing a progress bar that is on the terminal.

    Results go to standard output, warnings to standard error.
    """

    def emit(self, record):
        warning = record.levelno >= logging.WARNING
        record.args = tuple(
            printable(each) if isinstance(each, str) else each for each in record.args or ()
        )
        text = 'WARNING: ' + one_line(self.format(record)) if warning else self.format(record)
        stream = sys.stderr if warning else sys.stdout
        Progress.write_line(text, stream)
        stream.flush()


def _any_name(stream, buffer):
    """Returns a text stream like `stream`, to `buffer`, that takes every name in any locale."""
    ascii_only = codecs.lookup(stream.encoding or 'ascii').name == 'ascii'  # Containers have none.
    encoding = 'utf-8' if ascii_only else stream.encoding
    errors = 'surrogateescape' if encoding.lower() == 'utf-8' else 'backslashreplace'
    return io.TextIOWrapper(buffer, encoding, errors, line_buffering=True)


def _set_up_logging():
    logger = logging.getLogger('scripts')
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_ProgressFriendlyHandler()]
    # TensorFlow 1.15 greets with pages of its own: processor features, an "error" where there is
    # no GPU, deprecations of the very API that this program is written in, and numpy's about the
    # dtypes that it defines. Its real errors come as exceptions.
    os.environ.setdefault(_LOG_LEVEL, _ERRORS_ONLY)
    logging.getLogger('tensorflow').setLevel(logging.ERROR)
    warnings.filterwarnings('ignore', category=FutureWarning, module='tensor(flow|board)')


def _refuse_spaces(arguments):
    """Raises UserError where a space stands beside the = of a flag, as in old tutorials.

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
    usage = sys.modules[main.__module__].__doc__
    return '%s\nFlags:\n%s' % (
        usage,
        '\n'.join(
            _flag_help(flag_values[name])
            for name in sorted(flag_values)
            if flag_values[name].name == name
        ),
    )


def _flag_help(flag):
    form = '--[no]%s' % flag.name if flag.boolean else '--%s' % flag.name
    default = '' if flag.default is None else ' (default: %s)' % flag.default_as_str
    return '  %s: %s%s' % (form, flag.help, default)


def _name(argv):
    return os.path.splitext(os.path.basename(argv[0]))[0]


def _fail(name, error):
    print('%s: error: %s' % (name, one_line(str(error))), file=sys.stderr)
    return FAILURE


def _tell_of_the_stop(name):
    print(
        '\n%s: stopped. What was written is whole; the same command can be run again.' % name,
        file=sys.stderr,
    )
