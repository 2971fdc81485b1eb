"""Charts as SVG with the colours of the page. No TensorFlow here."""

import html
import math
import typing

import numpy as np

WIDTH, HEIGHT = 440, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 20, 10, 40
_MOST_POINTS = 300  # More than a line of this width can show.


class _Axes(typing.NamedTuple):
    """What the plotted rectangle runs over."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value):
        fraction = (value - self.x_low) / (self.x_high - self.x_low)
        return _LEFT + fraction * (WIDTH - _LEFT - _RIGHT)

    def y(self, value):
        fraction = (value - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - _BOTTOM - fraction * (HEIGHT - _TOP - _BOTTOM)


def reliability(calibration):
    """Returns the reliability diagram: the accuracy of predicted labels by their score.

    Args:
      calibration: a `metrics.Calibration`.
    """
    axes = _Axes(0, 1, 0, 1)
    counts = calibration.right + calibration.wrong
    drawn = [_line('ideal', axes.x(0), axes.y(0), axes.x(1), axes.y(1))]
    for confidence, accuracy, count in zip(calibration.confidence, calibration.accuracy, counts):
        if not count:
            continue
        x, y = axes.x(confidence), axes.y(accuracy)
        tip = 'score %s, right %s, photos: %d' % (_percent(confidence), _percent(accuracy), count)
        radius = 3 + 7 * math.sqrt(count / counts.max())
        drawn.append(_line('gap', x, axes.y(confidence), x, y))
        drawn.append(_element('circle', tip, **{'class': 'right', 'cx': x, 'cy': y, 'r': radius}))
    title = 'Accuracy of predicted labels by their score'
    return _svg(title, _grid(axes, _percent, _percent) + drawn, 'score of the predicted label')


def confidence_histogram(calibration):
    """Returns bars of how many photos are right and wrong, by the score of the predicted label."""
    highest = (calibration.right + calibration.wrong).max()
    axes = _Axes(0, 1, 0, _ticks(0, highest)[-1])
    drawn = []
    for low, high, right, wrong in zip(
        calibration.edges, calibration.edges[1:], calibration.right, calibration.wrong
    ):
        for kind, start, count in (('right', 0, right), ('wrong', right, wrong)):
            if count:
                drawn.append(
                    _element(
                        'rect',
                        'score %s to %s, %s: %d' % (_percent(low), _percent(high), kind, count),
                        **{
                            'class': kind,
                            'x': axes.x(low) + 1,
                            'y': axes.y(start + count),
                            'width': axes.x(high) - axes.x(low) - 2,
                            'height': axes.y(start) - axes.y(start + count),
                        },
                    )
                )
    title = 'How many photos are right and wrong, by the score of the predicted label'
    return _svg(title, _grid(axes, _percent, _number) + drawn, 'score of the predicted label')


def learning_curves(title, curves, is_fraction):
    """Returns smoothed lines over faint raw ones, one of each for a run.

    Args:
      title: str, for those who do not see the chart.
      curves: non-empty list of `curves.Curve`.
      is_fraction: whether the values run from 0 to 1 and are shown as percent.
    """
    values = np.concatenate([curve.values for curve in curves])
    values = values[np.isfinite(values)]
    highest = 1 if is_fraction else _ticks(0, max(values.max(initial=0), 1e-6))[-1]
    lowest = 0.5 if is_fraction and values.min(initial=1) > 0.5 else 0
    axes = _Axes(0, max([1] + [curve.steps[-1] for curve in curves]), lowest, highest)
    raw = [_polyline(axes, 'raw ' + curve.run, curve.steps, curve.values) for curve in curves]
    smooth = [_polyline(axes, curve.run, curve.steps, _smoothed(curve.values)) for curve in curves]
    y_text = _percent if is_fraction else _number
    return _svg(title, _grid(axes, _number, y_text) + raw + smooth, 'training step')


def _smoothed(values):
    """Returns the moving average over a twentieth of all values."""
    half = len(values) // 40
    if not half:
        return values
    window = np.ones(2 * half + 1)
    return np.convolve(values, window, 'same') / np.convolve(np.ones(len(values)), window, 'same')


def _svg(title, drawn, x_title):
    drawn = drawn + [_text('title', (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 6, x_title)]
    return '<svg viewBox="0 0 %d %d" role="img" aria-label="%s">%s</svg>' % (
        WIDTH,
        HEIGHT,
        html.escape(title),
        ''.join(drawn),
    )


def _grid(axes, x_text, y_text):
    """Returns lines and numbers along both axes."""
    drawn = []
    for value in _ticks(axes.y_low, axes.y_high):
        y = axes.y(value)
        drawn.append(_line('grid', _LEFT, y, WIDTH - _RIGHT, y))
        drawn.append(_text('y', _LEFT - 6, y + 4, y_text(value)))
    for value in _ticks(axes.x_low, axes.x_high):
        if value <= axes.x_high:
            drawn.append(_text('x', axes.x(value), HEIGHT - _BOTTOM + 16, x_text(value)))
    return drawn


def _ticks(low, high):
    """Returns round numbers, about five steps apart, from `low` to `high` or the next above it."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * (1 - 1e-9))
    count = math.ceil((high - low) / step - 1e-9)
    return [low + step * index for index in range(count + 1)]


def _polyline(axes, kind, steps, values):
    chosen = np.linspace(0, len(steps) - 1, min(len(steps), _MOST_POINTS)).round().astype(np.int64)
    points = ' '.join(
        '%.1f,%.1f' % (axes.x(steps[index]), axes.y(max(values[index], axes.y_low)))
        for index in chosen
        if math.isfinite(values[index])
    )
    return _element('polyline', **{'class': kind, 'points': points})


def _line(kind, x1, y1, x2, y2):
    return _element('line', **{'class': kind, 'x1': x1, 'y1': y1, 'x2': x2, 'y2': y2})


def _text(kind, x, y, content):
    return '<text class="%s" x="%.1f" y="%.1f">%s</text>' % (kind, x, y, html.escape(content))


def _element(name, tip=None, **attributes):
    written = ''.join(
        ' %s="%s"' % (key, value if isinstance(value, str) else '%.1f' % value)
        for key, value in attributes.items()
    )
    inside = '<title>%s</title>' % html.escape(tip) if tip else ''
    return '<%s%s>%s</%s>' % (name, written, inside, name)


def _percent(value):
    return '%.0f%%' % (100 * value)


def _number(value):
    return f'{round(value, 10):,.10g}'
