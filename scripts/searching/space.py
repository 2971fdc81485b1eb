"""What a search chooses from: the settings of a trial, and the flags of retrain that they are.

No TensorFlow and no Optuna here.
"""

import math
import typing

ARCHITECTURE, TRAINED = 'architecture', 'trained'

# How much of the network is trained; a network that cannot be cut has fewer.
HEAD, QUARTER, HALF, WHOLE = 'head', 'quarter', 'half', 'whole'
_FRACTIONS = {QUARTER: 0.25, HALF: 0.5}

PLAIN, ADAM = 'plain', 'adam'

# The learning rates that a rate of 1 stands for. That of gradient descent is retrain's default, and
# so is that of Nesterov momentum, which is the plain optimizer of fine-tuning.
_HEAD_RATES = {PLAIN: 0.01, ADAM: 0.001}
_FINE_TUNING_RATES = {PLAIN: 0.003, ADAM: 0.0003}
_RATES = (0.1, 30.0)
_DIGITS = 2  # Of rates.

_HIDDEN_UNITS = ('', '256', '1024')
_DROPOUTS = (0.0, 0.2, 0.5)
_WEIGHT_DECAYS = (0.0, 1e-5, 1e-4, 1e-3)

SHORT, MEDIUM, LONG = 'short', 'medium', 'long'
_HEAD_STEPS = {SHORT: 500, MEDIUM: 1500, LONG: 4000}
_EPOCHS = {SHORT: 3, MEDIUM: 6, LONG: 12}
LONGEST = _EPOCHS[LONG]

# Of fine-tuning; that of large sets is larger, since steps of more photos make better use of cores.
_BATCH, _LARGE_BATCH, _LARGE = 32, 64, 5000

# Of distortions where there are any.
_DISTORTIONS = (('flip_left_right', True), ('random_crop', 10))
COPIES = 5

_EVALUATIONS = 5  # In a trial; each is a chance to prune it.

_SAME_IN_ALL = ('eval_step_interval', 'validation_batch_size')

# A trial that is retrain's defaults.
DEFAULTS = {
    TRAINED: HEAD,
    'optimizer': PLAIN,
    'rate': 1.0,
    'hidden_units': '',
    'dropout': 0.0,
    'weight_decay': 0.0,
    'distorted': False,
    'length': LONG,
}

# What the best network is fine-tuned by first. Where all of it is trained, Adam does better, and
# without distortions it would know the training photos by heart.
FINE_TUNED = (
    dict(DEFAULTS, trained=HALF, length=MEDIUM),
    dict(DEFAULTS, trained=WHOLE, length=MEDIUM, optimizer=ADAM, distorted=True),
)


class Choice(typing.NamedTuple):
    """Settings of a trial, as a study keeps them, by name: one value of each."""

    architecture: str
    trained: str
    optimizer: str
    rate: float
    hidden_units: str
    dropout: float
    weight_decay: float
    distorted: bool
    length: str

    @property
    def fine_tunes(self):
        """Whether more than the head is trained."""
        return self.trained != HEAD

    @property
    def copies(self):
        """How many distorted copies of each photo are kept; 0: none."""
        return COPIES if self.distorted and self.trained != WHOLE else 0


def suggest(trial, architectures):
    """Returns the `Choice` of a trial.

    The space is the same for every trial, whatever a setting means in it: so a study can tell how
    important each one is.

    Args:
      trial: what suggests values, as an Optuna Trial does.
      architectures: list of str.
    """
    return Choice(
        trial.suggest_categorical(ARCHITECTURE, architectures),
        trial.suggest_categorical(TRAINED, (HEAD, QUARTER, HALF, WHOLE)),
        trial.suggest_categorical('optimizer', (PLAIN, ADAM)),
        trial.suggest_float('rate', *_RATES, log=True),
        trial.suggest_categorical('hidden_units', _HIDDEN_UNITS),
        trial.suggest_categorical('dropout', _DROPOUTS),
        trial.suggest_categorical('weight_decay', _WEIGHT_DECAYS),
        trial.suggest_categorical('distorted', (False, True)),
        trial.suggest_categorical('length', (SHORT, MEDIUM, LONG)),
    )


def batch_of(photos):
    """Returns how many photos a step of fine-tuning has where there are so many to train on."""
    return _LARGE_BATCH if photos >= _LARGE else _BATCH


def steps_of(choice, photos):
    """Returns how many steps a trial has where there is time for all."""
    if not choice.fine_tunes:
        return _HEAD_STEPS[choice.length]
    return _EPOCHS[choice.length] * math.ceil(photos / batch_of(photos))


def blocks_of(choice, count):
    """Returns `--fine_tune_blocks` for a network of `count` blocks."""
    if choice.trained == WHOLE or not choice.fine_tunes:
        return -1 if choice.fine_tunes else 0
    return max(1, math.ceil(count * _FRACTIONS[choice.trained]))


def flags_of(choice, blocks, photos, steps):
    """Returns the flags of retrain that a trial is, a dict from name to value.

    Args:
      choice: a `Choice`.
      blocks: `--fine_tune_blocks`.
      photos: int, how many there are to train on.
      steps: int, how many there is time for.
    """
    found = {ARCHITECTURE: choice.architecture, 'how_many_training_steps': steps}
    if choice.fine_tunes:
        found['fine_tune_blocks'] = blocks
        found['fine_tune_learning_rate'] = _rate(choice, _FINE_TUNING_RATES)
        found['train_batch_size'] = batch_of(photos)
        if choice.optimizer == ADAM:
            found['learning_rate'] = _HEAD_RATES[ADAM]
    else:
        found['learning_rate'] = _rate(choice, _HEAD_RATES)
        if choice.optimizer == ADAM:
            found['learning_rate_decay'] = 'cosine'
    if choice.optimizer == ADAM:
        found['optimizer'] = ADAM
    for name in ('hidden_units', 'dropout', 'weight_decay'):
        if getattr(choice, name):
            found[name] = getattr(choice, name)
    if choice.distorted:
        found.update(_DISTORTIONS)
    if choice.copies:
        found['distorted_copies'] = choice.copies
    found['eval_step_interval'] = max(1, steps // _EVALUATIONS)
    found['validation_batch_size'] = -1
    return found


def telling(flags):
    """Returns those of a dict of flags that tell trials apart."""
    return {name: flags[name] for name in flags if name not in _SAME_IN_ALL}


def _rate(choice, rates):
    return float('%.*g' % (_DIGITS, choice.rate * rates[choice.optimizer]))


def as_typed(flags):
    """Returns a dict of flags as a command line has them: a list of str."""
    return [
        '--' + name if value is True else '--%s=%s' % (name, _as_text(value))
        for name, value in flags.items()
    ]


def _as_text(value):
    return '%g' % value if isinstance(value, float) else str(value)
