"""Defining flags: one way for all commands, and the flags that several of them have.

A command has `FLAGS = FlagValues()` of its own, so that several commands can be imported into one
process, and defines flags on it through a `Definer`. Only commands and this module define flags;
the library takes settings, which `settings` makes of the parsed flags.
"""

from scripts.common import packages

packages.check()
from absl import flags  # noqa: E402  # Not before it has been looked for.

FlagValues, Error = flags.FlagValues, flags.Error

# Bounds of numbers: the lowest and the highest, None where there is none.
NOT_NEGATIVE, POSITIVE, PERCENT = (0, None), (1, None), (0, 100)
_UNBOUNDED = (None, None)


class Definer:
    """Defines flags on one `FlagValues`.

    Each method takes the flag's name, its default and what it means, as --help says it.
    """

    def __init__(self, values):
        self._values = values

    def string(self, name, default, meaning):
        """Defines a flag that holds a text."""
        flags.DEFINE_string(name, default, meaning, flag_values=self._values)

    def strings(self, name, default, meaning):
        """Defines a flag that may be given more than once: a list of str."""
        flags.DEFINE_multi_string(name, default, meaning, flag_values=self._values)

    def integer(self, name, default, meaning, bounds=_UNBOUNDED):
        """Defines a flag that holds an integer."""
        low, high = bounds
        flags.DEFINE_integer(
            name, default, meaning, lower_bound=low, upper_bound=high, flag_values=self._values
        )

    def float(self, name, default, meaning, bounds=_UNBOUNDED):
        """Defines a flag that holds a float."""
        low, high = bounds
        flags.DEFINE_float(
            name, default, meaning, lower_bound=low, upper_bound=high, flag_values=self._values
        )

    def boolean(self, name, default, meaning):
        """Defines a flag that is set by --name and --noname."""
        flags.DEFINE_boolean(name, default, meaning, flag_values=self._values)

    def choice(self, name, default, choices, meaning):
        """Defines a flag that holds one of `choices`, a list of str, or the default."""
        flags.DEFINE_enum(name, default, choices, meaning, flag_values=self._values)


def define_graph(define, meaning='The graph.'):
    """Defines which graph a command reads."""
    define.string('graph', 'tf_files/retrained_graph.pb', meaning)


def define_photos(define, image_dir, extensions, split_keys, is_described=False):
    """Defines which files are photos, and how they are split.

    Args:
      define: a `Definer`.
      image_dir: the default folder.
      extensions: those that can be decoded, for --help.
      split_keys: the choices of --split_key, the default first.
      is_described: whether a graph may say all of it: then each default is what a graph without a
        description gets, and the flag itself has none.
    """

    def otherwise(default, meaning):
        if not is_described:
            return default, meaning
        return None, '%s If not given: what the graph says, or else %s.' % (meaning, default)

    define.string(
        'image_dir',
        *otherwise(image_dir, 'The folder with one sub-folder of photos for each label.'),
    )
    define.string(
        'image_extensions',
        *otherwise(
            'jpg,jpeg',
            'Which files are photos, by their extensions, in upper or lower case, separated by '
            'commas: some of %s.' % ', '.join(extensions),
        ),
    )
    for name, purpose in (('testing', 'for testing'), ('validation', 'for validation')):
        meaning = 'The percentage of the photos that is %s.' % purpose
        define.integer(name + '_percentage', *otherwise(10, meaning), PERCENT)
    default, meaning = otherwise(
        split_keys[0],
        'What decides whether a photo is for training, validation or testing: its path as typed, '
        'or its name, <folder>/<file>, which stays the same when the folder is moved.',
    )
    define.choice('split_key', default, split_keys, meaning)


def define_exif_rotation(define, choices, default=None):
    """Defines whether photos are rotated; without a default, a graph may say so."""
    meaning = (
        'Whether JPEGs are used as stored, as in the classic script, or rotated by their EXIF.'
    )
    if default is None:
        meaning += ' If not given: as in the training of the graph, or else ignore.'
    define.choice('exif_rotation', default, choices, meaning)


def define_graph_reading(define):
    """Defines how a graph is fed and read; what is not given is read off the graph."""
    for name in ('input_height', 'input_width'):
        define.integer(
            name,
            None,
            'Pixels; if not given, what the graph declares, or else 224 (299 if it is fed at Mul).',
            POSITIVE,
        )
    for name, meaning in (
        ('input_mean', 'Subtracted from each pixel'),
        ('input_std', 'What each pixel is then divided by'),
    ):
        define.float(
            name, None, meaning + '; if not given, 127.5 if the graph is fed at input, 128 at Mul.'
        )
    define.string('input_layer', None, 'The node that is fed; if not given, input or Mul.')
    define.string(
        'output_layer',
        None,
        'The node that gives the scores; if not given, final_result or the only output.',
    )
    define.string(
        'labels',
        'tf_files/retrained_labels.txt',
        'The labels, one a line. If not given: those in the graph, or else X_labels.txt beside '
        'X_graph.pb.',
    )
    define.boolean(
        'allow_tensorrt_engines',
        False,
        'Run the TensorRT engines in a graph: machine code, which nothing checks.',
    )


def define_top_k(define, meaning):
    """Defines how many of the best labels count."""
    define.integer('top_k', 5, meaning, POSITIVE)


def define_report(define, default):
    """Defines where the evaluation is written as a page."""
    define.string(
        'report',
        default,
        'Where the evaluation is written as one page of HTML: confusion, top losses, learning '
        'curves. If not given: nowhere.',
    )


def given(values, name):
    """Returns the value of a flag that is on the command line, otherwise None."""
    return values[name].value if values[name].present else None


def settings(values, kind, **others):
    """Returns settings made of flags.

    Args:
      values: the parsed `FlagValues`.
      kind: a NamedTuple type, whose fields have the names of flags; one that has not keeps its
        default.
      others: fields that do not take the values of their flags.
    """
    names = [name for name in kind._fields if name in values and name not in others]
    return kind(**{name: values[name].value for name in names}, **others)
