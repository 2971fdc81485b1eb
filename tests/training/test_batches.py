"""Batches are drawn with balanced classes, and go on behind those that were skipped."""

import numpy as np
import pytest

from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.features import extract, kept_photos
from scripts.features.features import Features
from scripts.features.place import Place
from scripts.images.settings import Copying, Distortions
from scripts.training import batches as batches_lib
from scripts.training.batches import Examples, KeptBatches, Sampler
from scripts.training.settings import ALL
from tests.training.examples import TRAINING

LABELS = np.array([2, 0, 2, 2, 0, 2, 2, 2, 2, 2], np.int64)  # No 1, and few 0.


def test_classes_are_balanced_and_photos_within_them():
    rows = Sampler(LABELS, np.random.RandomState(0)).draw(20000)
    counts = np.bincount(rows, minlength=10)
    assert (np.abs(counts[LABELS == 0] - 5000) < 300).all()
    assert (np.abs(counts[LABELS == 2] - 1250) < 150).all()


def test_all_is_every_row_once():
    assert Sampler(LABELS, np.random.RandomState(0)).draw(ALL).tolist() == list(range(10))


def test_the_same_seed_draws_the_same():
    one, two = (Sampler(LABELS, np.random.RandomState(3)) for _ in range(2))
    assert [one.draw(5).tolist() for _ in range(3)] == [two.draw(5).tolist() for _ in range(3)]


@pytest.mark.parametrize('rows', [[1, 1, 0], []])
def test_examples_are_taken_by_row(rows):
    features = np.arange(120, dtype=np.float32).reshape(20, 2, 3)
    examples = Examples(Features(features), LABELS, [None] * 10, np.arange(10) * 2)
    batch = examples.take(np.array(rows, np.int64))
    assert (batch.features == features[::2][rows]).all()
    assert (batch.labels == LABELS[rows]).all()


def batches_of(make, skipped, count=4):
    with make() as batches:
        batches.skip(skipped)
        return [batches.next() for _ in range(count)]


def assert_same(first, second):
    assert len(first) == len(second) > 0
    for one, two in zip(first, second):
        assert (one.features == two.features).all() and (one.labels == two.labels).all()


def test_kept_batches_go_on_behind_those_that_were_skipped(settings):
    def make():
        return KeptBatches(TRAINING, settings)

    every = batches_of(make, 0)
    assert every[0].features.shape == (20, 1001) and every[0].labels.shape == (20,)
    assert not (every[0].labels == every[1].labels).all()
    assert_same(batches_of(make, 2, count=2), every[2:])


@pytest.fixture
def photos(pretrained, photo_dir, tmp_path):
    """Examples of photos that have no features."""
    photos = photos_lib.load(photo_dir, Split(key='name')).photos
    labels = np.array([photo.label_index for photo in photos], np.int64)
    kept = kept_photos.keep(str(tmp_path / 'cache'), photos, pretrained.network.pixels)
    return Examples(None, labels, photos, np.arange(len(photos)), kept)


def test_distorted_batches_differ_from_plain_ones_and_are_repeatable(pretrained, settings, photos):
    def make(**distortions):
        return lambda: batches_lib.DistortedBatches(
            pretrained, photos, Distortions(**distortions), settings
        )

    plain = batches_of(make(), 0)
    distorted = batches_of(make(flip_left_right=True, random_brightness=10), 0)
    assert plain[0].features.shape == (20, 1001)
    for one, two in zip(plain, distorted):
        assert (one.labels == two.labels).all()
        assert (np.abs(one.features - two.features).max(axis=1) > 1e-3).all()
    assert_same(batches_of(make(flip_left_right=True, random_brightness=10), 0), distorted)
    # 60 photos are skipped: a batch of 32, and 28 of the next one, which is read whole again.
    resumed = batches_of(make(flip_left_right=True, random_brightness=10), 3, count=1)
    assert_same(resumed, distorted[3:])


def test_distortions_of_all_photos_go_on_behind_what_was_skipped(pretrained, settings, photos):
    def make():
        return batches_lib.DistortedBatches(
            pretrained,
            photos,
            Distortions(random_brightness=10),
            settings._replace(train_batch_size=ALL),
        )

    every = batches_of(make, 0, count=2)
    assert len(every[0].labels) == len(photos.labels)
    assert not (every[0].features == every[1].features).all()
    assert_same(batches_of(make, 1, count=1), every[1:])


@pytest.fixture
def copies(pretrained, photo_dir, tmp_path):
    """Examples of three distorted copies of each photo."""
    photos = photos_lib.load(photo_dir, Split(key='name')).photos
    labels = np.array([photo.label_index for photo in photos], np.int64)
    features = extract.compute_copies(
        pretrained,
        Place(str(tmp_path / 'cache'), 'net'),
        photos,
        Copying(Distortions(flip_left_right=True, random_brightness=10), 3),
    )
    return Examples(features, labels, photos, np.arange(len(photos)))


def test_copied_batches_draw_photos_as_others_do_and_go_on_behind_what_was_skipped(
    settings, copies
):
    def make(**replaced):
        return lambda: batches_lib.CopiedBatches(copies, settings._replace(**replaced))

    every = batches_of(make(), 0)
    assert_same(batches_of(make(), 0), every)
    assert_same(batches_of(make(), 2, count=2), every[2:])
    rows = Sampler(copies.labels, settings.random_state(0)).draw(20)
    assert every[0].labels.tolist() == copies.labels[rows].tolist()
    drawn = settings.random_state(3).randint(3, size=20)
    assert set(drawn) == {0, 1, 2}
    assert (every[0].features == copies.features.take(rows, drawn)).all()
    whole = batches_of(make(train_batch_size=ALL), 0, count=2)
    assert whole[0].labels.tolist() == copies.labels.tolist()
    assert not (whole[0].features == whole[1].features).all()
