"""Untrusted input: JSON that anyone may have written, in a graph or beside photos."""

import json

_MOST_DIGITS = 20  # Of an integer: a time in nanoseconds has 19.


def from_json(text):
    """Returns the value of an untrusted JSON text.

    Raises:
      ValueError: it is not JSON, or holds NaN or an integer longer than any that is written here.
      RecursionError: it is nested too deep.
    """
    return json.loads(text, parse_int=_short_int, parse_constant=_refuse_constant)


def _short_int(digits):
    if len(digits) > _MOST_DIGITS:  # Parsing takes time quadratic in the number of digits.
        raise ValueError('an integer of %d digits' % len(digits))
    return int(digits)


def _refuse_constant(name):
    raise ValueError(name)
