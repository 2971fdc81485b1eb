"""What a search chooses from, as flags of retrain."""

import copy

import pytest

from scripts import retrain
from scripts.searching import space

pytestmark = pytest.mark.once

ARCHITECTURES = ['a', 'b']


class FixedTrial:
    """Suggests what it is told to, and the first or lowest of all others."""

    def __init__(self, **settings):
        self._settings = settings

    def suggest_categorical(self, name, choices):
        assert self._settings.get(name, choices[0]) in choices
        return self._settings.get(name, choices[0])

    def suggest_float(self, name, low, high, log):
        assert log and low <= self._settings.get(name, low) <= high
        return self._settings.get(name, low)


def choice_of(**settings):
    return space.suggest(FixedTrial(**settings), ARCHITECTURES)


def test_a_choice_has_a_field_for_each_setting_that_is_suggested():
    choice = choice_of(**dict(space.DEFAULTS, architecture='b'))
    assert choice._asdict() == dict(space.DEFAULTS, architecture='b')


def parsed(flags):
    values = copy.deepcopy(retrain.FLAGS)
    values(['retrain'] + space.as_typed(flags))
    return values


def test_the_defaults_are_those_of_retrain():
    choice = choice_of(**space.DEFAULTS)
    flags = space.flags_of(choice, 0, 480, space.steps_of(choice, 480))
    values, theirs = parsed(flags), copy.deepcopy(retrain.FLAGS)
    theirs(['retrain'])
    different = {name for name in theirs if values[name].value != theirs[name].value}
    # The last two do not change what is trained.
    assert different == {'architecture', 'eval_step_interval', 'validation_batch_size'}


@pytest.mark.parametrize('trained', [space.HEAD, space.QUARTER, space.HALF, space.WHOLE])
@pytest.mark.parametrize('optimizer', [space.PLAIN, space.ADAM])
@pytest.mark.parametrize('distorted', [False, True])
def test_each_choice_is_flags_that_retrain_takes(trained, optimizer, distorted):
    choice = choice_of(
        trained=trained,
        optimizer=optimizer,
        distorted=distorted,
        rate=0.123456,
        hidden_units='256',
        dropout=0.2,
        weight_decay=1e-5,
    )
    values = parsed(space.flags_of(choice, space.blocks_of(choice, 14), 480, 90))
    assert (values.hidden_units, values.dropout, values.weight_decay) == ('256', 0.2, 1e-5)
    assert (values.how_many_training_steps, values.eval_step_interval) == (90, 18)
    assert values.flip_left_right == distorted
    # Where the whole network is trained, there is nothing frozen that a copy could be kept of.
    assert values.distorted_copies == (5 if distorted and trained != space.WHOLE else 0)
    if trained == space.HEAD:
        rate, wanted = values.learning_rate, {space.PLAIN: 0.0012, space.ADAM: 0.00012}
    else:
        rate, wanted = values.fine_tune_learning_rate, {space.PLAIN: 0.00037, space.ADAM: 3.7e-5}
        assert values.train_batch_size == 32
    assert rate == wanted[optimizer]
    assert values.optimizer == ('adam' if optimizer == space.ADAM else 'gradient_descent')


@pytest.mark.parametrize(
    'trained, blocks', [(space.HEAD, 0), (space.QUARTER, 4), (space.HALF, 7), (space.WHOLE, -1)]
)
def test_how_many_blocks_are_trained(trained, blocks):
    assert space.blocks_of(choice_of(trained=trained), 14) == blocks


def test_a_network_of_one_block_is_trained_as_a_whole():
    assert space.blocks_of(choice_of(trained=space.QUARTER), 1) == 1


def test_steps_of_fine_tuning_are_epochs():
    medium = choice_of(trained=space.HALF, length=space.MEDIUM)
    assert space.steps_of(medium, 481) == 6 * 16
    assert space.steps_of(medium, 45000) == 6 * 704  # Of 64 photos.
    assert space.steps_of(choice_of(length=space.MEDIUM), 45000) == 1500


def test_flags_as_a_command_line_has_them():
    flags = {'flip_left_right': True, 'learning_rate': 3e-05, 'hidden_units': '256'}
    assert space.as_typed(flags) == [
        '--flip_left_right',
        '--learning_rate=3e-05',
        '--hidden_units=256',
    ]
