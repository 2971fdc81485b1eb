"""All modes on a real retrained graph: what its file weighs and how many labels stay."""

import os

import numpy as np
import pytest

from scripts.graphs import graph_files
from scripts.images import graph_input
from scripts.inference import labelling
from scripts.quantization import modes, settings

pytestmark = [
    pytest.mark.each_tensorflow,
    pytest.mark.xdist_group('real graphs'),  # For its fixtures.
]


@pytest.fixture(scope='module')
def photos():
    """Every fifth of the real photos."""
    from tests.conftest import SHARED_DATA

    top = os.path.join(SHARED_DATA, 'flower_photos')
    if not os.path.isdir(top):
        pytest.skip('the real photos, %s, are not on this machine' % os.path.normpath(top))
    paths = [
        os.path.join(top, folder, name)
        for folder in sorted(os.listdir(top))
        if os.path.isdir(os.path.join(top, folder))
        for name in sorted(os.listdir(os.path.join(top, folder)))
    ]
    return paths[::5]


@pytest.fixture(scope='module')
def graph_def():
    """The classic script's own retrained graph."""
    from tests.conftest import SHARED_DATA

    path = os.path.join(SHARED_DATA, 'classic', 'retrained_graph.pb')
    if not os.path.exists(path):
        pytest.skip('the real graph, %s, is not on this machine' % os.path.normpath(path))
    return graph_files.read(path)


def best(graph_def, paths):
    """Returns the index of each photo's best label."""
    fed = graph_input.read_off(graph_def)
    batches = labelling.score_many(labelling.ScoringGraph(graph_def, fed, 'final_result'), paths)
    return np.concatenate([batch.values.argmax(axis=1) for batch in batches])


@pytest.fixture(scope='module')
def float_labels(graph_def, photos):
    """The best labels of the float graph."""
    return best(graph_def, photos)


# A few points below the table in docs/quantization.md, which is of all photos: these are a fifth.
@pytest.mark.parametrize(
    'mode, agree, fraction',
    [
        ('weights', 0.96, 0.33),
        ('weights_rounded', 0.91, 1.01),
        ('eightbit', 0.91, 0.33),
        ('round', 0.88, 1.03),
        ('quantize', 0.86, 1.03),
    ],
)
def test_labels_stay(graph_def, photos, float_labels, mode, agree, fraction):
    after = modes.quantize(graph_def, settings.Quantization(mode, 8, ['final_result']))
    assert after.ByteSize() <= fraction * graph_def.ByteSize()
    assert (best(after, photos) == float_labels).mean() >= agree


def test_labels_stay_with_calibrated_ranges(graph_def, photos, float_labels):
    calibration = modes.Calibration(photos[::6], graph_input.read_off(graph_def))
    after = modes.quantize(
        graph_def, settings.Quantization('eightbit', 8, ['final_result']), calibration
    )
    assert not {'Min', 'Max', 'RequantizationRange'} & {node.op for node in after.node}
    assert (best(after, photos) == float_labels).mean() >= 0.91
