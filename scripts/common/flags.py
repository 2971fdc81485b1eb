"""Defining flags: one way for all commands, and the flags that several of them have.

A command has `FLAGS = FlagValues()` of its own, so that several commands can be imported into one
process, and defines flags on it through a `Definer`. Only commands and this module define flags;
the library takes settings, which `settings` makes of the parsed flags.
"""

import math

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

    Args:
      values: the `FlagValues`.
      title: of the group in which --help and docs/flags.md show the flags.
    """

    def __init__(self, values, title='Flags'):
        self._values = values
        # absl shows flags by the module that defines them: here a module is a group.
        self._place = {'flag_values': values, 'module_name': title}

    def group(self, title):
        """Returns what defines flags in a group of that title, on the same `FlagValues`."""
        return Definer(self._values, title)

    def string(self, name, default, meaning):
        """Defines a flag that holds a text."""
        flags.DEFINE_string(name, default, meaning, **self._place)

    def strings(self, name, default, meaning):
        """Defines a flag that may be given more than once: a list of str."""
        flags.DEFINE_multi_string(name, default, meaning, **self._place)

    def integer(self, name, default, meaning, bounds=_UNBOUNDED):
        """Defines a flag that holds an integer."""
        low, high = bounds
        flags.DEFINE_integer(
            name, default, meaning, lower_bound=low, upper_bound=high, **self._place
        )

    def float(self, name, default, meaning, bounds=_UNBOUNDED):
        """Defines a flag that holds a float."""
        low, high = bounds
        flags.DEFINE_float(name, default, meaning, lower_bound=low, upper_bound=high, **self._place)

    def channels(self, name, meaning):
        """Defines a flag that holds a float, or a tuple of three, red, green and blue; or None."""
        flags.DEFINE(_Channels(), name, None, meaning, serializer=_Commas(), **self._place)

    def boolean(self, name, default, meaning):
        """Defines a flag that is set by --name and --noname."""
        flags.DEFINE_boolean(name, default, meaning, **self._place)

    def choice(self, name, default, choices, meaning):
        """Defines a flag that holds one of `choices`, a list of str, or the default."""
        flags.DEFINE_enum(name, default, choices, meaning, **self._place)


class _Channels(flags.ArgumentParser):
    """Parses one number, or three."""

    syntactic_help = 'one number, or three with commas between them'

    def parse(self, argument):
        """Returns a float or a tuple of three; raises ValueError."""
        try:
            numbers = tuple(float(part) for part in str(argument).split(','))
        except ValueError:
            numbers = ()
        if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
            raise ValueError('expected ' + self.syntactic_help)
        return numbers if len(numbers) == 3 else numbers[0]

    def flag_type(self):
        """Returns what absl calls the type."""
        return 'numbers'


class _Commas(flags.ArgumentSerializer):
    """The opposite of `_Channels`."""

    def serialize(self, value):
        """Returns a value as it is typed."""
        return ','.join(map(str, value)) if isinstance(value, tuple) else str(value)


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
        return None, '%s Default: as the graph says, otherwise %s.' % (meaning, default)

    define.string(
        'image_dir',
        *otherwise(
            image_dir,
            'The folder that holds one sub-folder of photos per label, or folders train and test '
            'that do.',
        ),
    )
    for name, purpose in (('testing', 'for testing'), ('validation', 'for validation')):
        meaning = 'The percentage of the photos that are %s.' % purpose
        define.integer(name + '_percentage', *otherwise(10, meaning), PERCENT)
    define.string(
        'test_dir',
        None,
        'A folder of test photos, with the sub-folders of --image_dir; then all photos of '
        '--image_dir are for training and validation.'
        + ' Default: as the graph says, unless --image_dir is another folder.'
        * is_described,
    )
    define.string(
        'image_extensions',
        *otherwise(
            'jpg,jpeg',
            'The extensions of the files to use as photos, in upper or lower case, separated by '
            'commas: some of %s.' % ', '.join(extensions),
        ),
    )
    default, meaning = otherwise(
        split_keys[0],
        'What decides whether a photo is for training, validation or testing: path, as typed, or '
        'name, <folder>/<file>, which stays the same when the folder is moved.',
    )
    define.choice('split_key', default, split_keys, meaning)


def define_groups(define, default):
    """Defines which photos share a category; the default is None where a graph may tell."""
    define.string(
        'groups',
        default,
        'A CSV file of groups of photos, such as near-duplicates, of which each goes into one '
        'category: check_photos --output_groups writes it.',
    )


def define_exif_rotation(define, choices, default=None):
    """Defines whether photos are rotated; without a default, a graph may say so."""
    meaning = (
        'Whether JPEGs are used as they are stored, as in the classic script, or rotated as their '
        'EXIF data says.'
    )
    _define_way(define, 'exif_rotation', meaning, choices, default)


def define_decode(define, choices, default=None):
    """Defines how JPEGs are decoded; without a default, a graph may say so."""
    meaning = (
        'How JPEGs are decoded: exact, at their whole size, as in the classic script, or fast, at '
        '1/2, 1/4 or 1/8 of it where they stay at least as large as the network wants.'
    )
    _define_way(define, 'decode', meaning, choices, default)


def _define_way(define, name, meaning, choices, default):
    """Defines a choice of how photos are read; without a default, a graph may say so."""
    if default is None:
        meaning += ' Default: as in the training of the graph, otherwise %s.' % choices[0]
    define.choice(name, default, choices, meaning)


def define_graph_reading(define):
    """Defines how a graph is fed and read; what is not given is read off the graph."""
    define.string(
        'labels',
        'tf_files/retrained_labels.txt',
        'The file of labels, one per line. If not given: the labels in the graph, otherwise '
        'X_labels.txt beside X_graph.pb, otherwise the default.',
    )
    define_pixels(
        define,
        'as the graph declares, otherwise 224, or 299 if the input node is Mul',
        'as the graph says, otherwise 127.5, or 128 if the input node is Mul',
        'input or Mul',
    )
    define.string(
        'output_layer',
        None,
        'The node of the scores. Default: final_result, or the only output of the graph.',
    )
    define.boolean(
        'allow_tensorrt_engines',
        False,
        'Run TensorRT engines in the graph. They are machine code, which cannot be checked: use '
        'this only for graphs that you made yourself.',
    )


def define_pixels(define, size, scaling, layer):
    """Defines which pixels a graph is fed, and where; the other arguments say the defaults."""
    for side in ('height', 'width'):
        meaning = 'The %s of the input, in pixels. Default: %s.' % (side, size)
        define.integer('input_' + side, None, meaning, POSITIVE)
    for name, meaning in (
        ('input_mean', 'The number that is subtracted from each pixel'),
        ('input_std', 'The number by which each pixel is then divided'),
    ):
        text = '%s; three, with commas, for red, green and blue. Default: %s.'
        define.channels(name, text % (meaning, scaling))
    define.string('input_layer', None, 'The input node. Default: %s.' % layer)


def define_model_dir(define):
    """Defines where pretrained and imported networks are."""
    define.string('model_dir', '/tmp/imagenet', 'The folder of pretrained networks.')


def define_bottleneck_layer(define):
    """Defines which node of a network is its bottleneck."""
    define.string(
        'bottleneck_layer',
        None,
        'The node whose output is the bottleneck. Default: that of the network, for a path the '
        'last global pooling.',
    )


def define_top_k(define, meaning):
    """Defines how many of the best labels count."""
    define.integer('top_k', 5, meaning, POSITIVE)


def define_camera(define, meaning):
    """Defines a camera or a video file."""
    define.string(
        'camera',
        None,
        meaning + ': 0, /dev/video0 or FILE.avi. Needs OpenCV (requirements-camera.txt).',
    )


def define_report(define, default):
    """Defines where the evaluation is written as a page."""
    define.string(
        'report',
        default,
        'Write the evaluation to this file, as one page of HTML: confusion matrix, top losses, '
        'learning curves.',
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


def reading_settings(values, kind):
    """Returns settings of how to read a graph, made of what `define_graph_reading` defines."""
    return settings(values, kind, labels=given(values, 'labels'), default_labels=values.labels)
