"""The retrain command end to end: what it writes, and every user error."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts import evaluate, label_image, retrain
from scripts.common import appending, files, packages
from scripts.common.errors import UserError
from scripts.export import lite as lite_lib
from scripts.features import sources
from scripts.graphs import description, graph_files, search
from scripts.images import runner
from scripts.inference import finished_graph, labelling
from scripts.networks import backbone as backbone_lib
from tests import pictures, stand_ins, tools
from tests.conftest import REPOSITORY, split_by_name

NAME = 'mobilenet_0.25_128'
CLASSIC_FLAGS = {
    'image_dir': '',
    'output_graph': '/tmp/output_graph.pb',
    'intermediate_output_graphs_dir': '/tmp/intermediate_graph/',
    'intermediate_store_frequency': 0,
    'output_labels': '/tmp/output_labels.txt',
    'summaries_dir': '/tmp/retrain_logs',
    'how_many_training_steps': 4000,
    'learning_rate': 0.01,
    'testing_percentage': 10,
    'validation_percentage': 10,
    'eval_step_interval': 10,
    'train_batch_size': 100,
    'test_batch_size': -1,
    'validation_batch_size': 100,
    'print_misclassified_test_images': False,
    'model_dir': '/tmp/imagenet',
    'bottleneck_dir': '/tmp/bottleneck',
    'final_tensor_name': 'final_result',
    'flip_left_right': False,
    'random_crop': 0,
    'random_scale': 0,
    'random_brightness': 0,
    'architecture': 'inception_v3',
}


class Bench:
    """A work folder with stand-in networks, and the flags that keep everything inside of it."""

    def __init__(self, folder, photo_dir):
        self.folder = str(folder)
        self.photo_dir = photo_dir
        self.models = os.path.join(self.folder, 'models')
        self.graph = os.path.join(self.folder, 'out', 'graph.pb')
        self.labels = os.path.join(self.folder, 'out', 'labels.txt')
        stand_ins.install(NAME, self.models)

    def flags(self, **changes):
        values = dict(
            image_dir=self.photo_dir,
            architecture=NAME,
            model_dir=self.models,
            output_graph=self.graph,
            output_labels=self.labels,
            bottleneck_dir=os.path.join(self.folder, 'bottlenecks'),
            summaries_dir=os.path.join(self.folder, 'summaries'),
            intermediate_output_graphs_dir=os.path.join(self.folder, 'intermediate'),
            how_many_training_steps=40,
            learning_rate=0.001,
            testing_percentage=20,
            validation_percentage=20,
            random_seed=1,
        )
        values.update(changes)
        return ['--%s=%s' % item for item in sorted(values.items())]

    def graph_bytes(self):
        with open(self.graph, 'rb') as file:
            return file.read()


@pytest.fixture
def bench(tmp_path, photo_dir):
    return Bench(tmp_path, photo_dir)


def test_the_classic_flags_have_their_classic_defaults():
    flags = {name: retrain.FLAGS[name].default for name in CLASSIC_FLAGS}
    assert flags == CLASSIC_FLAGS


def test_from_photos_to_labels(bench, in_subprocess):
    ended = in_subprocess('scripts.retrain', *bench.flags())
    assert ended.status == 0, ended.err
    for line in (
        r'\d+-\d+-\d+ \d+:\d+:[\d.]+: Step 0: Train accuracy = \d+\.\d%',
        r'Step 10: Cross entropy = \d+\.\d{6}\n',
        r'Step 39: Validation accuracy = \d+\.\d% \(N=\d+\)\n',  # All of them: there are few.
        r'\nFinal test accuracy = 100\.0% \(N=\d+\)\n',
    ):
        assert re.search(line, ended.out), line
    assert 'tensorboard --logdir ' + os.path.join(bench.folder, 'summaries') in ended.out
    with open(bench.labels) as file:
        labels = file.read().splitlines()
    assert sorted(labels) == sorted(pictures.LABELS)
    photo = os.path.join(bench.photo_dir, 'Red', '003.jpg')
    ended = in_subprocess(
        'scripts.label_image',
        '--graph=' + bench.graph,
        '--labels=' + bench.labels,
        '--image=' + photo,
    )
    assert ended.status == 0 and ended.err == ''
    assert re.match(
        r'\nEvaluation time \(1-image\): \d+\.\d{3}s\n\nred \(score=[01]\.\d{5}\)\n', ended.out
    )
    assert len(ended.out.splitlines()) == 6


def test_the_same_seed_writes_the_same_bytes_cold_warm_and_half_warm(bench, in_process):
    graphs = []
    for state in ('cold', 'warm', 'half warm'):
        if state == 'half warm':
            shutil.rmtree(os.path.join(bench.folder, 'bottlenecks', 'Red'))
        assert in_process(retrain, *bench.flags()).status == 0
        graphs.append(bench.graph_bytes())
    assert graphs[0] == graphs[1] == graphs[2]
    assert in_process(retrain, *bench.flags(random_seed=2)).status == 0
    assert bench.graph_bytes() != graphs[0]


def test_without_a_seed_the_line_that_repeats_the_run_is_shown(bench, in_process):
    flags = [flag for flag in bench.flags() if 'random_seed' not in flag]
    ended = in_process(retrain, *flags)
    done, _, after = ended.out.partition('Final test accuracy = ')
    assert 'To repeat this run' not in done
    seed = re.search(r'\nTo repeat this run to the byte, add --random_seed=(\d+)\n', after).group(1)
    first = bench.graph_bytes()
    assert in_process(retrain, *bench.flags(random_seed=seed)).status == 0
    assert bench.graph_bytes() == first


def test_a_run_that_was_none_is_not_to_be_repeated(bench, in_process):
    flags = [flag for flag in bench.flags() if 'random_seed' not in flag]
    for name in os.listdir(bench.models):
        shutil.rmtree(os.path.join(bench.models, name))
    ended = in_process(
        retrain, *flags, '--architecture=mobilenet_0.75_128', '--model_dir=/dev/null'
    )
    assert ended.status == 1 and 'To repeat' not in ended.out


def test_distortions_train_keep_training_photos_uncached_and_repeat(bench, in_process):
    distorted = dict(
        flip_left_right=True,
        random_crop=10,
        random_scale=10,
        random_brightness=10,
        how_many_training_steps=15,
        train_batch_size=20,
        learning_rate=0.003,
    )
    graphs = []
    for _ in range(2):
        ended = in_process(retrain, *bench.flags(**distorted))
        assert ended.status == 0, ended.err
        graphs.append(bench.graph_bytes())
    assert graphs[0] == graphs[1]
    assert float(re.search(r'Final test accuracy = ([\d.]+)%', ended.out).group(1)) > 90
    cached = sum(
        name.endswith('.txt')
        for _, _, names in os.walk(os.path.join(bench.folder, 'bottlenecks'))
        for name in names
    )
    assert 10 < cached < 45  # Of 72 photos: about two fifths, those to validate and test with.


def test_distorted_copies_train_from_what_is_kept_whatever_the_seed(bench, in_process, monkeypatch):
    distorted = dict(
        flip_left_right=True,
        random_crop=10,
        random_brightness=10,
        distorted_copies=2,
        train_batch_size=20,
        learning_rate=0.003,
    )
    graphs = []
    ended = in_process(retrain, *bench.flags(random_seed=2, **distorted))
    assert ended.status == 0, ended.err
    assert float(re.search(r'Final test accuracy = ([\d.]+)%', ended.out).group(1)) > 90
    monkeypatch.setattr(sources.Copies, 'batches', None)  # All are kept.
    for seed in (2, 2, 3):
        graphs.append(bench.graph_bytes())
        ended = in_process(retrain, *bench.flags(random_seed=seed, **distorted))
        assert ended.status == 0, ended.err
    assert graphs[0] == graphs[1] == graphs[2] != bench.graph_bytes()


@pytest.mark.each_tensorflow
def test_photos_are_turned_where_that_is_wanted_and_cached_apart(bench, in_process, one_error):
    photos = pictures.rotated_copy(bench.photo_dir, os.path.join(bench.folder, 'rotated'))
    cached = os.path.join(bench.folder, 'bottlenecks', 'Red', '003.jpg_%s%s.txt')
    checkpoint = os.path.join(bench.folder, 'checkpoint')
    flags = dict(image_dir=photos, how_many_training_steps=3, checkpoint_path=checkpoint)
    ended = in_process(retrain, *bench.flags(**flags))
    assert '72 of 72 photos carry an EXIF rotation, which is not applied' in ended.err
    classic = files.read(cached % (NAME, ''), 'bottleneck')
    message = one_error(retrain, *bench.flags(exif_rotation='apply', resume=True, **flags))
    assert 'other exif_rotation' in message

    saved_model = os.path.join(bench.folder, 'serving', '1')
    flags.update(exif_rotation='apply', saved_model_dir=saved_model)
    ended = in_process(retrain, *bench.flags(**flags))
    assert ended.status == 0 and 'EXIF' not in ended.err
    assert '0 of 72 bottlenecks found' in ended.out
    assert '72 of 72 bottlenecks found' in in_process(retrain, *bench.flags(**flags)).out
    assert files.read(cached % (NAME, ''), 'bottleneck') == classic
    assert files.read(cached % (NAME, '_exif'), 'bottleneck') != classic
    assert sorted(os.listdir(os.path.join(bench.folder, 'bottlenecks'))) == [
        'Blue-Ones',
        'Red',
        'green',
        NAME + '.features',
        NAME + '_exif.features',
    ]
    saved = files.read(os.path.join(saved_model, 'saved_model.pb'), 'SavedModel')
    assert b'ReverseV2' in saved

    labelled = ['--graph=' + bench.graph, os.path.join(photos, 'Red', '003.jpg')]
    followed = in_process(label_image, *labelled)
    assert followed.status == 0 and followed.err == ''
    contradicted = in_process(label_image, '--exif_rotation=ignore', *labelled)
    assert 'of itself: --exif_rotation=ignore (described: apply)' in contradicted.err
    assert 'the photo carries an EXIF rotation' in contradicted.err


@pytest.mark.each_tensorflow
def test_photos_that_are_decoded_fast_are_cached_apart_and_the_graph_says_so(
    bench, in_process, one_error
):
    photos = pictures.enlarged_copy(bench.photo_dir, os.path.join(bench.folder, 'large'), 520)
    cached = os.path.join(bench.folder, 'bottlenecks', 'Red', '003.jpg_%s%s.txt')
    checkpoint = os.path.join(bench.folder, 'checkpoint')
    flags = dict(image_dir=photos, how_many_training_steps=3, checkpoint_path=checkpoint)
    ended = in_process(retrain, *bench.flags(**flags))
    assert 'Photos of 520 x 520 pixels' in ended.out and '--decode=fast' in ended.out
    assert '--decode=fast' not in in_process(retrain, *bench.flags(**flags)).out
    exact = files.read(cached % (NAME, ''), 'bottleneck')
    message = one_error(retrain, *bench.flags(decode='fast', resume=True, **flags))
    assert 'other decode' in message

    flags.update(decode='fast')
    ended = in_process(retrain, *bench.flags(**flags))
    assert ended.status == 0 and '0 of 72 bottlenecks found' in ended.out
    assert '--decode=fast' not in ended.out
    assert '72 of 72 bottlenecks found' in in_process(retrain, *bench.flags(**flags)).out
    assert files.read(cached % (NAME, ''), 'bottleneck') == exact
    assert files.read(cached % (NAME, '_fast'), 'bottleneck') != exact

    labelled = ['--graph=' + bench.graph, os.path.join(photos, 'Red', '003.jpg')]
    followed = in_process(label_image, *labelled)
    assert followed.status == 0 and followed.err == ''
    contradicted = in_process(label_image, '--decode=exact', *labelled)
    assert 'of itself: --decode=exact (described: fast)' in contradicted.err

    flags.update(flip_left_right=True, random_crop=10)
    ended = in_process(retrain, *bench.flags(**flags))
    assert ended.status == 0
    (kept,) = [
        name
        for name in os.listdir(os.path.join(bench.folder, 'bottlenecks'))
        if name.endswith('.pixels')
    ]
    assert kept == 'decoded_fast_141x141.pixels'


def test_distorted_training_takes_the_whole_category(bench, in_process):
    ended = in_process(
        retrain, *bench.flags(flip_left_right=True, train_batch_size=-1, how_many_training_steps=2)
    )
    assert ended.status == 0


def test_intermediate_graphs_are_written_and_label(bench, in_process):
    ended = in_process(retrain, *bench.flags(intermediate_store_frequency=15))
    assert ended.status == 0
    folder = os.path.join(bench.folder, 'intermediate')
    assert sorted(os.listdir(folder)) == ['intermediate_15.pb', 'intermediate_30.pb']
    ended = in_process(
        label_image,
        '--graph=' + os.path.join(folder, 'intermediate_15.pb'),
        '--labels=' + bench.labels,
        '--image=' + os.path.join(bench.photo_dir, 'Red', '000.jpg'),
    )
    assert ended.status == 0


def test_misclassified_photos_are_listed(bench, in_process):
    ended = in_process(
        retrain,
        *bench.flags(
            how_many_training_steps=1, learning_rate=1e-9, print_misclassified_test_images=True
        ),
    )
    header, _, listed = ended.out.partition('=== MISCLASSIFIED TEST IMAGES ===\n')
    accuracy, count = re.search(r'Final test accuracy = ([\d.]+)% \(N=(\d+)\)', header).groups()
    lines = [line for line in listed.splitlines() if '.jpg' in line and '  ' in line.strip()]
    assert len(lines) == round(int(count) * (1 - float(accuracy) / 100)) > 0
    for line in lines:
        path, label = line.strip().split('  ')
        assert os.path.isfile(path) and label in pictures.LABELS


def test_batches_of_all_photos_and_of_few(bench, in_process):
    ended = in_process(
        retrain, *bench.flags(train_batch_size=-1, validation_batch_size=-1, test_batch_size=7)
    )
    assert ended.status == 0
    assert 'Final test accuracy = 100.0% (N=7)' in ended.out
    count = int(re.search(r'Validation accuracy = .* \(N=(\d+)\)', ended.out).group(1))
    assert 5 < count < 25


@pytest.mark.parametrize('category', ['testing', 'validation'])
def test_a_category_may_be_empty(bench, in_process, category):
    ended = in_process(retrain, *bench.flags(**{category + '_percentage': 0}))
    assert ended.status == 0
    assert 'no photos for %s at all' % category in ended.err
    words = {'testing': 'Final test accuracy', 'validation': 'Validation accuracy'}
    assert words[category] not in ended.out
    assert os.path.isfile(bench.graph)


def test_a_class_without_training_photos_is_one_line(bench, one_error, tmp_path):
    folder = str(tmp_path / 'photos')
    shutil.copytree(bench.photo_dir, folder)
    from scripts.dataset import split as split_lib

    split = split_lib.Split(20, 20, split_lib.BY_NAME)
    training = [
        os.path.join(folder, 'Red', name)
        for name in os.listdir(os.path.join(folder, 'Red'))
        if split.category_of(folder, 'Red', name) == split_lib.TRAINING
    ]
    for path in training:
        with open(path, 'wb') as file:
            file.write(b'no photo')
    line = one_error(retrain, *bench.flags(image_dir=folder))
    assert 'all training photos of class red are unreadable' in line
    for path in training:
        os.remove(path)
    assert 'class red has no training photo' in one_error(retrain, *bench.flags(image_dir=folder))


def test_after_the_accuracy_comes_its_interval(bench, in_process):
    ended = in_process(retrain, *bench.flags(test_batch_size=1))
    lines = ended.out.splitlines()
    place = lines.index('Final test accuracy = 100.0% (N=1)')
    assert lines[place + 1] == '95% interval: 20.7% to 100.0% (Wilson, N=1)'


def test_unreadable_photos_are_left_out(bench, in_process, tmp_path):
    folder = str(tmp_path / 'photos')
    shutil.copytree(bench.photo_dir, folder)
    for name in ('000.jpg', '001.jpg'):
        with open(os.path.join(folder, 'Red', name), 'wb') as file:
            file.write(b'no photo')
    for distorted in (False, True):
        ended = in_process(
            retrain,
            *bench.flags(image_dir=folder, flip_left_right=distorted, how_many_training_steps=3),
        )
        assert ended.status == 0, ended.err
        assert ended.err.count('is unreadable and is left out') == 2
        assert '2 of 72 photos are unreadable and are left out' in ended.err


def test_summaries_of_an_earlier_run_go_and_nothing_else_does(bench, in_process, one_error):
    assert in_process(retrain, *bench.flags()).status == 0
    folder = os.path.join(bench.folder, 'summaries')
    shutil.copytree(os.path.join(folder, 'train'), os.path.join(folder, 'an_older_run'))
    assert in_process(retrain, *bench.flags()).status == 0
    assert sorted(os.listdir(folder)) == ['testing', 'train', 'validation']
    assert len(os.listdir(os.path.join(folder, 'train'))) == 1
    with open(os.path.join(folder, 'thesis.txt'), 'w') as file:
        file.write('years of work')
    assert 'thesis.txt' in one_error(retrain, *bench.flags())
    assert os.path.isfile(os.path.join(folder, 'thesis.txt'))


def test_an_inception_graph_is_fed_at_mul(bench, in_process, tmp_path):
    stand_ins.install('inception_v3', bench.models)
    ended = in_process(retrain, *bench.flags(architecture='inception_v3', learning_rate=0.0005))
    assert ended.status == 0, ended.err
    nodes = search.nodes_by_name(graph_files.read(bench.graph))
    assert nodes['Mul'].op == 'Placeholder' and 'DecodeJpeg' not in nodes
    assert 'input/BottleneckInputPlaceholder' in nodes  # No node `input` there, so no `input_1`.
    label = [
        '--graph=' + bench.graph,
        '--labels=' + bench.labels,
        '--image=' + os.path.join(bench.photo_dir, 'green', '005.jpg'),
    ]
    plain = in_process(label_image, *label)
    classic = in_process(
        label_image, '--input_layer=Mul', '--input_height=299', '--input_width=299', *label
    )
    assert plain.status == classic.status == 0
    assert plain.out.splitlines()[3:] == classic.out.splitlines()[3:]
    assert plain.out.splitlines()[3].startswith('green')


@pytest.mark.each_tensorflow
def test_the_tools_of_the_ecosystem_take_the_graph(bench, in_process, tmp_path):
    assert in_process(retrain, *bench.flags()).status == 0
    optimized = str(tmp_path / 'optimized.pb')
    subprocess.run(
        [
            sys.executable,
            '-m',
            'tensorflow.python.tools.optimize_for_inference',
            '--input=' + bench.graph,
            '--output=' + optimized,
            '--input_names=input',
            '--output_names=final_result',
        ],
        check=True,
        stderr=subprocess.PIPE,
    )
    lite = str(tmp_path / 'graph.tflite')
    converted = tools.tflite_convert(bench.graph, lite, 'final_result')
    assert converted.returncode == 0, converted.stderr
    image = np.random.RandomState(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)

    def scores(path):
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(graph_files.read(path), name='')
        with tf.Session(graph=graph) as session:
            return session.run('final_result:0', {'input:0': image})

    interpreter = tf.lite.Interpreter(model_path=lite)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]['index'], image)
    interpreter.invoke()
    lite_scores = interpreter.get_tensor(interpreter.get_output_details()[0]['index'])
    np.testing.assert_allclose(scores(optimized), scores(bench.graph), atol=1e-5)
    np.testing.assert_allclose(lite_scores, scores(bench.graph), atol=1e-3)


def test_the_same_flags_with_spaces_and_single_dashes_work(bench, in_process):
    flags = [part for flag in bench.flags() for part in flag.split('=', 1)]
    assert in_process(retrain, *flags).status == 0


@pytest.mark.parametrize(
    'changes, words',
    [
        (dict(image_dir=''), '--image_dir is not set'),
        (dict(image_dir='/nowhere'), 'no such folder'),
        (dict(architecture='mobilenet_1.0_225'), 'did you mean mobilenet_1.0_224'),
        (dict(nonsense=1), "Unknown command line flag 'nonsense'"),
        (dict(how_many_training_steps=0), 'how_many_training_steps'),
        (dict(how_many_training_steps='many'), 'many'),
        (dict(testing_percentage=101), 'testing_percentage'),
        (dict(testing_percentage=-1), 'testing_percentage'),
        (dict(testing_percentage=60, validation_percentage=50), 'more than 100 together'),
        (dict(testing_percentage=50, validation_percentage=50), 'is left for training'),
        (dict(learning_rate=0), '--learning_rate=0'),
        (dict(learning_rate='nan'), '--learning_rate=nan'),
        (dict(train_batch_size=0), '--train_batch_size=0'),
        (dict(validation_batch_size=-2), '--validation_batch_size=-2'),
        (dict(eval_step_interval=0), 'eval_step_interval'),
        (dict(random_crop=-5), 'random_crop'),
        (dict(random_brightness=101), 'random_brightness'),
        (dict(distorted_copies=3), '--distorted_copies=3 is about distortions'),
        (dict(distorted_copies=-1), 'distorted_copies'),
        (dict(split_key='date'), 'path|name'),
        (dict(final_tensor_name='final result'), 'is not the name of a node'),
        (dict(final_tensor_name='final_result\n'), 'is not the name of a node'),
        (dict(final_tensor_name='a/'), 'is not the name of a node'),
        (dict(final_tensor_name='a//b'), 'is not the name of a node'),
        (dict(final_tensor_name='input'), 'has a node or a scope of that name already'),
        (dict(final_tensor_name='final_training_ops'), 'has a node or a scope of that name'),
        (dict(output_graph=''), '--output_graph is empty'),
        (dict(output_graph='/tmp'), 'is a folder'),
        (dict(output_labels='/dev/null/labels'), 'expected a folder'),
    ],
    ids=lambda value: '-'.join(value) if isinstance(value, dict) else '',
)
def test_a_user_error_is_one_line_and_leaves_everything_as_it_was(bench, one_error, changes, words):
    before = sorted(os.walk(bench.folder))
    assert words in one_error(retrain, *bench.flags(**changes))
    assert sorted(os.walk(bench.folder)) == before


@pytest.mark.parametrize(
    'classes, words',
    [
        ([], 'no sub-folder with photos'),
        (['Red'], 'photos of one class only (red)'),
    ],
)
def test_a_folder_without_two_classes_is_one_line(bench, one_error, tmp_path, classes, words):
    folder = tmp_path / 'few'
    folder.mkdir()
    for name in classes:
        shutil.copytree(os.path.join(bench.photo_dir, name), str(folder / name))
    assert words in one_error(retrain, *bench.flags(image_dir=str(folder)))


def test_a_stray_argument_is_one_line(bench, one_error):
    assert "unexpected argument 'photos'" in one_error(retrain, 'photos', *bench.flags())


def test_a_corrupt_network_is_one_line(bench, one_error):
    with open(os.path.join(bench.models, 'mobilenet_v1_0.25_128', 'frozen_graph.pb'), 'wb') as file:
        file.write(b'<html>')
    assert 'is not a frozen graph' in one_error(retrain, *bench.flags())


def run_until(flags, step, number):
    """Starts retrain and sends it a signal once it has logged a step; returns whether it had to."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'scripts.retrain'] + split_by_name('scripts.retrain', flags),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    with process:
        for line in process.stdout:
            logged = re.search(r'Step (\d+): Train', line)
            if logged and int(logged.group(1)) >= step:
                process.send_signal(number)
                break
        process.stdout.read()
    return process.returncode


@pytest.mark.slow
@pytest.mark.once
def test_a_run_stopped_four_times_ends_as_one_that_was_not(bench, in_process):
    steps = 6000
    assert in_process(retrain, *bench.flags(how_many_training_steps=steps)).status == 0
    whole = bench.graph_bytes()
    os.remove(bench.graph)
    flags = bench.flags(
        how_many_training_steps=steps,
        checkpoint_path=os.path.join(bench.folder, 'checkpoint'),
        resume=True,
    )
    stops = sorted(np.random.RandomState(0).randint(0, steps // 2, size=4))
    for step, number in zip(stops, [signal.SIGTERM, signal.SIGKILL] * 2):
        assert run_until(flags, step, number) != 0
        assert not os.path.exists(bench.graph)
    ended = in_process(retrain, *flags)
    assert ended.status == 0 and 'from the checkpoint' in ended.out
    assert bench.graph_bytes() == whole


@pytest.mark.parametrize('batch, copies', [(20, 0), (-1, 0), (20, 3)])
@pytest.mark.each_tensorflow
def test_a_distorted_run_is_resumed_to_the_byte(bench, in_process, batch, copies):
    changes = dict(flip_left_right=True, random_crop=5, train_batch_size=batch)
    changes['distorted_copies'] = copies
    assert in_process(retrain, *bench.flags(how_many_training_steps=7, **changes)).status == 0
    whole = bench.graph_bytes()
    changes['checkpoint_path'] = os.path.join(bench.folder, 'checkpoint')
    for steps in (3, 7):
        ended = in_process(
            retrain, *bench.flags(how_many_training_steps=steps, resume=True, **changes)
        )
        assert ended.status == 0
    assert 'Resuming after 3 steps' in ended.out
    assert bench.graph_bytes() == whole


def test_a_resumed_run_keeps_its_seed_and_its_summaries(bench, in_process):
    flags = [flag for flag in bench.flags() if 'random_seed' not in flag and 'steps' not in flag]
    flags += ['--resume', '--checkpoint_path=' + os.path.join(bench.folder, 'checkpoint')]
    ended = in_process(retrain, '--how_many_training_steps=10', *flags)
    seed = int(re.search(r'--random_seed=(\d+)', ended.out).group(1))
    ended = in_process(retrain, '--how_many_training_steps=30', *flags)
    assert ended.status == 0 and '--random_seed=%d' % seed in ended.out
    train = os.path.join(bench.folder, 'summaries', 'train')
    assert len(os.listdir(train)) == 2


def test_fewer_steps_than_are_done_are_refused(bench, in_process, one_error):
    path = '--checkpoint_path=' + os.path.join(bench.folder, 'checkpoint')
    assert in_process(retrain, path, *bench.flags()).status == 0
    whole = bench.graph_bytes()
    line = one_error(retrain, path, '--resume', *bench.flags(how_many_training_steps=39))
    assert 'is after step 40, and --how_many_training_steps=39 asks for fewer' in line
    assert in_process(retrain, path, '--resume', *bench.flags()).status == 0
    assert bench.graph_bytes() == whole


def test_a_checkpoint_of_another_run_is_refused(bench, in_process, one_error):
    path = '--checkpoint_path=' + os.path.join(bench.folder, 'checkpoint')
    assert in_process(retrain, path, *bench.flags()).status == 0
    message = one_error(retrain, path, '--resume', *bench.flags(learning_rate=0.5))
    assert 'other learning_rate' in message


@pytest.mark.each_tensorflow
def test_exports_are_written_and_a_foreign_folder_is_refused(bench, in_process, one_error):
    saved_model = os.path.join(bench.folder, 'serving', '1')
    lite = os.path.join(bench.folder, 'lite', 'flowers.tflite')
    flags = bench.flags(saved_model_dir=saved_model, tflite_output_file=lite)
    for _ in range(2):
        assert in_process(retrain, *flags).status == 0
    assert os.path.isfile(os.path.join(saved_model, 'saved_model.pb'))
    names = ['flowers.tflite', 'flowers_description.json', 'flowers_labels.txt']
    assert sorted(os.listdir(os.path.dirname(lite))) == names
    found = description.find(graph_files.read(bench.graph)).description
    with open(os.path.join(os.path.dirname(lite), names[1]), 'rb') as file:
        assert file.read() == description.to_json(found) + b'\n'
    with open(os.path.join(saved_model, 'thesis.txt'), 'w') as file:
        file.write('years of work')
    assert 'thesis.txt' in one_error(retrain, *flags)


def test_what_lite_does_not_take_is_told_before_anything_is_computed(bench, one_error, monkeypatch):
    path = os.path.join(bench.models, 'mobilenet_v1_0.25_128', 'frozen_graph.pb')
    graph_def = graph_files.read(path)
    (reshaped,) = [node for node in graph_def.node if node.name.endswith('Predictions/Reshape')]
    strange = graph_def.node.add(name='strange', op='Betainc')  # No op of TensorFlow Lite.
    strange.input.extend([reshaped.input[0]] * 3)
    strange.attr['T'].type = tf.float32.as_datatype_enum
    reshaped.input[0] = 'strange'
    with open(path, 'wb') as file:
        file.write(graph_def.SerializeToString())
    lite = os.path.join(bench.folder, 'flowers.tflite')
    line = one_error(retrain, *bench.flags(tflite_output_file=lite))
    assert 'TensorFlow Lite does not take this network: it lacks Betainc' in line
    assert os.listdir(bench.folder) == ['models']


@pytest.mark.parametrize('quantization, most', [('float16', 0.55), ('int8', 0.4)])
@pytest.mark.each_tensorflow
def test_a_lite_file_is_quantized(bench, in_process, quantization, most):
    path = os.path.join(bench.folder, 'flowers.tflite')
    flags = dict(tflite_output_file=path, tflite_quantization=quantization, learning_rate=0.01)
    # No warning of a class without validation photos: the folder's name is another one each time.
    flags.update(architecture='sample', split_key='name')
    ended = in_process(retrain, *bench.flags(**flags))
    assert ended.status == 0 and ended.err == '', ended.err
    data = files.read(path, 'file')
    assert len(data) < most * len(bench.graph_bytes())  # Of four bytes for each weight.
    found = finished_graph.read(bench.graph, bench.graph_bytes()).classifier
    paths = [os.path.join(bench.photo_dir, name, '000.jpg') for name in os.listdir(bench.photo_dir)]
    with runner.Runner(found.graph_input.pixels) as photos, labelling.Scorer(found) as scorer:
        ((images, _),) = photos.run([paths])
        expected = scorer.score_pixels(images)
    scores = lite_lib.scorer(data)(images)
    assert scores.dtype == np.float32
    assert 0 < np.abs(scores - expected).max() < {'float16': 0.01, 'int8': 0.3}[quantization]


def test_a_quantization_of_no_file_is_refused(bench, one_error):
    line = one_error(retrain, *bench.flags(tflite_quantization='int8'))
    assert '--tflite_quantization=int8 is about --tflite_output_file' in line
    assert os.listdir(bench.folder) == ['models']


def test_without_its_packages_onnx_is_refused_at_once(bench, one_error, monkeypatch):
    absent = types.SimpleNamespace(find_spec=lambda name: None)
    monkeypatch.setattr(packages, 'importlib', types.SimpleNamespace(util=absent))
    path = os.path.join(bench.folder, 'flowers.onnx')
    line = one_error(retrain, *bench.flags(onnx_output_file=path))
    assert '--onnx_output_file needs tf2onnx, onnx, onnxruntime, packaging, which' in line
    assert re.search(r'-m pip install -r \S+requirements-export\.txt$', line)
    assert os.listdir(bench.folder) == ['models']


@pytest.mark.once
def test_a_lite_file_that_contradicts_the_graph_is_not_written(bench, one_error, monkeypatch):
    path = os.path.join(bench.folder, 'out', 'flowers.tflite')
    wrong = lambda images: np.eye(3)[np.arange(len(images)) % 3]  # noqa: E731
    monkeypatch.setattr(lite_lib, 'scorer', lambda data: wrong)
    line = one_error(retrain, *bench.flags(tflite_output_file=path))
    assert 'but: %s contradicts the graph, and is not written: on 8 training' % path in line
    assert sorted(os.listdir(os.path.dirname(path))) == ['graph.pb', 'labels.txt']


@pytest.mark.parametrize('failing', ['lite', 'saved_model', 'report'])
@pytest.mark.once
def test_an_export_that_fails_in_the_end_costs_only_itself(bench, one_error, monkeypatch, failing):
    from scripts.evaluation import report
    from scripts.export import saved_model

    module = {'lite': lite_lib, 'saved_model': saved_model, 'report': report}[failing]
    name = 'convert' if failing == 'lite' else 'write'
    works, calls = getattr(module, name), []

    def fails(*arguments):
        calls.append(arguments)
        if failing == 'lite' and len(calls) == 1:  # Before training it works.
            return works(*arguments)
        raise UserError('no room for this')

    monkeypatch.setattr(module, name, fails)
    places = {
        'lite': os.path.join(bench.folder, 'flowers.tflite'),
        'saved_model': os.path.join(bench.folder, 'serving', 'saved_model.pb'),
        'report': os.path.join(bench.folder, 'report.html'),
    }
    line = one_error(
        retrain,
        *bench.flags(
            tflite_output_file=places['lite'],
            saved_model_dir=os.path.dirname(places['saved_model']),
            report=places['report'],
        ),
    )
    assert line.endswith('the graph and its labels are written, but: no room for this')
    assert os.path.isfile(bench.graph) and os.path.isfile(bench.labels)
    written = {name for name, path in places.items() if os.path.exists(path)}
    assert written == set(places) - {failing}


@pytest.mark.once
def test_labels_beside_a_lite_file_are_not_replaced_by_others(bench, in_process, one_error):
    lite, labels = (os.path.join(bench.folder, name) for name in ('x.tflite', 'x_labels.txt'))
    with open(labels, 'w') as file:
        file.write('cat\ndog\n')
    line = one_error(retrain, *bench.flags(tflite_output_file=lite))
    assert 'x_labels.txt holds other labels than those of this training' in line
    assert sorted(os.listdir(bench.folder)) == ['models', 'x_labels.txt']
    with open(labels) as file:
        assert file.read() == 'cat\ndog\n'
    # Its own ones are no others, nor are those that the flag asks to replace.
    for _ in range(2):
        ended = in_process(retrain, *bench.flags(tflite_output_file=lite, output_labels=labels))
        assert ended.status == 0, ended.err
    assert in_process(retrain, *bench.flags(tflite_output_file=lite)).status == 0


def test_a_report_of_the_test_photos_is_written(bench, in_process):
    path = os.path.join(bench.folder, 'report.html')
    ended = in_process(
        retrain, *bench.flags(report=path, how_many_training_steps=2, learning_rate=1e-5)
    )
    assert ended.status == 0, ended.err
    with open(path, encoding='utf-8') as file:
        page = file.read()
    assert 'data:image/jpeg;base64' in page  # The top losses.
    assert 'blue ones' in page
    (name,) = os.listdir(os.path.join(bench.folder, 'summaries', 'testing'))
    events = tf.train.summary_iterator(os.path.join(bench.folder, 'summaries', 'testing', name))
    tags = {value.tag for event in events for value in event.summary.value}
    assert tags == {'confusion_matrix', 'worst_mistakes'}


def test_training_that_diverges_loses_nothing(bench, in_process, one_error):
    checkpoint = os.path.join(bench.folder, 'checkpoint')
    flags = dict(checkpoint_path=checkpoint, resume=True, eval_step_interval=1000)
    assert in_process(retrain, *bench.flags(**flags)).status == 0
    kept = [files.read(path, 'file') for path in (bench.graph, bench.labels, checkpoint)]
    diverging = dict(
        flags,
        resume=False,
        learning_rate=1e38,
        how_many_training_steps=30,
        intermediate_store_frequency=1,
    )
    line = one_error(retrain, *bench.flags(**diverging))
    assert re.search(r'training diverged at step \d+: .* lower --learning_rate .it is 1e.38.', line)
    assert [files.read(path, 'file') for path in (bench.graph, bench.labels, checkpoint)] == kept
    folder = os.path.join(bench.folder, 'intermediate')
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        for node in graph_files.read(os.path.join(folder, name)).node:
            if node.name.endswith(('final_weights', 'final_biases')):
                assert np.isfinite(tf.make_ndarray(node.attr['value'].tensor)).all()


def same_file_cases(bench):
    """Pairs of flags that name one file, and what the line of error names."""
    place = os.path.join(bench.folder, 'out', 'same')
    photo = os.path.join(bench.photo_dir, 'Red', '000.jpg')
    network = os.path.join(bench.models, 'mobilenet_v1_0.25_128', 'frozen_graph.pb')
    return [
        (dict(output_graph=place, output_labels=place), '--output_graph and --output_labels'),
        (dict(output_labels=place, report=place), '--output_labels and --report'),
        (dict(report=place, checkpoint_path=place), '--report'),
        (dict(checkpoint_path=place, tflite_output_file=place), '--tflite_output_file'),
        (
            dict(tflite_output_file=place + '.tflite', report=place + '_labels.txt'),
            'the labels of --tflite_output_file',
        ),
        (
            dict(tflite_output_file=place + '.tflite', report=place + '_description.json'),
            'the description of --tflite_output_file',
        ),
        (
            dict(saved_model_dir=place, output_graph=place + '/../same/saved_model.pb'),
            'the file of --saved_model_dir',
        ),
        (dict(output_graph=photo), '--output_graph is the same file as the photo'),
        (dict(output_graph=network), '--output_graph is the same file as the pretrained graph'),
    ]


@pytest.mark.parametrize('number', range(9))
def test_one_file_for_two_things_is_refused(bench, one_error, number):
    changes, words = same_file_cases(bench)[number]
    before = sorted(os.walk(bench.folder))
    assert words in one_error(retrain, *bench.flags(**changes))
    assert sorted(os.walk(bench.folder)) == before


def test_outputs_may_be_links_and_devices(bench, in_process, tmp_path):
    os.symlink(str(tmp_path / 'graphs' / 'real.pb'), str(tmp_path / 'link.pb'))
    ended = in_process(
        retrain, *bench.flags(output_graph=str(tmp_path / 'link.pb'), output_labels='/dev/fd/1')
    )
    assert ended.status == 0, ended.err
    assert '\n%s\n' % '\n'.join(pictures.LABELS) in ended.out
    assert os.path.islink(str(tmp_path / 'link.pb'))
    assert graph_files.read(str(tmp_path / 'graphs' / 'real.pb')).node


@pytest.mark.parametrize(
    'flag',
    [
        'output_graph',
        'output_labels',
        'report',
        'checkpoint_path',
        'tflite_output_file',
        'saved_model_dir',
        'bottleneck_dir',
        'model_dir',
        'intermediate_output_graphs_dir',
    ],
)
def test_nothing_is_kept_in_the_folder_that_is_emptied(bench, one_error, flag):
    inside = os.path.join(bench.folder, 'summaries', 'x')
    before = sorted(os.walk(bench.folder))
    line = one_error(retrain, *bench.flags(intermediate_store_frequency=1, **{flag: inside}))
    assert '--%s=%s is inside of --summaries_dir=' % (flag, inside) in line
    assert sorted(os.walk(bench.folder)) == before


def test_what_comes_into_the_summaries_in_the_meantime_stays(bench, in_process, monkeypatch):
    note = os.path.join(bench.folder, 'summaries', 'note.txt')
    load = backbone_lib.load

    def load_and_write(*arguments):
        files.write(note, b'years of work')
        return load(*arguments)

    monkeypatch.setattr(backbone_lib, 'load', load_and_write)
    assert in_process(retrain, *bench.flags(how_many_training_steps=1)).status == 0
    assert files.read(note, 'note') == b'years of work'


def test_without_summaries_a_run_writes_none_and_the_report_has_no_curves(bench, in_process):
    report = os.path.join(bench.folder, 'report.html')
    summaries_dir = os.path.join(bench.folder, 'summaries')
    ended = in_process(retrain, *bench.flags(summary_interval=0, report=report))
    assert ended.status == 0, ended.err
    assert not os.path.exists(summaries_dir) and 'tensorboard' not in ended.out
    graph = bench.graph_bytes()
    assert 'Learning curves' not in files.read(report, 'report').decode('utf-8')
    assert in_process(retrain, *bench.flags(report=report)).status == 0
    assert 'Learning curves' in files.read(report, 'report').decode('utf-8')
    assert bench.graph_bytes() == graph
    before = sorted(os.walk(summaries_dir))
    assert in_process(retrain, *bench.flags(summary_interval=0)).status == 0
    assert sorted(os.walk(summaries_dir)) == before


def test_two_runs_do_not_share_summaries(bench, in_process, one_error, monkeypatch):
    monkeypatch.setattr(appending, '_PATIENCE_SECONDS', 0.1)
    flags = bench.flags(how_many_training_steps=3)
    report = os.path.join(bench.folder, 'report.html')
    assert in_process(retrain, *flags).status == 0
    before = sorted(os.walk(os.path.join(bench.folder, 'summaries')))
    lines = []
    load = backbone_lib.load

    def load_while_another_runs(*arguments):
        monkeypatch.setattr(backbone_lib, 'load', load)
        lines.append(one_error(retrain, *flags))
        return load(*arguments)

    monkeypatch.setattr(backbone_lib, 'load', load_while_another_runs)
    assert in_process(retrain, '--report=' + report, *flags).status == 0
    assert 'is in use by another run' in lines[0] and 'a folder of its own' in lines[0]
    assert [names for _, names, _ in before] == [
        names for _, names, _ in sorted(os.walk(os.path.join(bench.folder, 'summaries')))
    ]


@pytest.mark.once
def test_photos_of_other_extensions_train(bench, in_process, one_error, tmp_path):
    folder = str(tmp_path / 'pngs')
    for name in pictures.COLOURS:
        os.makedirs(os.path.join(folder, name))
        for number in range(20):
            photo = Image.open(os.path.join(bench.photo_dir, name, '%03d.jpg' % number))
            photo.save(os.path.join(folder, name, '%03d.PNG' % number))
    message = one_error(retrain, *bench.flags(image_dir=folder))
    (flag,) = re.findall(r'--image_extensions=\S+$', message)
    ended = in_process(retrain, *bench.flags(image_dir=folder), flag)
    assert ended.status == 0 and ' of 60 bottlenecks found' in ended.out, ended.err
    assert 'expected some of' in one_error(retrain, *bench.flags(image_extensions='*.png'))
    # What the graph says of them is followed, and a flag that is given wins.
    ended = in_process(evaluate, bench.graph, '--category=all')
    assert ended.status == 0 and re.search(r'macro average.* 60\n', ended.out), ended.err
    message = one_error(evaluate, bench.graph, '--category=all', '--image_extensions=jpg')
    assert '60 files have the extension .png' in message
    wrong = one_error(evaluate, bench.graph, '--image_extensions=heic')
    assert 'TensorFlow does not decode heic' in wrong


@pytest.mark.once
def test_summaries_that_a_limit_cuts_are_told(bench, in_subprocess):
    size = 400000

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    flags = bench.flags(how_many_training_steps=600)
    ended = in_subprocess('scripts.retrain', *flags, preexec_fn=limit)
    assert ended.status == 1, ended.out
    line = ended.err.splitlines()[-1]
    assert line.startswith('retrain: error: the summaries in %s' % bench.folder), ended.err
    assert 'ulimit -f' in line and ended.err.count('error') == 1
    assert 'The graph is ' in ended.out and graph_files.read(bench.graph).node


@pytest.mark.once
def test_a_cut_end_that_an_earlier_run_left_is_no_fault_of_this_one(bench, in_process):
    flags = dict(checkpoint_path=os.path.join(bench.folder, 'checkpoint'), resume=True)
    assert in_process(retrain, *bench.flags(how_many_training_steps=5, **flags)).status == 0
    train = os.path.join(bench.folder, 'summaries', 'train')
    (name,) = os.listdir(train)
    with open(os.path.join(train, name), 'r+b') as file:
        file.truncate(os.path.getsize(file.name) - 3)
    assert in_process(retrain, *bench.flags(how_many_training_steps=9, **flags)).status == 0
