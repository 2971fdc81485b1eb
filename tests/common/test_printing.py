"""What is printed, where it goes, and what never reaches a terminal."""

import logging
import os
import subprocess
import sys

import pytest
from absl import flags

from scripts.common import command, printing
from scripts.common.errors import UserError
from tests.conftest import REPOSITORY


def test_results_go_to_standard_output_and_warnings_to_standard_error(capsys):
    def main(_, __):
        logging.getLogger('scripts.anything').info('a result')
        logging.getLogger('scripts.anything').warning('a doubt')

    command.execute(main, flags.FlagValues(), ['name'])
    out, err = capsys.readouterr()
    assert out == 'a result\n'
    assert err == 'WARNING: a doubt\n'


def test_a_name_cannot_break_a_line_or_steer_the_terminal(capsys):
    name = 'a\nWARNING: b\x1b[2J \x7f.jpg'
    log = logging.getLogger('scripts.anything')

    def main(_, __):
        log.info('two lines:\n  %s', name)
        log.warning('left out: %s', name)
        raise UserError('no photo  %s' % name)

    assert command.execute(main, flags.FlagValues(), ['name']) == 1
    out, err = capsys.readouterr()
    assert out == 'two lines:\n  a\\nWARNING: b\\x1b[2J \\x7f.jpg\n'
    assert err == (
        'WARNING: left out: a\\nWARNING: b\\x1b[2J \\x7f.jpg\n'
        'name: error: no photo  a WARNING: b\\x1b[2J \\x7f.jpg\n'
    )


@pytest.mark.parametrize(
    'text, shown',
    [
        (
            'caf\u00e9 \u82b1 \U0001f469\u200d\U0001f33e',
            'caf\u00e9 \u82b1 \U0001f469\u200d\U0001f33e',
        ),
        ('\x1b]0;title\x07', '\\x1b]0;title\\x07'),
        ('\x9b2J \x80 \x85', '\\x9b2J \\x80 \\x85'),
        ('\udc9b2J', '\\x9b2J'),  # A byte of a name that is no UTF-8.
        ('\udcc2\udc9b2J', '\\x9b2J'),  # U+009B, as names come without a locale.
        ('caf\udcc3\udca9', 'caf\u00e9'),
        ('caf\udce9.png', 'caf\udce9.png'),  # Latin-1; a terminal shows some sign for it.
        ('photo\u202egpj.exe \u2066', 'photo\\u202egpj.exe \\u2066'),
        ('two\u2028lines\u2029', 'two\\u2028lines\\u2029'),
        ('\ud800', '\\ud800'),
    ],
)
def test_no_text_steers_a_terminal(text, shown):
    assert printing.printable(text) == shown


@pytest.fixture
def program(tmp_path):
    """Writes a program with a command that says what the arguments name; returns how to run it."""
    path = tmp_path / 'name.py'
    path.write_text(
        'import logging, os\n'
        'from absl import flags\n'
        'from scripts.common import command\n'
        'from scripts.common.errors import UserError\n'
        'def main(values, arguments):\n'
        '    log = logging.getLogger("scripts.name")\n'
        '    for each in arguments:\n'
        '        if each == "warning":\n'
        '            log.warning("a warning")\n'
        '        elif each == "error":\n'
        '            raise UserError("an error")\n'
        '        elif each == "crash":\n'
        '            os.abort()\n'
        '        elif each == "file":\n'
        '            number = os.open(os.devnull, os.O_RDONLY)\n'
        '            assert number > 2, number\n'
        '        else:\n'
        '            print(each)\n'
        '            log.info("and logged")\n'
        'command.run(main, flags.FlagValues())\n'
    )

    def run(line):
        return subprocess.run(
            ['sh', '-c', 'ulimit -c 0; "$0" "$1" ' + line, sys.executable, str(path)],
            env={**os.environ, 'PYTHONPATH': REPOSITORY},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )

    return run


@pytest.mark.parametrize('words', ['a_result', 'warning', '--help', 'error', 'crash', ''])
@pytest.mark.parametrize('closed', ['>&-', '<&- >&-'])
def test_a_closed_standard_output_is_one_line(program, words, closed):
    ended = program('%s %s' % (words, closed))
    assert ended.returncode == 1
    assert ended.stderr == (
        'name: error: standard output is closed: leave it open, or send it to a file or /dev/null\n'
    )


@pytest.mark.parametrize('closed', ['2>&-', '<&- 2>&-', '<&-'])
def test_a_closed_standard_error_hinders_nothing(program, closed):
    ended = program('warning file a_result %s' % closed)
    assert (ended.returncode, ended.stdout) == (0, 'a_result\nand logged\n')
    ended = program('a_result error %s' % closed)
    assert (ended.returncode, ended.stdout) == (1, 'a_result\nand logged\n')
    ended = program('a_result crash %s' % closed)
    assert (ended.returncode, ended.stdout) == (1, 'a_result\nand logged\n')


def test_all_streams_closed_is_a_failure(program):
    ended = program('a_result <&- >&- 2>&-')
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, '', '')
