"""Wilson's interval, against figures worked out elsewhere."""

import pytest

from scripts.common import intervals


@pytest.mark.parametrize(
    'right, total, low, high',
    [
        # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_the_interval_is_wilsons(right, total, low, high):
    assert intervals.wilson(right, total) == pytest.approx((low, high), abs=5e-5)


def test_it_is_one_line():
    assert intervals.as_text(1, 1) == '95% interval: 20.7% to 100.0% (Wilson, N=1)'
