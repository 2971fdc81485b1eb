"""Checking a set of photos by the bottlenecks of a network."""

import numpy as np

from scripts.checking import doubts, duplicates
from scripts.checking import findings as findings_lib
from scripts.checking.findings import Findings
from scripts.common.errors import UserError
from scripts.features import extract


def check(backbone, place, dataset, policy):
    """Computes the bottlenecks of photos, or takes those that are kept, and returns `Findings`.

    Args:
      backbone: the `Backbone` of a pretrained network, up to its bottleneck.
      place: the `place.Place` of its features.
      dataset: a `Dataset`.
      policy: of `bad_images`.

    Raises:
      UserError: fewer than two photos are readable; or as `extract.compute`.
    """
    computed = extract.compute(backbone, place, list(dataset.photos), policy)
    rows = np.flatnonzero(computed.readable)
    photos = [dataset.photos[row] for row in rows]
    if len(photos) < 2:
        raise UserError(
            '%d of %d photos are readable: expected at least 2' % (len(photos), len(computed))
        )
    features = computed.take(rows)
    truth = np.array([photo.label_index for photo in photos])
    spec = backbone.network.pixels
    pairs = duplicates.find([photo.path for photo in photos], features, spec.exif_rotation)
    groups = duplicates.groups(pairs)
    scores = np.full((len(photos), len(dataset.labels)), np.nan, np.float32)
    if len(set(truth)) > 1:
        scores = doubts.scores(backbone, features, truth, len(dataset.labels), groups)
    bad = [photo for photo, good in zip(dataset.photos, computed.readable) if not good]
    return Findings(
        labels=dataset.labels,
        photos=photos,
        groups=findings_lib.groups_of(groups, pairs, photos),
        doubts=findings_lib.doubts_of(scores, truth),
        sizes=findings_lib.sizes_of(photos),
        fed=(spec.width, spec.height),
        rotated=findings_lib.rotated_of(photos, spec.exif_rotation),
        unreadable=bad,
    )
