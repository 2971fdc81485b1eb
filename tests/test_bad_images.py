"""A folder of 1,000 photos, 50 of them unreadable in every way, goes through retrain."""

import os

import pytest

from scripts import evaluate, retrain
from tests import pictures
from tests.images import photo_kinds
from tests.test_retrain import Bench

_KINDS = sorted(photo_kinds.UNREADABLE)


def folder_with_unreadable(folder, count, bad):
    """Draws `count` photos of three classes, `bad` of them unreadable; returns these paths."""
    pictures.draw_classes(folder, -(-count // 3))
    paths = sorted(
        os.path.join(place, name) for place, _, names in os.walk(folder) for name in names
    )
    for path in paths[count:]:
        os.remove(path)
    unreadable = paths[: count : count // bad][:bad]
    for number, path in enumerate(unreadable):
        with open(path, 'wb') as file:
            file.write(photo_kinds.UNREADABLE[_KINDS[number % len(_KINDS)]][0])
    return unreadable


@pytest.fixture(scope='module')
def thousand(tmp_path_factory):
    """A folder of 1,000 photos and the 50 that are unreadable."""
    folder = str(tmp_path_factory.mktemp('thousand') / 'photos')
    return folder, folder_with_unreadable(folder, 1000, 50)


def named(err):
    """Returns the paths that warnings name as left out, in order."""
    return [
        line.split(' is unreadable and is left out: it ')[0].split('photo ', 1)[1]
        for line in err.splitlines()
        if ' is unreadable and is left out: it ' in line
    ]


def test_50_unreadable_photos_of_1000_are_named_cold_and_warm(thousand, tmp_path, in_process):
    folder, unreadable = thousand
    bench = Bench(tmp_path, folder)
    graphs = []
    for state in ('cold', 'warm'):
        ended = in_process(retrain, *bench.flags(how_many_training_steps=20))
        assert ended.status == 0, ended.err
        assert sorted(named(ended.err)) == unreadable, state
        assert '50 of 1000 photos are unreadable and are left out' in ended.err
        graphs.append(bench.graph_bytes())
    assert '950 of 1000 bottlenecks found' in ended.out and graphs[0] == graphs[1]

    error = in_process(retrain, *bench.flags(bad_images='stop'))  # The cache is warm.
    assert error.status == 1 and error.err.count('\n') == 1
    assert any('photo %s is unreadable: it ' % path in error.err for path in unreadable)


@pytest.mark.parametrize('distorted', [False, True])
def test_stop_ends_with_the_name_before_anything_is_written(tmp_path, one_error, distorted):
    folder = str(tmp_path / 'photos')
    unreadable = folder_with_unreadable(folder, 60, 2)
    bench = Bench(tmp_path, folder)
    line = one_error(retrain, *bench.flags(bad_images='stop', flip_left_right=distorted))
    assert any('photo %s is unreadable: it ' % path in line for path in unreadable)
    assert '--bad_images=skip' in line
    assert not os.path.exists(bench.graph) and not os.path.exists(bench.folder + '/summaries')


def test_distortions_and_evaluate_leave_them_out_too(tmp_path, in_process):
    folder = str(tmp_path / 'photos')
    unreadable = folder_with_unreadable(folder, 90, 6)
    bench = Bench(tmp_path, folder)
    ended = in_process(retrain, *bench.flags(flip_left_right=True, how_many_training_steps=2))
    assert ended.status == 0 and sorted(named(ended.err)) == unreadable
    ended = in_process(
        evaluate,
        bench.graph,
        '--labels=' + bench.labels,
        '--image_dir=' + folder,
        '--category=all',
    )
    assert ended.status == 0 and sorted(named(ended.err)) == unreadable


def test_a_photo_that_goes_while_training_with_distortions_is_one_line(
    tmp_path, one_error, monkeypatch
):
    folder = str(tmp_path / 'photos')
    pictures.draw_classes(folder, 10)
    bench = Bench(tmp_path, folder)
    from scripts.features import kept_photos
    from scripts.training import fit as fit_lib

    monkeypatch.setattr(kept_photos.KeptPhotos, '_has_room', lambda self, missing: False)
    before = fit_lib.fit

    def fit(*arguments):
        for name in os.listdir(os.path.join(folder, 'Red')):
            os.remove(os.path.join(folder, 'Red', name))
        return before(*arguments)

    monkeypatch.setattr(fit_lib, 'fit', fit)
    line = one_error(retrain, *bench.flags(flip_left_right=True))
    assert 'has become unreadable' in line and 'Red/' in line
