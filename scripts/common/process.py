"""The process that watches over a command, so that every end is one line and an exit status.

Why. A corrupt graph or photo can crash TensorFlow in its native code, a library may call exit(),
and the system kills a process that takes too much memory. None of these can be caught in Python, so
the work is done in a child process (`run_watched`), and the parent, which has not loaded
TensorFlow, reports how the child ended.

How. `run_watched` forks before TensorFlow is imported: the process is small and has no threads, so
the fork is cheap and safe. The parent then only waits, in `watch`.

Signals. SIGINT (Ctrl-C) and SIGTERM reach the parent. It passes them on as SIGTERM, which makes the
child stop after the current unit of work: `Progress.stop_all` lets the next `advance` raise
KeyboardInterrupt. A child that has not ended after _SECONDS_TO_STOP is killed; files are replaced
as a whole, so it may be killed at any time. The child ignores SIGINT, because Ctrl-C goes to both
processes. When the parent is killed, Linux kills the child. Both signals are blocked around the
fork until each process is ready for them.

Captured stderr. Libraries write to file descriptor 2 without saying which photo they mean (libjpeg,
for example). In the child that descriptor is a temporary file, and sys.stderr goes on to write to
the real one. When the child crashes, the last captured line becomes part of the error. With
TF_CPP_MIN_LOG_LEVEL set to anything but 3 nothing is captured.

Status. How the child ends, and what the command's exit status becomes:

  exits with 0                             0
  exits with _REPORTED                     1: it has printed its error or traceback
  stops because of SIGINT or SIGTERM       128 + the signal
  exits with any other status              1 and one line: a library ended the process
  is killed by a signal                    1 and one line that says which, and the likely cause

The child ends with os._exit: what atexit holds is run before, but TensorFlow's modules are not torn
down, which would take a sixth of the time of label_image.

Switching it off. With RETRAIN_NO_WATCHER=1 a command runs in the process that was started, without
fork, captured stderr and signal handlers: debuggers (python -m pdb), profilers (python -m cProfile)
and coverage tools then see the work, and atexit and uncaught exceptions are Python's own. On
Windows, which has no fork, commands always run so.
"""

import atexit
import ctypes
import functools
import os
import signal
import sys
import tempfile
import traceback

from scripts.common import limits, printing
from scripts.common.progress import Progress

NO_WATCHER = 'RETRAIN_NO_WATCHER'

SUCCESS = 0
FAILURE = 1
INTERRUPTED = 128 + signal.SIGINT  # What a shell reports for a program that Ctrl-C stopped.

# The child's status where it has reported its failure: libraries end processes with 1.
_REPORTED = 71
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
_CRASHES |= {getattr(signal, 'SIGBUS', signal.SIGSEGV)}  # Windows has none.

_LAST_BYTES = 500

_PASSED_ON = {signal.SIGINT, signal.SIGTERM}
_SECONDS_TO_STOP = 3
_PR_SET_PDEATHSIG = 1  # Of <sys/prctl.h>.


def is_watched():
    """Returns whether commands run in a child process here."""
    return hasattr(os, 'fork') and os.environ.get(NO_WATCHER, '') in ('', '0')


def run_watched(name, work):
    """Does the work of the command `name` in a child process; returns the exit status.

    Args:
      name: of the command, for messages.
      work: called without arguments in the child; returns its status, SUCCESS, FAILURE (what went
        wrong is printed) or INTERRUPTED. An exception is printed as a traceback.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # Until both processes handle them.
    captured = _open_captured()
    child = os.fork()
    if child:
        return watch(child, name, captured)
    signal.signal(signal.SIGTERM, functools.partial(_stop, os.getpid()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    die_with_parent()
    sys.stdout = printing.for_every_name(sys.stdout, sys.stdout.buffer)
    sys.stderr = printing.for_every_name(sys.stderr, _capture_stderr(captured))
    status = _status_of_work(name, work)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return os._exit(_REPORTED if status == FAILURE else status)


def die_with_parent():
    """Lets Linux kill this process when its parent ends."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _status_of_work(name, work):
    try:
        status = work()
        sys.stdout.flush()
        return status
    except OSError as error:
        # Standard output cannot be written: the reader, such as head, has ended, or a disk is full.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            printing.print_error(name, error)
    except Exception:
        traceback.print_exc()
    return FAILURE


def _stop(worker, number, _):
    if os.getpid() != worker:  # A process of a multiprocessing.Pool, which ends them like this.
        os._exit(128 + number)
    Progress.stop_all()


def watch(child, name, captured=None):
    """Waits for the child process that does the work and returns the exit status of the command.

    Args:
      child: its process id.
      name: of the command, for messages.
      captured: the file that holds the captured stderr, or None.
    """
    status, stop = _wait(child)
    if os.WIFEXITED(status):
        return _status_of_exit(os.WEXITSTATUS(status), stop, name, captured)
    number = os.WTERMSIG(status)
    if stop and number == signal.SIGKILL:
        printing.print_stopped(name)
        return 128 + stop
    last_line = '' if captured is None else _last_line(captured)
    if number == signal.SIGKILL:
        why, last_line = 'a user killed it, or the system ran out of memory', ''
    elif number not in _CRASHES:
        why = 'another program or a system limit (ulimit) ended it'
    else:
        why = limits.explain_memory(last_line)
        why = why or 'TensorFlow crashed; a graph or photo is corrupt or malicious'
    signal_name = signal.Signals(number).name
    printing.print_error(name, 'stopped by %s: %s%s' % (signal_name, why, last_line))
    return FAILURE


def _status_of_exit(status, stop, name, captured):
    """Returns the status of a command whose child process exited with `status`."""
    if stop and status == INTERRUPTED:
        return 128 + stop
    if status == _REPORTED:
        return FAILURE
    if captured is None or status in (SUCCESS, INTERRUPTED):
        return status
    last_line = _last_line(captured)
    why = limits.explain_memory(last_line)
    printing.print_error(
        name,
        'a library ended the process with status %d%s%s'
        % (status, ': ' + why if why else '', last_line),
    )
    return FAILURE


def _wait(child):
    """Waits for a child process; returns its status as of `os.waitpid` and the signal to stop.

    The signal is None where there was none. An exception that is raised in a signal handler would
    not be safe here: Python drops one that is raised in a destructor, and a lock may stay taken.
    """
    # Signal numbers come through a pipe: libraries' threads take signals that this one blocks, so
    # signal.sigwait would miss some, and one may come just before os.waitpid waits.
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


def _open_captured():
    """Returns a file to capture stderr in, or None where it is to be seen or none can be made."""
    if os.environ.get(printing.LOG_LEVEL, printing.ERRORS_ONLY) != printing.ERRORS_ONLY:
        return None
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return None


def _capture_stderr(captured):
    """Makes a file descriptor 2; returns a binary file that is the real standard error."""
    if captured is None:
        return sys.stderr.buffer
    number = sys.stderr.fileno()
    stderr = os.fdopen(os.dup(number), 'wb')
    os.dup2(captured.fileno(), number)
    return stderr


def _last_line(captured):
    captured.seek(max(0, captured.seek(0, os.SEEK_END) - _LAST_BYTES))
    lines = captured.read().decode('utf-8', 'replace').split('\n')
    last = next((line for line in reversed(lines) if line.strip()), None)
    return '' if last is None else '; last line of stderr: ' + last
