"""The evaluate command: what it prints and writes, and every way to get it wrong."""

import base64
import csv
import html.parser
import io
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts import evaluate
from scripts.dataset import photos as photos_lib
from scripts.dataset.split import Split
from scripts.evaluation import curves as curves_lib
from scripts.graphs import graph_files, importing
from scripts.images import graph_input as graph_input_lib
from scripts.images import single
from tests import pictures
from tests.evaluation import graphs
from tests.inference.test_heatmaps import graph_of

CLASSIC = '../shared/data/classic/'


@pytest.fixture
def flags(tmp_path, photo_dir):
    """Returns a function that gives flags for a graph that takes some red photos for green."""
    labels = tmp_path / 'labels.txt'
    labels.write_text('\n'.join(pictures.LABELS))
    graph = graphs.by_colour(str(tmp_path / 'graph.pb'), bias=(0, 0, 4.5))

    def make(**changes):
        values = dict(graph=graph, labels=labels, image_dir=photo_dir, category='all')
        values.update(changes)
        return ['--%s=%s' % item for item in values.items() if item[1] is not None]

    return make


class Page(html.parser.HTMLParser):
    """What is on a page: every tag with its attributes, and all text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.text = [], ''
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag, kind=None):
        return [
            attributes
            for name, attributes in self.tags
            if name == tag and (kind is None or kind in (attributes.get('class') or '').split())
        ]


def page_at(path):
    with open(path, encoding='utf-8') as file:
        return Page(file.read())


def write_curves(folder):
    import tensorflow.compat.v1 as tf

    for run in ('train', 'validation'):
        with tf.summary.FileWriter(os.path.join(folder, run)) as writer:
            for step in range(0, 100, 1 if run == 'train' else 10):
                summary = tf.Summary()
                summary.value.add(tag='accuracy_1', simple_value=step / 100)
                summary.value.add(tag='cross_entropy_1', simple_value=1 - step / 200)
                writer.add_summary(summary, step)


def test_accuracy_is_that_of_a_loop_over_single_photos(beside_shared, in_process):
    ended = in_process(
        evaluate,
        CLASSIC + 'retrained_graph.pb',
        '--labels=' + CLASSIC + 'retrained_labels.txt',
        '--image_dir=../shared/data/flower_photos',
        '--predictions=scores.csv',
    )
    assert ended.status == 0
    assert 'the split depends on how the folder was typed' in ended.err
    assert len(ended.err.splitlines()) == 1
    graph_def = graph_files.read(CLASSIC + 'retrained_graph.pb')
    graph_input = graph_input_lib.read_off(graph_def)
    photos = photos_lib.load('../shared/data/flower_photos', Split()).photos
    testing = [photo for photo in photos if photo.category == 'testing']
    assert len(testing) == 69
    with tf.Session(graph=importing.as_graph(graph_def)) as session:
        alone = [
            session.run('final_result:0', {'input:0': single.load(each.path, graph_input.pixels)})
            for each in testing
        ]
    alone = np.concatenate(alone)
    truth = np.array([photo.label_index for photo in testing])
    entropy = -np.log(alone[np.arange(69), truth]).mean()
    assert ended.out.splitlines()[:2] == [
        'Accuracy: %.2f' % (alone.argmax(axis=1) == truth).mean(),
        'Cross Entropy: %.2f' % entropy,
    ]
    with open('scores.csv', encoding='utf-8', newline='') as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == [photo.path for photo in testing]
    np.testing.assert_allclose(np.array([row[3:] for row in rows[1:]], float), alone, atol=1e-5)


def test_predictions_hold_every_photo_and_add_up_to_what_is_printed(in_process, flags, tmp_path):
    path = str(tmp_path / 'out' / 'scores.csv')
    ended = in_process(evaluate, *flags(predictions=path))
    assert ended.status == 0, ended.err
    with open(path, encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 72 and os.path.isfile(rows[0]['path'])
    right = sum(row['true_label'] == row['predicted_label'] for row in rows)
    assert 36 < right < 72
    assert ended.out.startswith('Accuracy: %.2f\n' % (right / 72))
    for row in rows:
        scores = [float(row['score_' + label]) for label in pictures.LABELS]
        assert sum(scores) == pytest.approx(1, abs=1e-5)
        assert pictures.LABELS[int(np.argmax(scores))] == row['predicted_label']


@pytest.mark.once
def test_categories_are_those_of_the_split(in_process, flags):
    counts = {}
    for category in ('training', 'testing', 'validation', 'all'):
        ended = in_process(
            evaluate, *flags(category=category, split_key='name', testing_percentage=20)
        )
        counts[category] = int(re.search(r'macro average.* (\d+)\n', ended.out).group(1))
    assert counts.pop('all') == sum(counts.values()) == 72
    assert counts['training'] > counts['testing'] > 0


def test_labels_go_by_name_not_by_place(in_process, flags, tmp_path):
    graph = graphs.by_colour(str(tmp_path / 'more.pb'), labels=4)
    (tmp_path / 'more.txt').write_text('blue ones\nred\ngreen\nnever seen\n')
    plain = in_process(evaluate, *flags(graph=graph, labels=tmp_path / 'more.txt'))
    assert plain.out.startswith('Accuracy: 1.00\n')
    assert re.search(r'never seen +- +- +- +0 +-\n', plain.out)


def test_graphs_side_by_side(in_process, flags, tmp_path):
    exact = graphs.by_colour(str(tmp_path / 'exact.pb'))
    biased = str(tmp_path / 'graph.pb')
    ended = in_process(evaluate, exact, biased, *flags(graph=None))
    lines = [re.split(r'  +', line) for line in ended.out.splitlines()]
    assert lines[0] == ['graph', 'accuracy', 'cross entropy', 'same label', 'bytes', 'ms a photo']
    assert lines[1][:2] == [exact, '100.0%'] and lines[1][3] == '100.0%'
    assert lines[2][0] == biased and lines[2][1] == lines[2][3] < '99'
    assert lines[2][4] == f'{os.path.getsize(biased):,}'


def test_a_graph_of_a_fixed_batch_beside_another_one(in_process, one_error, flags, tmp_path):
    good, fixed = str(tmp_path / 'graph.pb'), str(tmp_path / 'fixed.pb')
    graph_def = graph_files.read(good)
    (node,) = [node for node in graph_def.node if node.name == 'input']
    node.attr['shape'].shape.dim[0].size = 4
    graph_files.write(graph_def, fixed)
    ended = in_process(evaluate, good, fixed, *flags(graph=None))
    assert ended.status == 0 and ' 100.0% ' in ended.out.splitlines()[2], ended.err
    # One that runs on pairs of photos, and not on one alone.
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [4, 24, 24, 3], name='input')
        pairs = tf.reshape(tf.reduce_mean(images, [1, 2]), [-1, 2, 3])
        tf.nn.softmax(tf.reshape(tf.cumsum(pairs, 1), [-1, 3]), name='final_result')
    graph_files.write(graph.as_graph_def(), fixed)
    message = one_error(evaluate, good, fixed, *flags(graph=None))
    assert 'does not run from input to final_result' in message


def test_unreadable_photos_are_left_out_and_counted(in_process, flags, photo_dir, tmp_path):
    folder = str(tmp_path / 'photos')
    shutil.copytree(photo_dir, folder)
    with open(os.path.join(folder, 'Red', '003.jpg'), 'wb') as file:
        file.write(b'no photo')
    report = str(tmp_path / 'report.html')
    ended = in_process(evaluate, *flags(image_dir=folder, report=report))
    assert ended.status == 0
    assert '1 of 72 photos are unreadable and left out' in ended.err
    assert re.search(r'macro average.* 71\n', ended.out)
    assert '1 unreadable' in page_at(report).text


@pytest.mark.once
def test_the_report_shows_photos_as_the_graph_saw_them(in_process, flags, photo_dir, tmp_path):
    rotated = pictures.rotated_copy(photo_dir, str(tmp_path / 'rotated'))
    for given, size in (({}, ('48', '40')), ({'exif_rotation': 'apply'}, ('40', '48'))):
        report = str(tmp_path / 'report.html')
        ended = in_process(evaluate, *flags(image_dir=rotated, report=report, **given))
        assert ended.status == 0, ended.err
        assert ('72 of 72 photos carry an EXIF rotation' in ended.err) == (not given)
        images = page_at(report).all('img')
        assert images and {(each['width'], each['height']) for each in images} == {size}


@pytest.mark.once
def test_several_graphs_tell_of_rotations_once(in_process, flags, photo_dir, tmp_path):
    rotated = pictures.rotated_copy(photo_dir, str(tmp_path / 'rotated'))
    graph = [flag[len('--graph=') :] for flag in flags() if flag.startswith('--graph=')] * 2
    ended = in_process(evaluate, *(graph + flags(graph=None, image_dir=rotated)))
    assert ended.status == 0, ended.err
    assert ended.err.count('EXIF rotation') == 1


def test_no_probabilities_are_a_warning(in_process, flags, tmp_path):
    graph = graphs.by_colour(str(tmp_path / 'logits.pb'), output='logits')
    ended = in_process(evaluate, *flags(graph=graph))
    assert ended.status == 0 and 'the node logits does not give probabilities' in ended.err


def test_the_report_has_its_parts_and_nothing_from_outside(in_process, flags, tmp_path):
    write_curves(str(tmp_path / 'summaries'))
    report = str(tmp_path / 'report.html')
    ended = in_process(evaluate, *flags(report=report, summaries_dir=tmp_path / 'summaries'))
    assert ended.status == 0, ended.err
    page = page_at(report)
    accuracy = float(re.search(r'Accuracy: ([\d.]+)', ended.out).group(1))
    shown = float(re.search(r'Accuracy([\d.]+)%', page.text).group(1))
    assert shown == pytest.approx(100 * accuracy, abs=0.6)
    assert len(page.all('td')) > 9 and len(page.all('svg')) == 4
    assert len(page.all('polyline')) == 8
    sources = [image['src'] for image in page.all('img')]
    assert sources
    for source in sources:
        data = base64.b64decode(source.partition('data:image/jpeg;base64,')[2])
        assert max(Image.open(io.BytesIO(data)).size) <= 160
    assert not page.all('script')
    for _, attributes in page.tags:
        for name in ('src', 'href'):
            assert attributes.get(name, 'data:').startswith('data:')


def test_the_highest_losses_come_first_on_the_page(in_process, flags, tmp_path):
    graph = graphs.by_colour(str(tmp_path / 'unsure.pb'), factor=2.0, bias=(0.3, 0.1, 1.2))
    report = str(tmp_path / 'report.html')
    assert in_process(evaluate, *flags(graph=graph, report=report)).status == 0
    with open(report, encoding='utf-8') as file:
        section = file.read().partition('<ul class="losses">')[2].partition('</ul>')[0]
    shown = re.findall(
        r'predicted label">(.*?)</dt>.*?true label">(.*?)</dt><dd>([\d.]+)%', section
    )
    scores = [float(score) for _, _, score in shown]
    assert len(set(scores)) > 3 and scores == sorted(scores)
    assert all(predicted != true for predicted, true, _ in shown)


def test_names_are_escaped(in_process, flags, photo_dir, tmp_path):
    folder = tmp_path / '<b>&'
    folder.mkdir()
    shutil.copytree(photo_dir, str(folder / 'photos'))
    os.rename(str(folder / 'photos/Red/000.jpg'), str(folder / 'photos/Red/"><script>.jpg'))
    graph = graphs.by_colour(str(folder / 'graph<i>.pb'), bias=(0, 0, 99))
    report = str(tmp_path / 'report.html')
    ended = in_process(
        evaluate, *flags(graph=graph, image_dir=folder / 'photos', report=report, top_k=1)
    )
    assert ended.status == 0, ended.err
    page = page_at(report)
    assert not page.all('script') and not page.all('b') and not page.all('i')
    assert 'graph<i>.pb' in page.text and str(folder) in page.text


def test_curves_are_read_back_and_of_a_step_the_last_counts(tmp_path, warnings_of):
    write_curves(str(tmp_path))
    curves = curves_lib.read(str(tmp_path))
    assert [curve.run for curve in curves.accuracy] == ['train', 'validation']
    assert curves.accuracy[1].steps.tolist() == list(range(0, 100, 10))
    np.testing.assert_allclose(curves.cross_entropy[0].values, 1 - np.arange(100) / 200)
    (name,) = os.listdir(str(tmp_path / 'train'))
    path = tmp_path / 'train' / name
    path.write_bytes(path.read_bytes()[:-3])
    (warning,) = warnings_of(lambda: curves_lib.read(str(tmp_path)))
    assert 'is corrupt; the curves end there' in warning


@pytest.mark.once
def test_top_losses_have_heatmaps_where_the_graph_has_a_feature_map(in_process, flags, tmp_path):
    report = str(tmp_path / 'report.html')
    ended = in_process(evaluate, *flags(report=report))
    assert 'The report has no heatmaps: the graph has no feature map' in ended.out
    assert not page_at(report).all('img', 'heat')
    graph_files.write(graph_of().graph_def, str(tmp_path / 'painted.pb'))
    (tmp_path / 'wrong.txt').write_text('green\nred\nblue ones')
    wrong = dict(graph=tmp_path / 'painted.pb', labels=tmp_path / 'wrong.txt', report=report)
    ended = in_process(evaluate, *flags(**wrong))
    assert ended.status == 0 and 'no heatmaps' not in ended.out
    page = page_at(report)
    assert len(page.all('img', 'heat')) == len(page.all('span', 'seen')) > 3
    assert page.all('input')


@pytest.fixture
def browse(tmp_path):
    """Opens a page in a browser as wide as given: `browse(path, 390, '--dump-dom')`."""
    browser = shutil.which('chromium')
    if browser is None:
        pytest.skip('there is no chromium on the path')
    settings = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
    settings += ['--disable-background-networking', '--disable-component-update']
    settings += ['--disable-sync', '--enable-logging=stderr', '--v=0']

    def run(path, width, *arguments):
        ended = subprocess.run(
            [browser, *settings, '--user-data-dir=%s' % (tmp_path / 'profile')]
            + ['--window-size=%d,6000' % width, *arguments, 'file://' + path],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
        )
        assert b'CONSOLE' not in ended.stderr
        return ended.stdout.decode('utf-8')

    return run


def pixels_of(browse, report, width):
    """Returns the pixels of the page, int64 `[6000, width, 3]`."""
    picture = report + '.png'
    browse(report, width, '--screenshot=' + picture)
    return np.array(Image.open(picture).convert('RGB'), np.int64)


def blue(pixels):
    return (pixels[..., 2] > 200) & (pixels[..., 0] < 120)


@pytest.mark.once
def test_chromium_shows_the_report_without_an_error(in_process, flags, tmp_path, browse):
    report = str(tmp_path / 'report.html')
    assert in_process(evaluate, *flags(report=report)).status == 0
    page = Page(browse(report, 1000, '--dump-dom'))
    assert page.all('table', 'matrix') and page.all('svg') and page.all('img')
    assert blue(pixels_of(browse, report, 1000)).sum() > 1000  # The matrix's diagonal.


@pytest.mark.once
def test_on_a_phone_long_labels_leave_room_for_figures(in_process, flags, tmp_path, browse):
    longest = 'the white throated sparrow of the northern mountains in its winter plumage'
    folder = str(tmp_path / 'photos')
    pictures.draw_classes(folder, 24)
    os.rename(os.path.join(folder, 'Red'), os.path.join(folder, longest))
    os.rename(os.path.join(folder, 'green'), os.path.join(folder, 'g' * 60))
    labels = tmp_path / 'labels.txt'
    labels.write_text('\n'.join(['blue ones', longest, 'g' * 60]))
    report = str(tmp_path / 'report.html')
    ended = in_process(evaluate, *flags(report=report, labels=labels, image_dir=folder))
    assert ended.status == 0, ended.err
    pixels = pixels_of(browse, report, 390)
    assert pixels.shape[1] == 390
    assert blue(pixels[:1600]).sum() > 1000
    light = (np.abs(pixels - [207, 218, 249]) < 12).all(axis=2)  # The bars of the classes' table.
    orange = (np.abs(pixels - [247, 220, 203]) < 12).all(axis=2)  # And of the top confusions.
    assert light.sum() > 1000 and orange.sum() > 200


@pytest.mark.parametrize(
    'changes, words',
    [
        (dict(image_dir=''), '--image_dir is not set'),
        (dict(image_dir='/nowhere'), '--image_dir=/nowhere: no such folder'),
        (dict(graph='/nowhere.pb'), 'no graph at /nowhere.pb'),
        (dict(labels='/nowhere.txt'), 'no labels file at /nowhere.txt'),
        (dict(labels='{tmp}/other.txt'), "has the label 'red'"),
        (dict(labels='{tmp}/twice.txt'), "hold 'red' more than once"),
        (dict(labels='{tmp}/four.txt'), 'there are 4 labels, and the node final_result gives 3'),
        (dict(category='testing', testing_percentage=0), 'none of the 72 photos is for testing'),
        (dict(category='tests'), 'testing|training|validation|all'),
        (dict(testing_percentage=60, validation_percentage=50), 'more than 100 together'),
        (dict(input_std=0), '--input_std=0'),
        (dict(input_layer='Mul'), 'names that would fit: input'),
        (dict(output_layer='nothing'), 'names that would fit: final_result'),
        (dict(top_k=0), 'top_k'),
        (dict(report='/tmp'), 'is a folder'),
        (dict(predictions=''), '--predictions is empty'),
        (dict(report='{tmp}/x', predictions='{tmp}/./x'), 'are both'),
        (dict(report='{tmp}/graph.pb'), '--report is the same file as the graph'),
        (dict(predictions='{tmp}/./labels.txt'), '--predictions is the same file as --labels'),
        (dict(predictions='{photos}/Red/000.jpg'), 'the same file as the photo'),
        (dict(summaries_dir='{tmp}'), 'add --report=FILE'),
        (dict(report='{tmp}/x', summaries_dir='{tmp}'), 'has no event files'),
    ],
    ids=lambda value: '-'.join(value) if isinstance(value, dict) else '',
)
def test_a_user_error_is_one_line_and_writes_nothing(
    one_error, flags, tmp_path, photo_dir, changes, words
):
    (tmp_path / 'other.txt').write_text('blue ones\ngreen\nyellow')
    (tmp_path / 'twice.txt').write_text('blue ones\ngreen\nred\nred')
    (tmp_path / 'four.txt').write_text('blue ones\ngreen\nred\nyellow')
    places = dict(tmp=tmp_path, photos=photo_dir)
    changes = {key: str(value).format(**places) for key, value in changes.items()}
    before = sorted(os.listdir(str(tmp_path)))
    assert words in one_error(evaluate, *flags(**changes))
    assert sorted(os.listdir(str(tmp_path))) == before


def test_user_errors_with_several_graphs_are_one_line(one_error, flags):
    assert 'give the graph once' in one_error(evaluate, 'other.pb', *flags())
    wrong = flags(graph=None, report='/tmp/report.html')
    assert 'is about one graph, found 2' in one_error(evaluate, 'a.pb', 'b.pb', *wrong)


def test_no_readable_photo_is_one_line(one_error, flags, photo_dir, tmp_path):
    folder = str(tmp_path / 'photos')
    for name in pictures.COLOURS:
        os.makedirs(os.path.join(folder, name))
        with open(os.path.join(folder, name, 'no.jpg'), 'wb') as file:
            file.write(b'no photo')
    assert 'all 3 photos are unreadable' in one_error(evaluate, *flags(image_dir=folder))
