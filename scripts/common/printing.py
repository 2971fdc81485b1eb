"""What a command prints: log lines, errors, and file names that cannot harm a terminal."""

import atexit
import codecs
import contextlib
import io
import logging
import os
import re
import sys
import warnings

from scripts.common.progress import Progress

LOG_LEVEL, ERRORS_ONLY = 'TF_CPP_MIN_LOG_LEVEL', '3'

# Python's stand-ins for bytes that are not text, and what must not reach a terminal: control
# characters, line separators, directions, half characters, and bytes 0x80 to 0x9f.
_UTF8 = ('utf-8', 'surrogateescape')
_BYTES = re.compile('[\udc80-\udcff]+')
_STEERING = re.compile('[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udc9f\udd00-\udfff]')


def printable(text):
    """Returns a text, such as a file name, without line breaks and terminal control sequences.

    Control characters, those that change the direction of writing, and bytes that a terminal may
    take for control characters become escapes. The rest of a name that is not UTF-8, or that came
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


def print_error(name, error):
    """Prints the one line in which the command `name` ends."""
    print('%s: error: %s' % (name, one_line(str(error))), file=sys.stderr)


def print_stopped(name):
    """Tells a user who stopped the command `name`, as with Ctrl-C, what to do next."""
    print(
        '\n%s: stopped. Files already written are complete; rerun the command.' % name,
        file=sys.stderr,
    )


def set_up_logging():
    """Sends log lines of `scripts` to the standard streams and silences TensorFlow's own."""
    logger = logging.getLogger('scripts')
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_ProgressFriendlyHandler()]
    # TensorFlow 1.15 starts with pages of its own: processor features, an "error" where there is
    # no GPU, deprecations of the very API that this program is written in, and numpy's about the
    # dtypes that it defines. Its real errors come as exceptions.
    os.environ.setdefault(LOG_LEVEL, ERRORS_ONLY)
    logging.getLogger('tensorflow').setLevel(logging.ERROR)
    warnings.filterwarnings('ignore', category=FutureWarning, module='tensor(flow|board)')


@contextlib.contextmanager
def quiet(name):
    """Lets a logger of that name say nothing but warnings while the block runs."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


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


def open_closed_streams():
    """Redirects closed standard streams to nowhere, so that no opened file takes their number.

    Returns:
      Whether standard output was open.
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


def for_every_name(stream, buffer):
    """Returns a text stream to `buffer`, like `stream`, that takes every name in any locale."""
    return io.TextIOWrapper(buffer, line_buffering=True, **_encoding(stream))


def print_every_name():
    """Lets the standard streams take every file name in any locale.

    They stay the same objects where they can: a debugger has them already.
    """
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name)
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(line_buffering=True, **_encoding(stream))
        else:  # Python 3.6.
            atexit.register(stream.flush)
            setattr(sys, name, for_every_name(stream, stream.buffer))


def _encoding(stream):
    ascii_only = codecs.lookup(stream.encoding or 'ascii').name == 'ascii'  # Containers have none.
    encoding = 'utf-8' if ascii_only else stream.encoding
    errors = 'surrogateescape' if encoding.lower() == 'utf-8' else 'backslashreplace'
    return {'encoding': encoding, 'errors': errors}
