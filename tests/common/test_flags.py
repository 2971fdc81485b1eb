"""Flags are defined in one way, and become settings."""

import typing

import pytest

from scripts.common import flags


class Settings(typing.NamedTuple):
    steps: int
    rate: float
    names: typing.Sequence[str]
    labels: str = 'of the library'


@pytest.fixture
def parsed():
    """Defines flags of each kind and parses arguments: `parsed('--steps=2')`."""

    def parse(*arguments):
        values = flags.FlagValues()
        define = flags.Definer(values)
        define.integer('steps', 3, 'How many.', flags.POSITIVE)
        define.float('rate', 0.5, 'How fast.', flags.NOT_NEGATIVE)
        define.strings('names', ['a'], 'Which.')
        define.string('labels', 'labels.txt', 'Where.')
        define.boolean('flip', True, 'Whether.')
        define.choice('mode', None, ['x', 'y'], 'How.')
        flags.define_photos(define, 'photos', ['jpg', 'png'], ['path', 'name'])
        values(['name', *arguments])
        return values

    return parse


def test_flags_become_settings(parsed):
    values = parsed('--steps=7', '--names=b', '--names=c', '--noflip', '--mode=y')
    assert flags.settings(values, Settings) == Settings(7, 0.5, ['b', 'c'], 'labels.txt')
    assert flags.settings(values, Settings, labels=None).labels is None
    assert (values.flip, values.mode) == (False, 'y')


def test_a_default_is_not_given(parsed):
    assert flags.given(parsed(), 'labels') is None
    assert flags.given(parsed('--labels=labels.txt'), 'labels') == 'labels.txt'


@pytest.mark.parametrize(
    'argument',
    ['--steps=0', '--rate=-1', '--mode=z', '--testing_percentage=101', '--split_key=z'],
)
def test_bounds_and_choices_are_kept(parsed, argument):
    with pytest.raises(flags.Error):
        parsed(argument)


def test_what_a_graph_may_say_has_no_default():
    values = flags.FlagValues()
    flags.define_photos(flags.Definer(values), 'photos', ['jpg'], ['path', 'name'], True)
    values(['name'])
    assert {values[name].value for name in values} == {None}
    assert 'otherwise photos.' in values['image_dir'].help
    assert 'otherwise path.' in values['split_key'].help
