"""The settings of quantizing. No TensorFlow here: the command checks flags before it loads."""

import typing

ROUND, QUANTIZE, EIGHTBIT = 'round', 'quantize', 'eightbit'
WEIGHTS, WEIGHTS_ROUNDED = 'weights', 'weights_rounded'
MODES = (ROUND, QUANTIZE, EIGHTBIT, WEIGHTS, WEIGHTS_ROUNDED)

# The bits that a mode allows, from and to: FakeQuant has 2 to 16, bytes and kernels have 8.
BITS = {
    ROUND: (2, 16),
    QUANTIZE: (2, 16),
    EIGHTBIT: (8, 8),
    WEIGHTS: (2, 8),
    WEIGHTS_ROUNDED: (1, 16),
}


class Range(typing.NamedTuple):
    """The lowest and the highest of values that 8 bits stand for."""

    lowest: float
    highest: float


class Quantization(typing.NamedTuple):
    """How to quantize.

    output_names: the output nodes.
    strip_redundant: whether steps from 8 bits to float and back are removed (eightbit).
    quantized_input: the `Range` of placeholders that are to be fed 8-bit values, or None.
    fallback: the `Range` in place of dynamic ranges (eightbit), or None.
    """

    mode: str
    bitdepth: int
    output_names: typing.List[str]
    strip_redundant: bool = True
    quantized_input: typing.Optional[Range] = None
    fallback: typing.Optional[Range] = None
