"""Says whether the commands still write, byte for byte, what they wrote at another commit.

  python -m tests.benchmarks.same_bytes COMMIT

Runs the same commands with the same seed in this tree and in a temporary copy of COMMIT, with this
Python, and prints a line for each: `same`, or what differs, down to the first node of a graph.
Descriptions of graphs are compared apart, without the version of TensorFlow; of what a command
prints only the figures count. The exit status is 1 where anything differs. The photos and networks
are those of ../shared/data, or else drawn photos and the sample network. Takes 3 to 6 minutes.
"""

import json
import multiprocessing.pool
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import tensorflow.compat.v1 as tf

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / 'shared' / 'data'
SMALL, LARGE = 'mobilenet_v1_0.25_128', 'mobilenet_v1_1.0_224'
PRINTED = {'retrain': r'Step \d+: .*|Final test .*', 'label_image': r'.*score=.*'}
WRITTEN = r'--(?:\w*output(?!_[nf])\w*|bottleneck_dir|saved_model_dir|predictions)=(\S+)'  # Flags.
RETRAIN = (
    'retrain --image_dir={0} --bottleneck_dir=of_{0} --model_dir=models --summaries_dir=summaries '
    '--output_labels=labels --output_graph={1}.pb --architecture={2} --random_seed=1 '
    '--how_many_training_steps=40 '  # Of two flags of one name, the last counts.
)
SHORT = '--train_batch_size=10 --how_many_training_steps=10 '
TRAININGS = {
    'cold': '--saved_model_dir=saved --tflite_output_file=lite',
    'warm': '--intermediate_store_frequency=10 --intermediate_output_graphs_dir=intermediate',
    'stopped': '--checkpoint_path=checkpoint --how_many_training_steps=15',
    'resumed': '--checkpoint_path=checkpoint --resume',
    'distorted': SHORT + '--flip_left_right --random_crop=9 --random_scale=9 --random_brightness=9',
    'flipped': SHORT + '--flip_left_right',
    'cropped': SHORT + '--random_crop=10',
    'scaled': SHORT + '--random_scale=20',
    'brightened': SHORT + '--random_brightness=30',
    'momentum': '--optimizer=momentum',
    'adam': '--optimizer=adam',
    'dropout': '--dropout=0.3',
    'early_stopping': '--early_stopping_steps=9 --eval_step_interval=1 --learning_rate=0.5',
    'full_batches': '--train_batch_size=-1 --validation_batch_size=-1',
    'exif_by_name': '--exif_rotation=apply --split_key=name',
}
QUANTIZE = 'quantize_graph --input={0}.pb --output={0}_{1}.pb --output_node_names=final_result '
QUANTIZATIONS = {
    **{mode: '--mode=' + mode for mode in ('weights', 'weights_rounded', 'round', 'quantize')},
    'eightbit': '--mode=eightbit',
    'calibrated': '--mode=eightbit --calibration_images=few',
    'fallback': '--mode=eightbit --quantized_fallback_min=-20 --quantized_fallback_max=20',
    'quantized_input': '--mode=eightbit --quantized_input --quantized_input_min=-1',
}
USES = {
    'csv': 'label_image --graph={0}.pb --output_format=csv --output={0}.csv few',
    'json': 'label_image --graph={0}.pb --output_format=json --output={0}.json few',
    'text': 'label_image --graph={0}.pb few/*/*1*.jpg',
    'testing': 'evaluate {0}.pb --image_dir=photos --predictions={0}_testing.csv',
    'all': 'evaluate {0}.pb --image_dir=photos --predictions={0}_all.csv --category=all',
}


def steps():
    """Returns a dict from names to commands, in an order in which they can run."""
    network = SMALL.replace('_v1', '') if SHARED.is_dir() else 'sample'
    found = {}
    for name, flags in TRAININGS.items():
        found['retrain ' + name] = RETRAIN.format('photos', name, network) + flags
    if SHARED.is_dir():
        found['retrain large'] = RETRAIN.format('few', 'large', LARGE.replace('_v1', ''))
    for graph in ('cold', 'large') if SHARED.is_dir() else ('cold',):
        for name, flags in QUANTIZATIONS.items():
            found['quantize %s %s' % (graph, name)] = QUANTIZE.format(graph, name) + flags
    for graph in ('cold', 'cold_calibrated'):
        found.update(('%s %s' % (graph, name), use.format(graph)) for name, use in USES.items())
    return found


class Tree:
    """A tree of the repository, and a new folder to run its commands in."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder
        models = folder / 'models'
        shutil.copytree(str(path / 'tf_files' / 'models'), str(models))
        if SHARED.is_dir():
            shutil.copy(str(SHARED / 'models' / (SMALL + '_frozen.tgz')), str(models))
            (models / LARGE).symlink_to(SHARED / 'models' / LARGE)
            (folder / 'photos').symlink_to(SHARED / 'flower_photos')
        else:
            self.run('sample.draw_flowers --output_dir=photos')
        for kind in (folder / 'photos').iterdir():
            (folder / 'few' / kind.name).mkdir(parents=True)
            for photo in sorted(kind.iterdir())[:12]:
                (folder / 'few' / kind.name / photo.name).symlink_to(photo)

    def run(self, command):
        """Runs a command; returns a list of the figures that each line prints."""
        module, *arguments = command.split()
        ended = subprocess.run(
            [sys.executable, '-m', 'scripts.' + module] + arguments,
            cwd=str(self.folder),
            env=dict(os.environ, PYTHONPATH=str(self.path)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if ended.returncode:
            return [['status %d' % ended.returncode] + ended.stderr.decode().splitlines()[-1:]]
        lines = re.findall(PRINTED.get(module, '.*'), ended.stdout.decode())
        return list(filter(None, (re.findall(r'\d[\d.]*(?:e[+-]?\d+)?', line) for line in lines)))


def read(path):
    """Returns a dict from name to bytes: of one file, or of the texts and graphs of a folder."""
    found = [path] if path.is_file() else sorted(path.rglob('*'))
    found = [each for each in found if each == path or each.suffix in ('.txt', '.pb')]
    return {str(each.relative_to(path.parent)): each.read_bytes() for each in found}


def difference(before, after):
    """Returns what differs between the contents of two outputs; '' where nothing does."""
    if set(before) != set(after) or not before:
        return '%d files and %d, of other names' % (len(before), len(after))
    if before == after:
        return ''
    name = next(name for name in before if before[name] != after[name])
    old, new = before[name], after[name]
    if name.endswith('.pb') and 'saved_model' not in name:
        found = graph_difference(*map(tf.GraphDef.FromString, (old, new)))
        return found and name + ': ' + found
    lines = list(zip(old.splitlines(), new.splitlines()))
    line = next((number for number, (a, b) in enumerate(lines, 1) if a != b), len(lines) + 1)
    return '%s: %d bytes and %d, from line %d on' % (name, len(old), len(new), line)


def graph_difference(before, after):
    """Returns what differs between two GraphDefs, whose descriptions are taken out of them."""
    old, new = take_description(before), take_description(after)
    described = [key for key in sorted(set(old) | set(new)) if old.get(key) != new.get(key)]
    found = ['the description differs in ' + key for key in described if key != 'tensorflow']
    for old, new in zip(before.node, after.node):
        if old != new:
            keys = sorted(set(old.attr) | set(new.attr))
            keys = [key for key in keys if old.attr.get(key) != new.attr.get(key)]
            found.append('node %s differs in %s' % (old.name, keys or 'its name, op or inputs'))
            break
    if len(before.node) != len(after.node):
        found.append('%d nodes and %d' % (len(before.node), len(after.node)))
    if not found and not described:
        return 'the nodes and the description are the same, other parts differ'
    return ' and '.join(found)


def take_description(graph_def):
    """Takes the description out of a GraphDef; returns it, with the node that it is of."""
    description = {}
    for node in graph_def.node:
        if '_classifier' in node.attr:
            description.update(json.loads(node.attr['_classifier'].s.decode()), node=node.name)
            del node.attr['_classifier']
    return description


def compare(name, command, trees):
    """Runs a command in both trees at once; prints, and returns whether, anything differs."""
    with multiprocessing.pool.ThreadPool(len(trees)) as pool:
        before, after = pool.map(lambda tree: tree.run(command), trees)
    outputs = re.findall(WRITTEN, command)
    found = [difference(*(read(tree.folder / each) for tree in trees)) for each in outputs]
    if before != after:
        pairs = (pair for pair in zip(before, after) if pair[0] != pair[1])
        found.append('it prints %s and %s' % next(pairs, (before, after)))
    text = '; '.join(filter(None, found))
    print('%s: %s' % (name, text or 'same'), flush=True)
    return bool(text)


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    print('Python %s, TensorFlow %s' % (sys.version.split()[0], tf.__version__), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        tar = ['archive', '--output=%s' % (folder / 'tree.tar'), arguments[0]]
        subprocess.run(['git', '-C', str(REPOSITORY)] + tar, check=True)
        shutil.unpack_archive(str(folder / 'tree.tar'), str(folder / 'tree'))
        trees = [Tree(folder / 'tree', folder / 'before'), Tree(REPOSITORY, folder / 'after')]
        differing = [compare(*step, trees) for step in steps().items()]
    print('%d commands of %d differ' % (sum(differing), len(differing)))
    sys.exit(any(differing))


if __name__ == '__main__':
    main(sys.argv[1:])
