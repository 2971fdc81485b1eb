"""Searches for the best model that can be trained on your photos within a given time.

  python -m scripts.search --image_dir=tf_files/flower_photos --minutes=10 \\
      --model_dir=tf_files/models --bottleneck_dir=tf_files/bottlenecks --study=tf_files/study.db \\
      --output_graph=tf_files/retrained_graph.pb --output_labels=tf_files/retrained_labels.txt

It tries networks, how much of them is trained, learning rates, optimizers, hidden layers, dropout,
weight decay and distorted photos. Each trial is a run of scripts.retrain, judged by all validation
photos; what the networks give for the photos is computed once. The best graph alone is tested on
the test photos. At the end stands the command that makes the same graph again.
"""

import collections
import contextlib
import copy
import logging
import shlex
import tempfile
import time

from scripts import retrain, retrain_flags
from scripts.common import appending, command, files, flags, output_checks, packages
from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.networks import registry
from scripts.training import checkpoint

_LOG = logging.getLogger('scripts.search')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()

# What searches, and what tells how important settings are.
_PACKAGES = ['optuna', 'sklearn']

_MINUTES = 10.0  # Where neither minutes nor trials are given.

# The flags that are those of retrain, too.
_SHARED = (
    'image_dir',
    'testing_percentage',
    'validation_percentage',
    'test_dir',
    'image_extensions',
    'split_key',
    'groups',
    'exif_rotation',
    'decode',
    'bad_images',
    'model_dir',
    'bottleneck_dir',
    'random_seed',
    'output_graph',
    'output_labels',
    'final_tensor_name',
    'describe_paths',
)


def _define_flags(define):
    photos = define.group('Photos')
    retrain_flags.define_photos(photos)
    flags.define_groups(photos, '')
    _define_search(define.group('Search'))
    outputs = define.group('Outputs')
    retrain_flags.define_result(outputs)
    flags.define_report(outputs, '')
    retrain_flags.define_describe_paths(outputs)
    outputs.string('output_trials', '', 'Write the table of trials to this file, as CSV.')


def _define_search(define):
    define.float(
        'minutes',
        None,
        'The time for all of it, from the start to the written graph. Default: 10, or no limit '
        'where --trials is given.',
    )
    define.integer(
        'trials', None, 'The number of trials, those of earlier runs included.', flags.POSITIVE
    )
    define.string(
        'architectures',
        '',
        'The networks to try, separated by commas, each as --architecture of retrain. Default: '
        'sample, and those in --model_dir.',
    )
    retrain_flags.define_folders(define)
    define.string(
        'study',
        '',
        'Keep the trials in this file (SQLite), from which a later run goes on, and which '
        'optuna-dashboard shows. Variables of the best trials are kept in a folder beside it.',
    )
    retrain_flags.define_random_seed(define)


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Searches as the parsed flags say; raises UserError for a user error."""
    begin = time.monotonic()
    command.refuse_arguments(arguments)
    packages.require(_PACKAGES, 'scripts.search', 'requirements-search.txt')
    seconds = _seconds(values)
    networks = _networks(values)
    dataset = retrain_flags.dataset_of(values, values.groups)
    counts = _check_photos(dataset)
    _check_outputs(values, dataset)
    parsed = _Retrain(values, dataset)

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.export import exporting
    from scripts.searching import searching, trials
    from scripts.searching.budget import Budget
    from scripts.searching.study import Study
    from scripts.training import retraining

    with _folder_beside(values.study) as folder:
        study = Study(values.study, values.random_seed, _identity(values, dataset, networks))
        values.random_seed = study.seed
        runner = trials.Trials(parsed.settings, dataset, folder)
        budget = Budget(counts, seconds, begin)
        with _warnings_only('scripts.features', 'scripts.training'):  # And a line for each trial.
            best = searching.Search(study, runner, budget, values.trials).run(networks)
        _LOG.info('The best is trial %d', best.number)
        resumed = {'checkpoint_path': runner.checkpoint_path(best.flags), 'resume': True}
        settings = parsed.settings(dict(best.flags, **resumed))
        backbone = runner.backbone(best.flags['architecture'])
        trained = retraining.run(settings, backbone, dataset)
        exporting.write(settings, trained.graph_def, dataset.labels)
        failures = _write(values, dataset, trained, study)
    _LOG.info('The graph is %s, its labels are %s', values.output_graph, values.output_labels)
    words = parsed.as_typed(best.flags)
    _LOG.info('To make the same graph again:\n  ' + ' \\\n      '.join(['%s'] * len(words)), *words)
    if failures:
        raise UserError('the graph and its labels are written, but: ' + '; '.join(failures))


class _Retrain:
    """The command line of retrain that a trial is.

    Args:
      values: the parsed `FlagValues` of the search.
      dataset: the `Dataset`.
    """

    def __init__(self, values, dataset):
        self._values, self._dataset = values, dataset

    def settings(self, trial):
        """Returns the `Retraining` of a trial, by its flags, a dict from name to value."""
        from scripts.searching import space

        values = copy.deepcopy(retrain.FLAGS)
        values(['retrain', '--summary_interval=0'] + self._shared() + space.as_typed(trial))
        network = registry.find(values.architecture, values.model_dir)
        retrain_flags.apply_recipe(values, network.recipe)
        retrain.check_flags(values, network)
        return retrain.settings_of(values, network, self._dataset)

    def as_typed(self, trial):
        """Returns the command that makes the graph of a trial again, a list of words."""
        from scripts.searching import space

        words = self._shared() + space.as_typed(trial)
        return [command.how_to_start('retrain')] + [shlex.quote(word) for word in words]

    def _shared(self):
        return [
            self._values[name].serialize()
            for name in _SHARED
            if not self._values[name].using_default_value or name == 'random_seed'
        ]


def _seconds(values):
    if values.minutes is None:
        return None if values.trials is not None else 60 * _MINUTES
    if not 0 < values.minutes < float('inf'):
        raise UserError('--minutes=%g: expected a number above 0, such as 10' % values.minutes)
    return 60 * values.minutes


def _networks(values):
    """Returns the names of the networks to try."""
    if not values.architectures.strip():
        return registry.at_hand(values.model_dir)
    names = [name.strip() for name in values.architectures.split(',') if name.strip()]
    for name in names:
        network = registry.find(name, values.model_dir)
        if network.from_scratch:
            raise UserError(
                '--architectures: %s has random weights, and search trains pretrained networks: '
                'leave it out' % name
            )
    return list(dict.fromkeys(names))


def _check_photos(dataset):
    photos_lib.check_trainable(dataset)
    counts = collections.Counter(photo.category for photo in dataset.photos)
    if not counts[split_lib.VALIDATION]:
        raise UserError(
            'there are no validation photos, which trials are judged by: add photos, or raise '
            '--validation_percentage'
        )
    return counts


def _check_outputs(values, dataset):
    names = ('output_graph', 'output_labels', 'report', 'output_trials', 'study')
    outputs = [('--' + name, values[name].value) for name in names]
    for name, path in outputs:
        if path:
            output_checks.check_writable(path)
        elif name in ('--output_graph', '--output_labels'):
            raise UserError('%s is empty: expected the name of a file to write' % name)
    photos = [('the photo', photo.path) for photo in dataset.photos]
    output_checks.check_distinct(outputs, photos)


@contextlib.contextmanager
def _warnings_only(*names):
    """While the block runs, lets loggers log no more than warnings."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


@contextlib.contextmanager
def _folder_beside(study):
    """Yields the folder of the variables of trials: a temporary one where no study is kept."""
    if not study:
        with tempfile.TemporaryDirectory() as folder:
            yield folder
        return
    folder = study + '.trials'
    in_use = (
        'the study %s is in use by another search: wait for its end, or give another --study'
        % study
    )
    with appending.holding(folder, in_use):
        yield folder


def _identity(values, dataset, networks):
    """Returns what all trials of a study have in common, a dict of JSON values."""
    return {
        'architectures': networks,
        'photos': checkpoint.digest_of(dataset.photos),
        'exif_rotation': values.exif_rotation,
        'decode': values.decode,
    }


def _write(values, dataset, trained, study):
    """Writes the table of trials and the report; returns a list of texts on what could not be."""
    from scripts.evaluation.evaluating import Evaluation
    from scripts.searching import results

    rows, importances, failures = study.rows(), study.importances(), []
    if importances:
        words = ['%s %.0f%%' % (name, 100 * value) for name, value in importances.items()]
        _LOG.info('How important each setting was: %s', ', '.join(words))
    try:
        if values.output_trials:
            files.write(values.output_trials, results.as_csv(rows))
        if values.report and trained.tested is not None:
            tested, rotation = trained.tested, values.exif_rotation
            evaluation = Evaluation(
                dataset.labels, tested.photos, tested.scores, exif_rotation=rotation
            )
            sections = results.sections(rows, importances)
            retrain.write_report(values, evaluation, dataset, sections)
    except UserError as error:
        failures.append(str(error))
    return failures


if __name__ == '__main__':
    command.run(main, FLAGS)
