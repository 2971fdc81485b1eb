"""What --help and docs/flags.md say about flags."""

import textwrap
import typing

_WIDTH = 96


class FlagHelp(typing.NamedTuple):
    """What there is to say about a flag.

    default: as it would be typed; empty where there is none.
    choices: list of str; empty where any value of its type may be given.
    """

    name: str
    is_boolean: bool
    default: str
    meaning: str
    choices: typing.List[str]


def groups(flag_values):
    """Returns pairs of a group's title and its list of `FlagHelp`, in the order of definition."""
    return [
        (title, [_describe(flag) for flag in group])
        for title, group in flag_values.flags_by_module_dict().items()
    ]


def text(flag_values):
    """Returns the text on all flags of a command, group by group."""
    found = groups(flag_values)
    if len(found) == 1:
        return '\n'.join(['Flags:'] + [_entry(each) for each in found[0][1]])
    parts = ['Flags; in each group, those of the classic script come first:']
    for title, group in found:
        parts += ['', title] + [_entry(each) for each in group]
    return '\n'.join(parts)


def _describe(flag):
    choices = list(getattr(flag.parser, 'enum_values', None) or [])
    meaning = flag.help.partition(';\n')[0]  # absl adds that a flag may be repeated,
    meaning = meaning.replace('<%s>: ' % '|'.join(choices), '')  # and puts the choices first.
    return FlagHelp(flag.name, bool(flag.boolean), _default(flag), meaning, choices)


def _default(flag):
    if flag.default is None:
        return ''
    if isinstance(flag.default, list):
        return ','.join(flag.default)
    return flag.default_as_str[1:-1]


def _entry(flag):
    """Returns the lines on one flag."""
    form = '--[no]%s' % flag.name if flag.is_boolean else '--%s' % flag.name
    if flag.choices:
        form += '=' + '|'.join(flag.choices)
    # Its space is one at which no line ends.
    default = ' (default:\0%s)' % flag.default if flag.default else ''
    lines = textwrap.fill(
        '%s: %s%s' % (form, flag.meaning, default),
        _WIDTH,
        initial_indent='  ',
        subsequent_indent='      ',
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace('\0', ' ')
