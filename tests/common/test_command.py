"""Flags, help, errors and the exit status of a command."""

import pytest
from absl import flags

from scripts.common import command, limits
from scripts.common.errors import UserError


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


def test_a_user_error_is_one_line(flag_values, capsys):
    def main(_, __):
        raise UserError('found this,\nexpected that')

    assert command.execute(main, flag_values, ['name']) == 1
    assert capsys.readouterr().err == 'name: error: found this, expected that\n'


def test_a_bug_is_a_traceback(flag_values):
    def main(_, __):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command.execute(main, flag_values, ['name'])


def test_ctrl_c_says_what_to_do(flag_values, capsys):
    def main(_, __):
        raise KeyboardInterrupt

    assert command.execute(main, flag_values, ['name']) == 130
    assert 'Files already written are complete; rerun the command' in capsys.readouterr().err


def test_memory_that_ran_out_is_one_line(flag_values, capsys, monkeypatch):
    def main(_, __):
        raise MemoryError

    def broken(_, __):
        raise SystemError('error return without exception set')

    assert command.execute(main, flag_values, ['name']) == 1
    assert capsys.readouterr().err == 'name: error: out of memory\n'
    monkeypatch.setattr(limits, 'memory_limit', lambda: 10**9)
    assert command.execute(main, flag_values, ['name']) == 1
    assert capsys.readouterr().err == (
        'name: error: out of memory: the limit is 1,000 MB (ulimit -v); raise it\n'
    )
    assert command.execute(broken, flag_values, ['name']) == 1
    assert capsys.readouterr().err == (
        'name: error: probably out of memory: the limit is 1,000 MB (ulimit -v); raise it '
        '(SystemError: error return without exception set)\n'
    )
    monkeypatch.setattr(limits, 'memory_limit', lambda: 10**11)
    with pytest.raises(SystemError):
        command.execute(broken, flag_values, ['name'])


def test_help_lists_flags_with_their_defaults(flag_values, capsys):
    def main(_, __):
        raise AssertionError('not reached')

    assert command.execute(main, flag_values, ['name', '--help']) == 0
    out = capsys.readouterr().out
    assert '--steps: How many steps. (default: 3)' in ' '.join(out.split()).replace("'", '')
    assert '--[no]flip' in out


def test_arguments_are_refused_where_there_are_only_flags():
    with pytest.raises(UserError, match='stray'):
        command.refuse_arguments(['stray'])
