"""Confidence intervals of an accuracy that was measured on a number of photos."""

import math

_NORMAL_QUANTILE = 1.959964  # 95% of a normal distribution lie within so many standard deviations.


def wilson(right, total):
    """Returns the 95% interval, two floats from 0 to 1, of the rate that `right` of `total` show.

    Wilson's score interval (1927), which holds for few photos and for rates of 0 and 1 too.
    """
    z_squared = _NORMAL_QUANTILE**2
    center = (right + z_squared / 2) / (total + z_squared)
    spread = right * (total - right) / total + z_squared / 4
    half = _NORMAL_QUANTILE * math.sqrt(spread) / (total + z_squared)
    return max(center - half, 0.0), min(center + half, 1.0)


def as_text(right, total):
    """Returns a line such as '95% interval: 71.0% to 87.0% (Wilson, N=69)'."""
    low, high = wilson(right, total)
    return '95%% interval: %.1f%% to %.1f%% (Wilson, N=%d)' % (100 * low, 100 * high, total)
