"""The heatmaps of the photos that the report shows."""

import logging
import os

from scripts.common.errors import UserError
from scripts.evaluation import report_photos
from scripts.inference import heatmaps

_LOG = logging.getLogger(__name__)


def find(classifier, evaluation):
    """Returns a dict from the rows of top losses to their heatmaps, of the predicted labels.

    It is empty, with a line that says why, where there are none of the graph.

    Args:
      classifier: the `labelling.ScoringGraph` that was evaluated.
      evaluation: the `Evaluation`.
    """
    rows = [int(row) for row in report_photos.top_rows(evaluation)]
    rows = [row for row in rows if os.path.exists(evaluation.photos[row].path)]
    if not rows:
        return {}
    try:
        with heatmaps.Heatmaps(classifier) as heat:
            found = list(heat.of_files([evaluation.photos[row].path for row in rows]))
    except UserError as error:
        _LOG.info('The report has no heatmaps: %s', error)
        return {}
    return {row: each for row, each in zip(rows, found) if each is not None}
