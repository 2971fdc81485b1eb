"""Which photos to evaluate on, with their labels in the order of a graph's."""

import collections

from scripts.common.errors import UserError
from scripts.common.printing import printable
from scripts.dataset import labels as labels_lib

ALL = 'all'


def count(dataset, category, photos):
    """Returns a line that says how many photos of a `Dataset`'s folders are of a category."""
    total, folders = len(dataset.photos), printable(dataset.folders)
    if category == ALL:
        return 'Photos: all %d in %s' % (total, folders)
    return 'Photos: %d of the %d in %s are for %s' % (
        len(photos),
        total,
        folders,
        category,
    )


def photos_of(dataset, category, labels):
    """Returns the `Photo`s of a category, each label_index counting in `labels`.

    Args:
      dataset: a `Dataset`.
      category: one of `split.CATEGORIES`, or ALL.
      labels: list of str, in the order of the scores; it may hold labels without photos.

    Raises:
      UserError: the folder has a label that `labels` lacks or holds twice, or the category is
        empty.
    """
    # A label may begin or end with a space, which is lost in a labels file.
    wanted = [label.strip() for label in dataset.labels]
    known = [label.strip() for label in labels]
    counts = collections.Counter(known)
    missing = [label for label in wanted if not counts[label]]
    if missing:
        raise UserError(
            'the folder of photos has the label %r, which is not among the %d labels of the '
            'graph (%s): give the labels that were written with the graph, or other photos'
            % (missing[0], len(labels), ', '.join(labels_lib.shortened(labels)))
        )
    twice = [label for label in wanted if counts[label] > 1]
    if twice:
        raise UserError(
            'the labels of the graph hold %r more than once, so its score is ambiguous: '
            'make them differ' % twice[0]
        )
    places = {label: place for place, label in enumerate(known)}
    photos = [
        photo._replace(label_index=places[wanted[photo.label_index]])
        for photo in dataset.photos
        if category in (ALL, photo.category)
    ]
    if not photos:
        raise UserError(
            'none of the %d photos is for %s: choose another --category, or percentages '
            'that leave some' % (len(dataset.photos), category)
        )
    return photos
