"""What a model is fed: batches of features and labels, each a draw of photos."""

import itertools
import typing

import numpy as np

from scripts.dataset.photos import Photo
from scripts.features.features import Features
from scripts.features.kept_photos import KeptPhotos
from scripts.features.sources import DistortedRunner
from scripts.images import distort, runner
from scripts.training import settings as settings_lib
from scripts.training.settings import ALL


class Batch(typing.NamedTuple):
    """features: float32 `[n] + shape`. labels: int64 `[n]`, indices into the labels."""

    features: np.ndarray
    labels: np.ndarray


class Examples(typing.NamedTuple):
    """The readable photos of one category.

    features: `Features` of more photos, or what has its functions; None where they are computed
      each time (distortions).
    labels: int64 `[n]`, indices into the labels.
    photos: n `Photo`s.
    rows: int64 `[n]`, which rows of `features`, or of `decoded`, are theirs.
    decoded: `KeptPhotos` of more photos, where there are no `features`.
    """

    features: typing.Any
    labels: np.ndarray
    photos: typing.Sequence[Photo]
    rows: np.ndarray
    decoded: typing.Optional[KeptPhotos] = None

    def take(self, rows):
        """Returns the `Batch` of rows of these examples, an int array `[n]`."""
        return Batch(self.features.take(self.rows[rows]), self.labels[rows])


def of_arrays(features, labels, photos):
    """Returns `Examples` of features in memory.

    Args:
      features: float32 `[n] + shape`.
      labels: int64 `[n]`.
      photos: n `Photo`s.
    """
    return Examples(Features(features), labels, photos, np.arange(len(labels)))


class Sampler:
    """Draws rows of `Examples`: for each a class, uniformly, then one of its photos, uniformly.

    So classes are balanced however many photos they have. Classes without any are passed over.

    Args:
      labels: int64 `[n]`, not empty.
      random_state: a numpy RandomState of its own, so that nothing else shifts what is drawn.
    """

    def __init__(self, labels, random_state):
        self._random = random_state
        self._rows = np.argsort(labels, kind='mergesort')
        _, self._starts, self._counts = np.unique(
            labels[self._rows], return_index=True, return_counts=True
        )

    def draw(self, count):
        """Returns an int array of `count` rows, or of every row for ALL."""
        if count == ALL:
            return np.arange(len(self._rows))
        classes = self._random.randint(len(self._starts), size=count)
        offsets = self._random.random_sample(count) * self._counts[classes]
        return self._rows[self._starts[classes] + offsets.astype(np.int64)]


class KeptBatches:
    """Batches of examples whose features are kept; used as a context manager, as all batches are.

    Args:
      examples: `Examples`.
      settings: a `settings.Training`.
    """

    def __init__(self, examples, settings):
        self._examples, self._count = examples, settings.train_batch_size
        self._sampler = _sampler(examples, settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """There is nothing to close."""

    def next(self):
        """Returns the next `Batch`."""
        return self._examples.take(self._draw())

    def skip(self, count):
        """Skips `count` batches, as where training resumes from a checkpoint."""
        for _ in range(count):
            self._draw()

    def _draw(self):
        """Returns what is drawn of a batch: rows, an int array."""
        return self._sampler.draw(self._count)


class CopiedBatches(KeptBatches):
    """Batches of photos, of each of which a distorted copy is drawn.

    Args:
      examples: `Examples` whose features are `CopyFeatures`.
      settings: a `settings.Training`.
    """

    def __init__(self, examples, settings):
        super().__init__(examples, settings)
        self._random = settings.random_state(settings_lib.DISTORTION_STREAM)

    def next(self):
        """Returns the next `Batch`."""
        rows, copies = self._draw()
        examples = self._examples
        return Batch(examples.features.take(examples.rows[rows], copies), examples.labels[rows])

    def _draw(self):
        """Returns rows, and the number of the copy of each, two int arrays."""
        rows = self._sampler.draw(self._count)
        return rows, self._random.randint(self._examples.features.count, size=len(rows))


class DistortedBatches:
    """Batches of photos, distorted differently each time; used as a context manager.

    Args:
      backbone: the `Backbone` that computes their features.
      examples: `Examples` of decoded photos.
      distortions: `Distortions`.
      settings: a `settings.Training`.
    """

    def __init__(self, backbone, examples, distortions, settings):
        self._backbone, self._distortions = backbone, distortions
        self._examples, self._settings = examples, settings
        self._sampler = _sampler(examples, settings)
        self._photos_skipped = 0
        self._stream = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._stream is not None:
            self._stream.close()

    def next(self):
        """Returns the next `Batch`."""
        rows = self._sampler.draw(self._settings.train_batch_size)
        if self._stream is None:
            self._stream = self._open()
        return Batch(self._stream.take(len(rows)), self._examples.labels[rows])

    def skip(self, count):
        """Passes over `count` batches; before the first `next` only."""
        for _ in range(count):
            self._photos_skipped += len(self._sampler.draw(self._settings.train_batch_size))

    def _open(self):
        # The stream's batches, too, are those of a run that was not stopped.
        into_batch = self._photos_skipped % runner.BATCH_SIZE
        choices = itertools.islice(self._choices(), self._photos_skipped - into_batch, None)
        stream = _DistortedStream(
            self._backbone, self._distortions, self._examples.decoded, choices
        )
        stream.take(into_batch)
        return stream

    def _choices(self):
        """Yields what the stream reads, from step 0: a photo's row, and its random numbers.

        The stream reads ahead of the training, so these come from a sampler of their own.
        """
        sampler = _sampler(self._examples, self._settings)
        random_state = self._settings.random_state(settings_lib.DISTORTION_STREAM)
        while True:
            rows = sampler.draw(self._settings.train_batch_size)
            draws = distort.draw(random_state, len(rows))
            for row, numbers in zip(rows, draws):
                yield self._examples.rows[row], numbers


class _DistortedStream:
    """An endless stream of features of distorted photos, computed in batches of BATCH_SIZE.

    Args:
      backbone: a `Backbone`.
      distortions: `Distortions`.
      kept: the `KeptPhotos`.
      choices: an endless iterator of (position in the list of photos, float32 `[DRAWS]`): a photo
        and its random numbers.
    """

    def __init__(self, backbone, distortions, kept, choices):
        self._runner = DistortedRunner(backbone, distortions, kept.image)

        def compute(batch):
            rows, draws = zip(*batch)
            paths = [kept.paths[row] for row in rows]
            return self._runner.run(paths, draws, kept.numbers(np.array(rows)))

        batches = (list(itertools.islice(choices, runner.BATCH_SIZE)) for _ in itertools.count())
        self._batches = runner.overlapped(compute, batches)
        self._ready = np.empty((0,) + backbone.shape, np.float32)

    def close(self):
        """Stops reading ahead."""
        self._batches.close()
        self._runner.close()

    def take(self, count):
        """Returns the features of the next `count` photos, float32 `[count] + shape`."""
        while len(self._ready) < count:
            self._ready = np.concatenate([self._ready, next(self._batches)])
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken


def _sampler(examples, settings):
    return Sampler(examples.labels, settings.random_state(settings_lib.TRAINING_STREAM))
