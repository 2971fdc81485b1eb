"""Measures extract_on_spark against one machine, and how it grows with photos and workers.

  python -m tests.benchmarks.spark PHOTOS WORK MODELS [--counts=1000,10000,all] [--rounds=1]

PHOTOS holds folders train and test, such as those of CIFAR-10 as files. A standalone cluster is
started here, of one or two workers with a core each. Every time is that of a whole command, start
included; that of one machine is of a process that computes and keeps the features, and does not
train. The figure that counts is the ratio: two workers of a core each, to one machine of two cores.
"""

import argparse
import json
import os
import shutil
import subprocess
import threading

from tests.benchmarks import measuring
from tests.spark_cluster import Cluster

NETWORK = 'mobilenet_0.25_128'

_ALONE = """
import sys
from scripts.dataset import photos, split
from scripts import graphs as _
from scripts.features import extract
from scripts.features.place import Place
from scripts.networks import backbone, registry
image_dir, test_dir, folder, models, name = sys.argv[1:]
dataset = photos.load(image_dir, split.Split(), test_dir=test_dir or None)
loaded = backbone.load(registry.find(name), models)
extract.compute(loaded, Place(folder, loaded.network.cache_name), dataset.photos)
"""


def alone(photos, work, models):
    """Returns the seconds that one machine takes for a pair of folders."""
    folder = os.path.join(work, 'bottlenecks')
    shutil.rmtree(folder, ignore_errors=True)
    return measuring.command('-c', _ALONE, *photos, folder, models, NETWORK)


def on_spark(photos, work, models, workers):
    """Returns the seconds that a cluster takes, and the megabytes of its processes each second."""
    output = os.path.join(work, 'features')
    shutil.rmtree(output, ignore_errors=True)
    with Cluster(work, workers) as cluster, Memory(cluster.workers) as memory:
        flags = ['--image_dir=' + photos[0]] + ['--test_dir=' + each for each in photos[1:] if each]
        flags += ['--output=' + output, '--architecture=' + NETWORK, '--model_dir=' + models]
        module = ['-m', 'scripts.extract_on_spark', '--master=' + cluster.address]
        seconds = measuring.command(*module, *flags)
    return seconds, memory.megabytes


class Memory:
    """Looks at the memory of processes and those that they start; used as a context manager.

    Args:
      processes: Popens, each the leader of its session.

    megabytes: a dict from a kind of process, python or java, to that of the largest, each second.
    """

    def __init__(self, processes):
        self._leaders = [process.pid for process in processes]
        self.megabytes = {'python': [], 'java': []}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(1):
            listed = subprocess.run(
                ['ps', '-eo', 'sid=,rss=,comm='], stdout=subprocess.PIPE, universal_newlines=True
            )
            largest = {'python': 0, 'java': 0}
            for session, kilobytes, name in (
                line.split(None, 2) for line in listed.stdout.splitlines()
            ):
                kind = next((each for each in largest if name.startswith(each)), None)
                if int(session) in self._leaders and kind:
                    largest[kind] = max(largest[kind], int(kilobytes) // 1024)
            for kind, each in largest.items():
                self.megabytes[kind].append(each)


def subset(photos, work, count):
    """Returns a pair of a folder of links to so many photos, and no folder of test photos."""
    folder = os.path.join(work, 'photos_%d' % count)
    classes = sorted(os.listdir(photos))
    for name in classes:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for each in sorted(os.listdir(os.path.join(photos, name)))[: count // len(classes)]:
            target = os.path.join(folder, name, each)
            if not os.path.exists(target):
                os.link(os.path.join(photos, name, each), target)
    return folder, ''


def main():
    """Measures, and prints a line of JSON for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('photos')
    parser.add_argument('work')
    parser.add_argument('models')
    parser.add_argument('--counts', default='1000,10000,all')
    parser.add_argument('--rounds', type=int, default=1)
    parser.add_argument('--workers', default='1,2')
    arguments = parser.parse_args()
    work, models = os.path.abspath(arguments.work), arguments.models
    os.makedirs(work, exist_ok=True)
    train, test = (os.path.join(arguments.photos, each) for each in ('train', 'test'))
    sets = [
        (train, test) if each == 'all' else subset(train, work, int(each))
        for each in arguments.counts.split(',')
    ]
    print(json.dumps(measuring.machine()))
    for photos in sets:
        for _ in range(arguments.rounds):
            one = alone(photos, work, models)
            print(json.dumps({'photos': photos[0], 'one machine': one}), flush=True)
            for workers in map(int, arguments.workers.split(',')):
                seconds, memory = on_spark(photos, work, models, workers)
                found = {'workers': workers, 'seconds': seconds, 'ratio': seconds / one}
                print(json.dumps(dict(found, photos=photos[0], megabytes=memory)), flush=True)


if __name__ == '__main__':
    main()
