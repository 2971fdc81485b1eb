"""Compares what a search finds with the best default of retrain, over several splits.

  python -m tests.benchmarks.search PHOTOS MODELS --networks=a,b --minutes=10 --work=FOLDER

Each split is that of another name of the folder of photos, a link in the work folder, where all
that is written stays; a split that is there already is not searched again. The best default is the
network with the best validation accuracy (of equals, loss) after retrain's own settings, which the
first trials of each search have. Test accuracy is of all test photos.
"""

import argparse
import csv
import os
import re
import subprocess
import sys
import time

import numpy as np

from tests.conftest import REPOSITORY

SPLITS = 'p1,p2,p3,p4,p5'
# Of Student's t for 95%, by the number of splits.
_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
_TESTED = re.compile(r'Final test accuracy = ([\d.]+)% \(N=(\d+)\)')
_TAKEN = re.compile(r'The best is trial (\d+)')
_SECONDS = re.compile(r'seconds ([\d.]+)')


def main():
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('photos')
    parser.add_argument('models')
    parser.add_argument('--networks', required=True)
    parser.add_argument('--minutes', type=float, default=10)
    parser.add_argument('--work', required=True)
    parser.add_argument('--splits', default=SPLITS)
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    heads = ['split', 'trials', 'seconds', 'best default: validation, test', 'search', 'N']
    print('| %s |\n%s|' % (' | '.join(heads), len(heads) * '|---'), flush=True)
    rows = [_compare(name, arguments) for name in arguments.splits.split(',')]
    default, found = (np.array([row[side] for row in rows]) for side in (0, 1))
    print('\nMeans: %.1f%% and %.1f%%' % (default.mean(), found.mean()))
    if len(rows) > 1:
        gain = found - default
        half = _T[len(rows)] * gain.std(ddof=1) / len(rows) ** 0.5
        interval = gain.mean() - half, gain.mean() + half
        print('Better by %.1f points, 95%% interval %.1f to %.1f' % (gain.mean(), *interval))


def _compare(name, arguments):
    """Searches a split, prints its row, and returns the test accuracies, in percent."""
    links = os.path.join(arguments.work, name)
    if not os.path.lexists(links):
        os.symlink(os.path.abspath(arguments.photos), links)
    text = _searched(name, arguments)
    accuracy, photos = _TESTED.search(text).groups()
    with open(os.path.join(arguments.work, name + '.csv'), newline='') as file:
        trials = list(csv.DictReader(file))
    complete = [trial for trial in trials if trial['result'] == 'complete']
    best = next(trial for trial in complete if trial['trial'] == _TAKEN.search(text).group(1))
    defaults = [trial for trial in complete if _is_default(trial)]
    default = max(defaults, key=lambda each: (float(each['accuracy']), -float(each['loss'])))
    of_default = _retrained(name, default['architecture'], arguments)
    print(
        '| %s | %d | %s | %s: %.1f%%, %.1f%% | %.1f%%, %s%% | %s |'
        % (
            name,
            len([trial for trial in trials if trial['accuracy']]),
            _SECONDS.search(text).group(1),
            default['architecture'],
            100 * float(default['accuracy']),
            of_default,
            100 * float(best['accuracy']),
            accuracy,
            photos,
        ),
        flush=True,
    )
    return of_default, float(accuracy)


def _is_default(trial):
    """Returns whether a row of the table of trials has retrain's own settings."""
    told = {name for name, value in trial.items() if value}
    apart = {'fine_tune_blocks', 'optimizer', 'hidden_units', 'dropout', 'weight_decay'}
    is_plain = not told & (apart | {'flip_left_right'})
    steps, rate = trial['how_many_training_steps'], trial['learning_rate']
    return is_plain and (steps, rate) == ('4000', '0.01')


def _searched(name, arguments):
    """Returns what the search of a split printed, and how many seconds it took."""
    log = os.path.join(arguments.work, name + '.log')
    if not os.path.exists(log):
        begin = time.perf_counter()
        out = _run(
            'search',
            name,
            arguments,
            '--architectures=' + arguments.networks,
            '--minutes=%g' % arguments.minutes,
            '--study=%s.db' % name,
            '--output_trials=%s.csv' % name,
            '--report=%s.html' % name,
        )
        with open(log, 'w') as file:
            file.write('%s\nseconds %.1f\n' % (out, time.perf_counter() - begin))
    with open(log) as file:
        return file.read()


def _retrained(name, architecture, arguments):
    """Returns the test accuracy, in percent, of retrain's own settings."""
    out = _run(
        'retrain',
        name,
        arguments,
        '--architecture=' + architecture,
        '--summary_interval=0',
        '--validation_batch_size=-1',
    )
    return float(_TESTED.search(out).group(1))


def _run(command, name, arguments, *flags):
    shared = [
        '--image_dir=' + name,
        '--model_dir=' + os.path.abspath(arguments.models),
        '--bottleneck_dir=bottlenecks_' + name,
        '--random_seed=1',
        '--output_graph=%s_%s.pb' % (name, command),
        '--output_labels=%s_%s.txt' % (name, command),
    ]
    ended = subprocess.run(
        [sys.executable, os.path.join(REPOSITORY, 'scripts', command + '.py'), *shared, *flags],
        cwd=arguments.work,
        stdout=subprocess.PIPE,
        universal_newlines=True,
        check=True,
    )
    return ended.stdout


if __name__ == '__main__':
    main()
