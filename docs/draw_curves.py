"""Draws the learning curves of the experiments that were run here, docs/experiments/NAME.svg.

  .venv-tf2/bin/python -m docs.draw_curves tf_files/training_summaries/NAME ...

Each argument is the `--summaries_dir` of an experiment.
"""

import os
import re
import sys

from scripts.evaluation import charts, curves

DOCS = os.path.dirname(os.path.abspath(__file__))
EXPERIMENTS = os.path.join(DOCS, 'experiments')

_TOP = 26  # Pixels above the charts, for what the colours mean.
_COLOURS = {'train': '#2563eb', 'validation': '#d95d14'}
_STYLE = (
    """
  text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #5d6675 }
  .paper { fill: #fff } .x, .title { text-anchor: middle } .y { text-anchor: end }
  .grid { stroke: #e1e4ea } polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
  .train { stroke: %(train)s } .validation { stroke: %(validation)s }
  .raw { stroke-width: 1; opacity: .25 }
"""
    % _COLOURS
)


def svg(read):
    """Returns accuracy and cross entropy side by side, as the text of an SVG.

    Args:
      read: the `curves.Curves` of a training.
    """
    width, height = 2 * charts.WIDTH, _TOP + charts.HEIGHT
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">' % (width, height),
        '<style>%s</style>' % _STYLE,
        '<rect class="paper" width="%d" height="%d"/>' % (width, height),
    ]
    for number, (title, each, is_fraction) in enumerate(
        (('accuracy', read.accuracy, True), ('cross entropy', read.cross_entropy, False))
    ):
        left = number * charts.WIDTH
        lines.append('<text x="%d" y="18">%s:</text>' % (left + 48, title))
        for place, (run, colour) in enumerate(_COLOURS.items()):
            text = '<text x="%d" y="18" style="fill: %s">%s</text>'
            lines.append(text % (left + 130 + 50 * place, colour, run))
        chart = charts.learning_curves(title, each, is_fraction)
        place = '<svg x="%d" y="%d" width="%d" height="%d" '
        place %= left, _TOP, charts.WIDTH, charts.HEIGHT
        lines.append(re.sub('^<svg ', place, chart))
    return '\n'.join(lines + ['</svg>']) + '\n'


def main():
    """Draws the curves of each folder that is named."""
    for folder in sys.argv[1:]:
        name = os.path.basename(os.path.normpath(folder))
        with open(os.path.join(EXPERIMENTS, name + '.svg'), 'w', encoding='utf-8') as file:
            file.write(svg(curves.read(folder)))


if __name__ == '__main__':
    main()
