"""The experiments of docs/experiments: their commands run, on little data and for a few steps."""

import glob
import os
import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest

from docs import draw_curves
from scripts.evaluation import curves
from scripts.graphs import graph_files
from scripts.networks import registry
from tests import pictures, stand_ins
from tests.conftest import REPOSITORY
from tests.test_readme import read, run, stand_in_commands

EXPERIMENTS = sorted(
    os.path.relpath(path, REPOSITORY)
    for path in glob.glob(os.path.join(REPOSITORY, 'docs', 'experiments', '*.sh'))
)

_FLOWERS = registry.find('mobilenet_1.0_224')


@pytest.fixture(scope='module')
def reader(tmp_path_factory):
    """A folder with this repository's code, small data sets and networks; and an environment."""
    folder = str(tmp_path_factory.mktemp('experiments'))
    environment = stand_in_commands(str(tmp_path_factory.mktemp('commands')))
    shutil.copytree(os.path.join(REPOSITORY, 'scripts'), os.path.join(folder, 'scripts'))
    for data, parts in (
        ('mnist', ['train', 'test']),
        ('cifar10', ['train', 'test']),
        ('tiny_imagenet_32', ['train', 'val']),
        ('flower_photos', ['']),
    ):
        for part in parts:
            pictures.draw_classes(os.path.join(folder, data, part), 24)
    for name, size in (('efficientnet_lite0.pb', 128), ('mobilenet_v2_1.0_224.pb', 96)):
        published = registry.find('mobilenet_v2_1.0_%d' % size)
        graph_files.write(stand_ins.of(published), os.path.join(folder, 'networks', name))
    path = os.path.join(folder, 'tf_files', 'models', _FLOWERS.graph_file)
    graph_files.write(stand_ins.mobilenet_of_blocks(224), path)
    return folder, environment


def shortened(commands):
    """Returns commands with three steps, and a small network in the place of a large one."""
    commands = re.sub(r'--how_many_training_steps=\d+', '', commands)
    commands = re.sub(r'--architecture=(cnn|alexnet)_32', '--architecture=dense_128', commands)
    added = '--how_many_training_steps=3 --eval_step_interval=1 --summary_interval=1 '
    return commands.replace('--random_seed', added + '--random_seed')


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.xdist_group('experiments')  # For its fixture.
@pytest.mark.parametrize('name', EXPERIMENTS)
def test_an_experiment_runs_and_leaves_curves_to_draw(reader, name):
    folder, environment = reader
    printed = run(['sh', '-ec', shortened(read(name))], folder, **environment)
    assert 'Final test accuracy' in printed
    stem = os.path.basename(name)[: -len('.sh')]
    found = glob.glob(os.path.join(folder, 'tf_files', 'training_summaries', stem + '*'))
    assert len(found) == printed.count('Final test accuracy')
    assert all(len(curves.read(each).accuracy) == 2 for each in found)


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_the_page_has_each_experiment_with_its_curves(name):
    page = read(os.path.join('docs', 'experiments.md'))
    stem = os.path.basename(name)[: -len('.sh')]
    assert '](experiments/%s.sh)' % stem in page
    assert re.search(r'!\[[^]]+\]\(experiments/%s\w*\.svg\)' % stem, page)


def test_curves_are_drawn_as_a_picture_that_stands_alone():
    runs = [
        curves.Curve(run, np.arange(5), np.linspace(0, 1, 5)) for run in ('train', 'validation')
    ]
    picture = ElementTree.fromstring(draw_curves.svg(curves.Curves(runs, runs)))
    assert picture.tag == '{http://www.w3.org/2000/svg}svg'
    drawn = [each.get('class') for each in picture.iter() if each.tag.endswith('}polyline')]
    assert sorted(drawn) == 2 * ['raw train'] + 2 * ['raw validation'] + 2 * ['train'] + 2 * [
        'validation'
    ]
