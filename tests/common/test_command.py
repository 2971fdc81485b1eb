"""How a command ends."""

import faulthandler
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from absl import flags

from scripts.common import command, limits
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from tests import pictures
from tests.conftest import REPOSITORY
from tests.evaluation import graphs


@pytest.fixture
def flag_values():
    values = flags.FlagValues()
    flags.DEFINE_integer('steps', 3, 'How many steps.', lower_bound=1, flag_values=values)
    flags.DEFINE_boolean('flip', False, 'Flip.', flag_values=values)
    return values


def test_flags_and_arguments_reach_main(flag_values):
    seen = []
    argv = ['name', '--steps', '5', 'here', '--flip']
    status = command.execute(
        lambda values, arguments: seen.append((values.steps, values.flip, arguments)),
        flag_values,
        argv,
    )
    assert status == 0
    assert seen == [(5, True, ['here'])]


def test_a_run_leaves_the_next_one_its_defaults(flag_values):
    seen = []

    def main(values, _):
        seen.append(values.steps)

    command.execute(main, flag_values, ['name', '--steps=9'])
    command.execute(main, flag_values, ['name'])
    assert seen == [9, 3]


@pytest.mark.parametrize(
    'flag, words',
    [
        ('--stepz=3', 'Did you mean: steps'),
        ('--steps=many', 'many'),
        ('--steps=0', 'positive integer'),
        ('--steps=0', '--help lists the flags'),
    ],
)
def test_a_wrong_flag_is_one_line(flag_values, capsys, flag, words):
    assert command.execute(lambda *_: None, flag_values, ['x/name.py', flag]) == 1
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith('name: error: ')
    assert err.count('\n') == 1
    assert words in err


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['--layer=', 'Mul:0'], '--layer= is followed by a space and Mul:0: write --layer=Mul:0'),
        (['here', '--layer=', 'a b', 'c'], "write '--layer=a b', without the space"),
        (['--steps=', '5'], 'write --steps=5, without the space'),
        (
            ['--layer', '=Mul'],
            '--layer is followed by a space and =Mul: write --layer=Mul, without',
        ),
        (['--layer', '=', 'Mul'], 'write --layer=Mul, without the space'),
        (['-layer=', 'Mul'], 'write -layer=Mul, without the space'),
    ],
)
def test_a_space_beside_the_equals_sign_is_told(flag_values, capsys, arguments, words):
    flags.DEFINE_string('layer', None, 'The layer.', flag_values=flag_values)
    assert command.execute(lambda *_: None, flag_values, ['name', *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('name: error: ') and words in line


@pytest.mark.parametrize(
    'arguments',
    [
        ['--layer='],
        ['--layer=', '--flip'],
        ['--', '--layer=', 'Mul'],
        ['--layer', 'a=b', '='],
        ['a='],
    ],
)
def test_an_empty_value_may_stand_before_a_flag_or_the_end(flag_values, arguments):
    flags.DEFINE_string('layer', None, 'The layer.', flag_values=flag_values)
    assert command.execute(lambda *_: None, flag_values, ['name', *arguments]) == 0


def test_a_persons_mistake_is_one_line(flag_values, capsys):
    def main(_, __):
        raise UserError('found this,\nexpected that')

    assert command.execute(main, flag_values, ['name']) == 1
    assert capsys.readouterr().err == 'name: error: found this, expected that\n'


def test_a_fault_of_ours_is_a_traceback(flag_values):
    def main(_, __):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command.execute(main, flag_values, ['name'])


def test_ctrl_c_says_what_to_do(flag_values, capsys):
    def main(_, __):
        raise KeyboardInterrupt

    assert command.execute(main, flag_values, ['name']) == 130
    assert 'can be run again' in capsys.readouterr().err


def in_child(main):
    """Starts a command as its module does, but in a process that was forked; returns its id."""
    process = os.fork()
    if process:
        return process
    faulthandler.disable()  # It is pytest's, which reports crashes too.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # It would hold all of pytest's memory.
    standard = [os.fdopen(number, 'w', 1) for number in (1, 2)]
    sys.stdout, sys.stderr = standard
    sys.argv = ['name']
    try:
        command.run(main, flags.FlagValues())
    except SystemExit as ended:
        os._exit(ended.code)
    os._exit(99)


def work_for_a_minute():
    for _ in range(600):  # A signal just before a long sleep would wait for its end.
        time.sleep(0.1)


def status_of(process):
    return os.WEXITSTATUS(os.waitpid(process, 0)[1])


@pytest.mark.parametrize(
    'number, words', [(signal.SIGSEGV, 'TensorFlow crashed'), (signal.SIGKILL, 'memory ran out')]
)
def test_a_crash_is_one_line(capfd, number, words):
    process = in_child(lambda *_: os.kill(os.getpid(), number))
    assert status_of(process) == 1
    err = capfd.readouterr().err
    assert err.startswith('name: error: stopped by SIG') and words in err and err.count('\n') == 1


@pytest.mark.parametrize(
    'number, words',
    [
        (signal.SIGTERM, 'another program ended it'),
        (signal.SIGXCPU, 'another program ended it, or a limit of the system (ulimit)'),
        (signal.SIGQUIT, 'another program ended it'),
    ],
)
def test_an_end_by_others_is_not_blamed_on_a_graph(capfd, number, words):
    def main(*_):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    assert status_of(in_child(main)) == 1
    err = capfd.readouterr().err
    assert err.startswith('name: error: stopped by SIG') and words in err and err.count('\n') == 1
    assert 'graph' not in err


@pytest.mark.parametrize('status', [0, 1, 127])
def test_a_library_that_ends_the_process_is_told(capfd, status):
    def main(*_):
        os.write(2, b'symbol lookup error: no static TLS block\n')
        os._exit(status)

    assert status_of(in_child(main)) == (1 if status else 0)
    err = capfd.readouterr().err
    if status:
        assert err == (
            'name: error: ended with status %d in the midst of its work; it last said: symbol '
            'lookup error: no static TLS block\n' % status
        )


def test_a_fault_of_ours_is_a_traceback_and_no_more(capfd):
    def main(*_):
        raise ZeroDivisionError

    assert status_of(in_child(main)) == 1
    err = capfd.readouterr().err
    assert err.startswith('Traceback ') and err.endswith('\nZeroDivisionError\n')


def test_memory_that_ran_out_is_one_line(flag_values, capsys, monkeypatch):
    def main(_, __):
        raise MemoryError

    def broken(_, __):
        raise SystemError('error return without exception set')

    assert command.execute(main, flag_values, ['name']) == 1
    assert capsys.readouterr().err == 'name: error: memory ran out\n'
    monkeypatch.setattr(limits, 'memory_limit', lambda: 10**9)
    assert command.execute(main, flag_values, ['name']) == 1
    assert capsys.readouterr().err == (
        'name: error: memory ran out: 1,000 MB are allowed (ulimit -v); allow more\n'
    )
    assert command.execute(broken, flag_values, ['name']) == 1
    assert capsys.readouterr().err == (
        'name: error: memory ran out, most likely: 1,000 MB are allowed (ulimit -v); allow more '
        '(SystemError: error return without exception set)\n'
    )
    monkeypatch.setattr(limits, 'memory_limit', lambda: 10**11)
    with pytest.raises(SystemError):
        command.execute(broken, flag_values, ['name'])


@pytest.mark.parametrize('said', [b'terminate called: std::bad_alloc\n', b'mmap error: 12\n'])
def test_a_crash_for_want_of_memory_is_not_blamed_on_a_graph(capfd, said):
    def main(*_):
        os.write(2, said)
        os.abort()

    assert status_of(in_child(main)) == 1
    err = capfd.readouterr().err
    assert 'stopped by SIGABRT: memory ran out; it last said: ' in err and 'graph' not in err


@pytest.mark.parametrize(
    'name, megabytes',
    [('evaluate', 250), ('evaluate', 1300)]
    + [('label_image', megabytes) for megabytes in (250, 500, 800, 1120, 1200, 1400)],
)
def test_a_limit_of_memory_ends_in_one_line(tmp_path, photo_dir, name, megabytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    graph = graphs.by_colour(str(tmp_path / 'graph.pb'))
    (tmp_path / 'labels.txt').write_text('\n'.join(pictures.LABELS))
    arguments = {
        'label_image': [os.path.join(photo_dir, 'Red', '000.jpg')],
        'evaluate': ['--image_dir=' + photo_dir, '--category=all'],
    }[name]
    ended = subprocess.run(
        [sys.executable, '-m', 'scripts.' + name, *arguments]
        + ['--graph=' + graph, '--labels=%s' % (tmp_path / 'labels.txt')],
        cwd=REPOSITORY,
        preexec_fn=limit,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=300,
    )
    if ended.returncode:
        assert ended.returncode == 1
        (line,) = ended.stderr.decode().splitlines()
        assert line.startswith(name + ': error: ') and 'memory ran out' in line


def test_what_libraries_say_is_kept_for_a_crash(capfd, monkeypatch):
    def main(*_):
        os.write(2, b'libjpeg: a complaint\n\n')
        logging.getLogger('scripts.anything').warning('a doubt')

    def crash(*_):
        main()
        os.abort()

    assert status_of(in_child(main)) == 0
    assert capfd.readouterr().err == 'WARNING: a doubt\n'
    assert status_of(in_child(crash)) == 1
    warning, error, end = capfd.readouterr().err.split('\n')
    assert warning == 'WARNING: a doubt' and end == ''
    assert error.startswith('name: error: stopped by SIGABRT')
    assert error.endswith('; it last said: libjpeg: a complaint')
    all_of_it = 'libjpeg: a complaint\n\nWARNING: a doubt\n'
    monkeypatch.setattr(tempfile, 'tempdir', '/not/there')
    assert status_of(in_child(main)) == 0 and capfd.readouterr().err == all_of_it
    monkeypatch.undo()
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '0')
    assert status_of(in_child(main)) == 0 and capfd.readouterr().err == all_of_it


STOPS = pytest.mark.parametrize('number, status', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
STOPPED = '\nname: stopped. What was written is whole; the same command can be run again.\n'


def sent(number, main):
    """Runs a command and sends it a signal once `main` has called what it is given."""
    reading, writing = os.pipe()
    process = in_child(lambda *_: main(lambda: os.write(writing, b'.')))
    os.close(writing)
    assert os.read(reading, 1) == b'.'
    os.kill(process, number)
    return process


@STOPS
def test_a_signal_ends_work_between_two_units(capfd, tmp_path, monkeypatch, number, status):
    monkeypatch.setattr(command, '_SECONDS_TO_STOP', 600)
    cleaned = tmp_path / 'cleaned'

    def main(ready):
        try:
            with Progress('Working', 600, 'units') as bar:
                for _ in range(600):
                    ready()
                    time.sleep(0.1)
                    bar.advance(1)
        finally:
            cleaned.write_bytes(b'')

    assert status_of(sent(number, main)) == status
    assert capfd.readouterr().err == STOPPED
    assert cleaned.exists()


@STOPS
def test_a_signal_ends_work_that_does_not_heed_it(capfd, monkeypatch, number, status):
    monkeypatch.setattr(command, '_SECONDS_TO_STOP', 0.1)

    def main(ready):
        ready()
        work_for_a_minute()

    assert status_of(sent(number, main)) == status
    assert capfd.readouterr().err == STOPPED


@STOPS
def test_work_that_is_done_when_a_signal_comes_is_done(capfd, monkeypatch, number, status):
    monkeypatch.setattr(command, '_SECONDS_TO_STOP', 600)

    def main(ready):
        ready()
        for _ in range(5):
            time.sleep(0.1)
        print('a result')

    assert status_of(sent(number, main)) == 0
    assert capfd.readouterr() == ('a result\n', '')


def test_what_the_work_forks_is_ended_by_a_signal(capfd):
    # Or a multiprocessing.Pool waits forever for its processes.
    reading, writing = os.pipe()

    def main(*_):
        forked = os.fork()
        if not forked:
            os.write(writing, b'.')
            work_for_a_minute()
            os._exit(0)
        os.read(reading, 1)
        os.kill(forked, signal.SIGTERM)
        print(status_of(forked))

    assert status_of(in_child(main)) == 0
    assert capfd.readouterr() == ('143\n', '')


@STOPS
def test_a_signal_is_heeded_that_comes_before_the_work(capfd, monkeypatch, number, status):
    monkeypatch.setattr(command, '_SECONDS_TO_STOP', 0.1)
    # Blocked, it is as if it came just after the fork.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    process = in_child(lambda *_: work_for_a_minute())
    os.kill(process, number)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert status_of(process) == status
    assert capfd.readouterr().err == STOPPED


def test_a_full_disk_behind_standard_output_is_one_line(capfd):
    def main(*_):
        os.dup2(os.open('/dev/full', os.O_WRONLY), 1)
        print('a result')

    assert status_of(in_child(main)) == 1
    err = capfd.readouterr().err
    assert err == 'name: error: [Errno 28] No space left on device\n'


def test_who_kills_a_command_kills_its_work(tmp_path):
    reading, writing = os.pipe()

    def main(*_):
        os.write(writing, b'.')
        work_for_a_minute()

    process = in_child(main)
    os.close(writing)
    os.read(reading, 1)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert os.read(reading, 1) == b''  # Closed by the last who had it open.


def test_help_lists_flags_with_their_defaults(flag_values, capsys):
    def main(_, __):
        raise AssertionError('not reached')

    assert command.execute(main, flag_values, ['name', '--help']) == 0
    out = capsys.readouterr().out
    assert '--steps: How many steps. (default: 3)' in ' '.join(out.split()).replace("'", '')
    assert '--[no]flip' in out


def test_results_go_to_standard_output_and_warnings_to_standard_error(flag_values, capsys):
    def main(_, __):
        logging.getLogger('scripts.anything').info('a result')
        logging.getLogger('scripts.anything').warning('a doubt')

    command.execute(main, flag_values, ['name'])
    out, err = capsys.readouterr()
    assert out == 'a result\n'
    assert err == 'WARNING: a doubt\n'


def test_arguments_are_refused_where_there_are_only_flags():
    with pytest.raises(UserError, match='stray'):
        command.refuse_arguments(['stray'])


def test_a_name_cannot_break_a_line_or_steer_the_terminal(flag_values, capsys):
    name = 'a\nWARNING: b\x1b[2J \x7f.jpg'
    log = logging.getLogger('scripts.anything')

    def main(_, __):
        log.info('two lines:\n  %s', name)
        log.warning('left out: %s', name)
        raise UserError('no photo  %s' % name)

    assert command.execute(main, flag_values, ['name']) == 1
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
    assert command.printable(text) == shown


def test_what_is_registered_for_the_end_is_done(tmp_path):
    # A lock that processes share, as tqdm has one, is complained about where nobody removes it.
    program = tmp_path / 'program.py'
    program.write_text(
        'import atexit, multiprocessing\n'
        'from absl import flags\n'
        'from scripts.common import command\n'
        'def main(values, arguments):\n'
        '    global lock\n'
        '    lock = multiprocessing.get_context("spawn").RLock()\n'
        '    atexit.register(print, "the end")\n'
        'command.run(main, flags.FlagValues())\n'
    )
    run = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, 'PYTHONPATH': REPOSITORY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, b'the end\n', b'')


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
