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

_TOP, _LEFT = 26, 48  # Pixels above and left of the charts; above is what the colours mean.
_STYLE = """
  text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #5d6675 }
  .paper { fill: #fff } .x, .title { text-anchor: middle } .y { text-anchor: end }
  .grid { stroke: #e1e4ea } polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
  polyline.train { stroke: #2563eb } text.train { fill: #2563eb }
  polyline.validation { stroke: #d95d14 } text.validation { fill: #d95d14 }
  .raw { stroke-width: 1; opacity: .25 }
"""


def svg(read):
    """Returns accuracy and cross entropy side by side, as the text of an SVG.

    Args:
      read: the `curves.Curves` of a training.
    """
    width, height = 2 * charts.WIDTH, _TOP + charts.HEIGHT
    return '\n'.join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">' % (width, height),
            '<style>%s</style>' % _STYLE,
            '<rect class="paper" width="%d" height="%d"/>' % (width, height),
            *_panel(0, 'accuracy', charts.learning_curves('accuracy', read.accuracy, True)),
            *_panel(
                charts.WIDTH,
                'cross entropy',
                charts.learning_curves('cross entropy', read.cross_entropy, False),
            ),
            '</svg>\n',
        ]
    )


def _panel(left, title, chart):
    """Returns a chart with a line above it that names its colours, `left` pixels from the left."""
    lines = ['<text x="%d" y="18">%s:</text>' % (left + _LEFT, title)]
    for run, offset in (('train', 130), ('validation', 180)):
        lines.append('<text class="%s" x="%d" y="18">%s</text>' % (run, left + offset, run))
    placed = '<svg x="%d" y="%d" width="%d" height="%d" '
    placed %= left, _TOP, charts.WIDTH, charts.HEIGHT
    return lines + [re.sub('^<svg ', placed, chart)]


def main():
    """Draws the curves of each folder that is named."""
    folders = sys.argv[1:]
    if not folders:
        sys.exit(__doc__)
    for folder in folders:
        name = os.path.basename(os.path.normpath(folder))
        with open(os.path.join(EXPERIMENTS, name + '.svg'), 'w', encoding='utf-8') as file:
            file.write(svg(curves.read(folder)))


if __name__ == '__main__':
    main()
