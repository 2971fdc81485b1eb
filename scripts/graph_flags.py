"""The flags that say how a graph is fed and read, shared by the commands that run graphs."""

from scripts.command import flags
from scripts.errors import UserError

_PIXELS = ('height', 'width', 'mean', 'std')


def define(flag_values):
    """Defines the flags, none of which needs to be given."""
    for name in ('input_height', 'input_width'):
        flags.DEFINE_integer(
            name,
            None,
            'Pixels; if not given, what the graph declares, or else 224 (299 where it is fed at '
            'Mul).',
            lower_bound=1,
            flag_values=flag_values,
        )
    for name, meaning in (
        ('input_mean', 'Subtracted from each pixel'),
        ('input_std', 'What each pixel is then divided by'),
    ):
        flags.DEFINE_float(
            name,
            None,
            meaning + '; if not given, 127.5 where the graph is fed at input, 128 at Mul.',
            flag_values=flag_values,
        )
    flags.DEFINE_string(
        'input_layer',
        None,
        'The node that is fed; if not given, input or Mul.',
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        'output_layer',
        None,
        'The node that gives the scores; if not given, final_result or the only output.',
        flag_values=flag_values,
    )


def check(values):
    """Raises UserError where the flags make no sense with any graph."""
    if values.input_std == 0:
        raise UserError('--input_std=0: pixels are divided by it; expected a number such as 127.5')


def layers(values, graph_def):
    """Returns the `GraphInput` and the output's name: what flags give, the rest off the graph."""
    from scripts.classifier import labelling
    from scripts.images import graph_input as graph_input_lib

    graph_input = graph_input_lib.read_off(graph_def, values.input_layer)
    given = {name: values['input_' + name].value for name in _PIXELS}
    pixels = graph_input.pixels._replace(
        **{name: value for name, value in given.items() if value is not None}
    )
    return graph_input._replace(pixels=pixels), labelling.output_of(graph_def, values.output_layer)
