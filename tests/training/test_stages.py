"""The stages of a retraining, and the line that says what is fine-tuned."""

import pytest

from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.images.settings import Distortions
from scripts.training import settings as settings_lib
from scripts.training import stages
from tests import stand_ins

pytestmark = pytest.mark.once

BOUNDARY = 'Block_1/Relu6'


@pytest.fixture
def network(pretrained):
    return pretrained._replace(graph_def=stand_ins.mobilenet_of_blocks())


@pytest.fixture
def retraining(pretrained, settings):
    """A `Retraining` of two stages."""
    return settings_lib.Retraining(
        network=pretrained.network,
        model_dir='',
        bottleneck_dir='',
        distortions=Distortions(flip_left_right=True),
        training=settings._replace(first_step=7, learning_rate_flag='fine_tune_learning_rate'),
        output_graph='',
        output_labels='',
        print_misclassified_test_images=False,
        fine_tune_blocks=2,
        head_training=settings._replace(how_many_training_steps=7),
    )


@pytest.fixture
def dataset(photo_dir):
    return photos_lib.load(photo_dir, Split(key='name'))


def test_the_head_comes_first_on_undistorted_photos(retraining, network, dataset):
    first, second = stages.of(retraining, network, dataset)
    assert first.backbone is network and second.backbone.boundary == BOUNDARY
    assert [stage.training.how_many_training_steps for stage in (first, second)] == [7, 25]
    assert [stage.settings.distortions.wanted() for stage in (first, second)] == [False, True]
    assert first.training.identity == second.training.identity


def test_one_stage_where_nothing_is_fine_tuned(retraining, network, dataset):
    classic = retraining._replace(fine_tune_blocks=0, head_training=None)
    (stage,) = stages.of(classic, network, dataset)
    assert stage.backbone is network and stage.settings.distortions.wanted()


def lines_of(retraining, network, dataset, monkeypatch):
    lines = []
    monkeypatch.setattr(stages._LOG, 'info', lambda text, *values: lines.append(text % values))
    stages.of(retraining, network, dataset)
    return lines


def test_one_line_says_what_is_fine_tuned(retraining, network, dataset, monkeypatch):
    (line,) = lines_of(retraining, network, dataset, monkeypatch)
    parameters = 3 * 3 * 12 * 8 + 4 * 4 * 8 * 1001 + 1001
    assert line.startswith(
        'Fine-tuning 2 of 3 blocks, behind %s: %s parameters; features of 8 x 8 x 12 (3 kB a '
        'photo, 221 kB in all); about ' % (BOUNDARY, format(parameters, ','))
    )
    assert line.endswith(' MB of memory')
    whole = retraining._replace(fine_tune_blocks=-1)
    (line,) = lines_of(whole, network, dataset, monkeypatch)
    assert line.startswith('Fine-tuning all of mobilenet_0.25_128: ')
    assert 'pixels of 128 x 128 x 3, made of decoded photos' in line
    classic = retraining._replace(fine_tune_blocks=0, head_training=None)
    assert lines_of(classic, network, dataset, monkeypatch) == []


def test_what_takes_more_says_so(retraining, network, dataset, monkeypatch):
    lines = []
    for size in (1, 1000):
        training = retraining.training._replace(train_batch_size=size)
        retraining = retraining._replace(training=training)
        lines += lines_of(retraining, network, dataset, monkeypatch)
    sizes = [line.rpartition('about ')[2] for line in lines]
    assert sizes[0].endswith('MB of memory') and sizes[0] != sizes[1]


def test_a_node_that_is_no_boundary_is_refused(retraining, network, dataset):
    other = retraining._replace(fine_tune_blocks=0, fine_tune_from='Block_2/convolution')
    with pytest.raises(UserError, match='1: Relu6, 2: Block_1/Relu6, 3: input'):
        stages.of(other, network, dataset)
