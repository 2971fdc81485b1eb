"""How a command ends, whatever ends it, and how it is stopped."""

import faulthandler
import json
import logging
import os
import pstats
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from absl import flags

from scripts.common import command, process
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from tests import pictures
from tests.conftest import REPOSITORY
from tests.evaluation import graphs


def in_child(main):
    """Starts a command as its module does, but in a process that was forked; returns its id."""
    child = os.fork()
    if child:
        return child
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


def status_of(child):
    return os.WEXITSTATUS(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    'number, words', [(signal.SIGSEGV, 'TensorFlow crashed'), (signal.SIGKILL, 'ran out of memory')]
)
def test_a_crash_is_one_line(capfd, number, words):
    child = in_child(lambda *_: os.kill(os.getpid(), number))
    assert status_of(child) == 1
    err = capfd.readouterr().err
    assert err.startswith('name: error: stopped by SIG') and words in err and err.count('\n') == 1


@pytest.mark.parametrize(
    'number, words',
    [
        (signal.SIGTERM, 'another program or'),
        (signal.SIGXCPU, 'another program or a system limit (ulimit) ended it'),
        (signal.SIGQUIT, 'another program or'),
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
            'name: error: a library ended the process with status %d; last line of stderr: symbol '
            'lookup error: no static TLS block\n' % status
        )


def test_a_bug_is_a_traceback_and_no_more(capfd):
    def main(*_):
        raise ZeroDivisionError

    assert status_of(in_child(main)) == 1
    err = capfd.readouterr().err
    assert err.startswith('Traceback ') and err.endswith('\nZeroDivisionError\n')


@pytest.mark.parametrize('said', [b'terminate called: std::bad_alloc\n', b'mmap error: 12\n'])
def test_a_crash_for_want_of_memory_is_not_blamed_on_a_graph(capfd, said):
    def main(*_):
        os.write(2, said)
        os.abort()

    assert status_of(in_child(main)) == 1
    err = capfd.readouterr().err
    assert 'stopped by SIGABRT: out of memory; last line of stderr: ' in err and 'graph' not in err


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
        assert line.startswith(name + ': error: ') and 'out of memory' in line


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
    assert error.endswith('; last line of stderr: libjpeg: a complaint')
    all_of_it = 'libjpeg: a complaint\n\nWARNING: a doubt\n'
    monkeypatch.setattr(tempfile, 'tempdir', '/not/there')
    assert status_of(in_child(main)) == 0 and capfd.readouterr().err == all_of_it
    monkeypatch.undo()
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '0')
    assert status_of(in_child(main)) == 0 and capfd.readouterr().err == all_of_it


STOPS = pytest.mark.parametrize('number, status', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
STOPPED = '\nname: stopped. Files already written are complete; rerun the command.\n'


def sent(number, main):
    """Runs a command and sends it a signal once `main` has called what it is given."""
    reading, writing = os.pipe()
    child = in_child(lambda *_: main(lambda: os.write(writing, b'.')))
    os.close(writing)
    assert os.read(reading, 1) == b'.'
    os.kill(child, number)
    return child


@STOPS
def test_a_signal_ends_work_between_two_units(capfd, tmp_path, monkeypatch, number, status):
    monkeypatch.setattr(process, '_SECONDS_TO_STOP', 600)
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
    monkeypatch.setattr(process, '_SECONDS_TO_STOP', 0.1)

    def main(ready):
        ready()
        work_for_a_minute()

    assert status_of(sent(number, main)) == status
    assert capfd.readouterr().err == STOPPED


@STOPS
def test_work_that_is_done_when_a_signal_comes_is_done(capfd, monkeypatch, number, status):
    monkeypatch.setattr(process, '_SECONDS_TO_STOP', 600)

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
    monkeypatch.setattr(process, '_SECONDS_TO_STOP', 0.1)
    # Blocked, it is as if it came just after the fork.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    child = in_child(lambda *_: work_for_a_minute())
    os.kill(child, number)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert status_of(child) == status
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

    child = in_child(main)
    os.close(writing)
    os.read(reading, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b''  # Closed by the last who had it open.


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
def count_ops(tmp_path):
    """Runs Python on count_ops in one of its tools, without the watcher; returns how it ended."""
    graph = graphs.by_colour(str(tmp_path / 'graph.pb'))

    def run(*tool, commands=''):
        return subprocess.run(
            [sys.executable, *tool, os.path.join('scripts', 'count_ops.py'), graph],
            cwd=REPOSITORY,
            env=dict(os.environ, RETRAIN_NO_WATCHER='1'),
            input=commands,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=300,
        )

    return run


def test_a_profiler_sees_the_work(count_ops, tmp_path):
    path = str(tmp_path / 'profile')
    ended = count_ops('-m', 'cProfile', '-o', path)
    assert ended.returncode == 0 and int(ended.stdout) > 0
    seen = {(os.path.basename(file), name) for file, _, name in pstats.Stats(path).stats}
    # From Python 3.12 on, cProfile misses functions in which TensorFlow is imported.
    assert {('files.py', 'read'), ('validation.py', 'check_structure')} <= seen


def test_a_debugger_stops_in_the_work(count_ops):
    ended = count_ops(
        '-m',
        'pdb',
        commands='import scripts.graphs.graph_files\n'
        'break scripts.graphs.graph_files.parse\n'
        'continue\n'
        'where\n'
        "p 'at', origin\n"
        'clear 1\n'
        'continue\n'
        'quit\n',
    )
    assert "('at', '" in ended.stdout and 'count_ops.py' in ended.stdout
    assert re.search(r'\(Pdb\) \d+$', ended.stdout, re.MULTILINE)


# What coverage does, which no environment of ours has: it traces, and saves what it saw by atexit.
COVERAGE = """
import atexit, json, runpy, sys

seen = set()
def trace(frame, event, argument):
    seen.add((frame.f_code.co_filename.rpartition('/')[2], frame.f_code.co_name))
def save():
    with open(output, 'w') as file:
        json.dump(sorted(seen), file)
_, output, *sys.argv = sys.argv
sys.path[0] = sys.argv[0].rpartition('/')[0]
atexit.register(save)
sys.settrace(trace)
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_coverage_sees_the_work(count_ops, tmp_path):
    (tmp_path / 'coverage.py').write_text(COVERAGE)
    output = tmp_path / 'seen.json'
    ended = count_ops(str(tmp_path / 'coverage.py'), str(output))
    assert ended.returncode == 0 and int(ended.stdout) > 0
    seen = json.loads(output.read_text())
    assert ['count_ops.py', 'main'] in seen and ['graph_files.py', 'parse'] in seen


@pytest.mark.parametrize('value, watched', [('1', False), ('', True), ('0', True)])
def test_a_variable_switches_the_watcher_off(capfd, monkeypatch, value, watched):
    monkeypatch.setenv('RETRAIN_NO_WATCHER', value)
    child = in_child(lambda *_: print(os.getpid()))
    assert status_of(child) == 0
    assert (int(capfd.readouterr().out) != child) == watched


def test_without_the_watcher_a_command_ends_as_with_it(capfd, monkeypatch):
    monkeypatch.setenv('RETRAIN_NO_WATCHER', '1')

    def stopped(*_):
        # Tests that a shell runs in the background ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.kill(os.getpid(), signal.SIGINT)
        work_for_a_minute()

    def wrong(*_):
        print('caf\udcc3\udca9')
        raise UserError('found this, expected that')

    assert status_of(in_child(stopped)) == 130
    assert capfd.readouterr().err == STOPPED
    assert status_of(in_child(wrong)) == 1
    assert capfd.readouterr() == ('caf\u00e9\n', 'name: error: found this, expected that\n')
