"""The label_image command: its flags against what a graph says of itself."""

import csv
import json
import os
import re
import shutil
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts import label_image
from scripts.graphs import graph_files
from tests.conftest import NO_LOCALE
from tests.images import exif_kinds, photo_kinds
from tests.images.test_camera import draw_video
from tests.inference.test_heatmaps import graph_of, patches

CLASSIC_FLAGS = [
    'image',
    'graph',
    'labels',
    'input_height',
    'input_width',
    'input_mean',
    'input_std',
    'input_layer',
    'output_layer',
]
SPEAKING_LABELS = ['height', 'width', 'value']


def speaking_graph(path, shape=(1, 20, 30, 3), input_name='input', output_name='final_result'):
    """Writes a graph whose scores are the height, width and first value of the pixels it is fed."""
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, shape, name=input_name)
        size = tf.cast(tf.shape(images)[1:3], tf.float32)
        first = images[:, 0, 0, :1]
        # Not tf.tile: with the placeholder's one image that would become a constant of one row.
        tf.concat([0 * first + size, first], 1, name=output_name)
    graph_files.write(graph.as_graph_def(), path)


@pytest.fixture
def files(tmp_path):
    """Flags for a speaking graph, its labels and a photo whose pixels are all 200."""
    speaking_graph(str(tmp_path / 'graph.pb'))
    (tmp_path / 'labels.txt').write_text('\n'.join(SPEAKING_LABELS))
    Image.new('RGB', (40, 50), (200, 200, 200)).save(str(tmp_path / 'photo.png'))
    return {
        'graph': str(tmp_path / 'graph.pb'),
        'labels': str(tmp_path / 'labels.txt'),
        'image': str(tmp_path / 'photo.png'),
    }


def arguments(files, **changes):
    return ['--%s=%s' % item for item in dict(files, **changes).items()]


@pytest.fixture
def says(in_process, files):
    """Runs label_image and returns what the graph says that it was fed."""

    def run(**changes):
        ended = in_process(label_image, *arguments(files, **changes))
        assert ended.status == 0, ended.err
        lines = [line.split(' (score=') for line in ended.out.splitlines()[3:]]
        scores = {label: float(score.rstrip(')')) for label, score in lines}
        return [scores[label] for label in SPEAKING_LABELS]

    return run


def test_no_classic_flag_is_missing():
    assert set(CLASSIC_FLAGS) <= set(label_image.FLAGS)
    assert label_image.FLAGS['graph'].default == 'tf_files/retrained_graph.pb'
    assert label_image.FLAGS['labels'].default == 'tf_files/retrained_labels.txt'
    assert label_image.FLAGS['image'].default == [
        'tf_files/flower_photos/daisy/3475870145_685a19116d.jpg'
    ]


MOBILENET = (200 - 127.5) / 127.5
INCEPTION = (200 - 128) / 128


def near(*values):
    return pytest.approx(values, abs=2e-5)


def test_what_is_not_given_is_read_off_the_graph(says, files):
    assert says() == near(20, 30, MOBILENET)
    speaking_graph(files['graph'], [None, None, None, 3])
    assert says() == near(224, 224, MOBILENET)
    speaking_graph(files['graph'], [None, None, None, 3], input_name='Mul')
    assert says() == near(299, 299, INCEPTION)
    speaking_graph(files['graph'], [1, 10, 10, 3], 'photos', 'scores')
    assert says() == near(10, 10, MOBILENET)


@pytest.mark.once
def test_a_flag_that_is_given_wins_zero_and_fractions_included(says, files):
    speaking_graph(files['graph'], [None, None, None, 3])
    assert says(input_height=16, input_width=17) == near(16, 17, MOBILENET)
    assert says(input_mean=0, input_std=255) == near(224, 224, 200 / 255)
    assert says(input_mean=0.5, input_std=0.25) == near(224, 224, 199.5 / 0.25)
    assert says(input_mean=128, input_std=128) == near(224, 224, INCEPTION)


@pytest.mark.parametrize(
    'layers',
    [
        dict(input_layer='input', output_layer='final_result'),
        dict(input_layer='input:0', output_layer='final_result:0'),
    ],
)
def test_layers_go_by_node_or_tensor_name(says, layers):
    assert says(**layers) == near(20, 30, MOBILENET)


@pytest.fixture
def rotated(tmp_path):
    """The path of a photo that asks to be turned, and the red of its corner: as stored, turned."""
    path = tmp_path / 'rotated.jpg'
    path.write_bytes(exif_kinds.rotated(6))
    stored = np.array(exif_kinds.PHOTO)[..., 0] / 127.5 - 1
    return str(path), stored[0, 0], stored[-1, 0]


def test_a_photo_is_turned_as_its_exif_asks_where_that_is_wanted(says, rotated):
    path, stored, turned = rotated
    assert abs(stored - turned) > 0.3
    for changes, expected in (
        ({}, stored),
        ({'exif_rotation': 'ignore'}, stored),
        ({'exif_rotation': 'apply'}, turned),
    ):
        assert says(image=path, **changes)[2] == pytest.approx(expected, abs=0.05)


def test_a_rotation_that_is_not_applied_is_told_on_standard_error(in_process, files, rotated):
    classic = in_process(label_image, *arguments(files, image=rotated[0]))
    assert classic.err.startswith('WARNING: the photo carries an EXIF rotation, which is not')
    assert classic.err.count('\n') == 1 and len(classic.out.splitlines()) == 6
    applied = in_process(label_image, *arguments(files, image=rotated[0], exif_rotation='apply'))
    assert applied.status == 0 and applied.err == ''
    both = '--image=%s,%s' % (rotated[0], files['image'])
    many = in_process(label_image, both, *without_image(files))
    assert '1 of 2 photos carry an EXIF rotation' in many.err


@pytest.mark.once
def test_a_photo_whose_best_score_is_too_low_is_unknown(in_process, files):
    dim = dict(files, output_layer='dim')
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [None, 8, 8, 3], name='input')
        tf.multiply(images[:, 0, 0], [0.7, 0.2, 0.1], name='dim')
    graph_files.write(graph.as_graph_def(), files['graph'])
    dim.update(input_mean=0, input_std=200)  # Then it is fed 1.

    def lines(*more):
        ended = in_process(label_image, *arguments(dim), *more)
        assert ended.status == 0, ended.err
        return ended.out.splitlines()

    assert lines('--min_score=0.69')[3] == 'height (score=0.70000)'
    assert lines('--min_score=0.71')[3:] == ['unknown (score=0.70000)']
    shown = json.loads('\n'.join(lines('--min_score=0.71', '--output_format=json')))
    assert shown[0]['labels'] == [{'label': 'unknown', 'score': pytest.approx(0.7)}]
    assert lines('--min_score=0.71', '--output_format=csv')[1].split(',')[1:3] == ['1', 'unknown']


def test_the_five_best_are_printed_best_first(in_process, files, tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 8, 8, 3], name='input')
        scores = tf.constant([[0.1, 0.05, 0.4, 0.2, 0.03, 0.15, 0.07]])
        tf.add(scores, 0 * images[0, 0, 0, 0], name='final_result')
    graph_files.write(graph.as_graph_def(), files['graph'])
    (tmp_path / 'labels.txt').write_text('\n'.join('abcdefg'))
    ended = in_process(label_image, *arguments(files))
    assert ended.out.splitlines()[3:] == [
        'c (score=0.40000)',
        'd (score=0.20000)',
        'f (score=0.15000)',
        'a (score=0.10000)',
        'g (score=0.07000)',
    ]


def test_photos_go_by_content(says, files, tmp_path):
    image = Image.open(files['image'])
    for kind in ('PNG', 'BMP', 'GIF', 'JPEG'):
        path = str(tmp_path / 'misnamed.txt')
        image.save(path, kind)
        assert says(image=path) == near(20, 30, MOBILENET)


@pytest.mark.parametrize(
    'changes, words',
    [
        (dict(image='/nowhere.jpg'), 'no image at /nowhere.jpg'),
        (dict(graph='/nowhere.pb'), 'no graph at /nowhere.pb'),
        (dict(labels='/nowhere.txt'), 'no labels file at /nowhere.txt'),
        (dict(input_layer='Mul'), 'no node Mul; names that would fit: input'),
        (dict(output_layer='final'), 'no node final; names that would fit: final_result'),
        (dict(input_std=0), '--input_std=0'),
        (dict(input_height=0), 'input_height'),
        (dict(input_height=224), 'leave --input_height and --input_width out'),
        (dict(nonsense=1), "Unknown command line flag 'nonsense'"),
        (dict(input_mean='some'), 'some'),
    ],
)
def test_a_user_error_is_one_line(one_error, files, changes, words):
    assert words in one_error(label_image, *arguments(files, **changes))


@pytest.mark.parametrize(
    'name, data, words',
    [
        ('graph', b'<html>', 'is not a frozen graph'),
        ('graph', b'', 'without nodes'),
        ('labels', b'one\ntwo\n', 'there are 2 labels, and the graph'),
        ('labels', b'', 'holds no labels'),
        ('image', b'<html>', 'is unreadable: it is an HTML page named'),
        ('image', b'', 'is unreadable: it is empty'),
        ('image', photo_kinds.UNREADABLE['JPEG with a hole'][0], 'is unreadable: it has a hole'),
    ],
)
def test_a_corrupt_file_is_one_line(one_error, files, name, data, words):
    with open(files[name], 'wb') as file:
        file.write(data)
    assert words in one_error(label_image, *arguments(files))


def test_an_op_that_tensorflow_lacks_is_one_line(one_error, files):
    graph_def = graph_files.read(files['graph'])
    graph_def.node[-1].op = 'BrandNewOp'
    graph_files.write(graph_def, files['graph'])
    assert 'BrandNewOp' in one_error(label_image, *arguments(files))


def test_a_graph_that_does_not_run_is_one_line(one_error, files):
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 20, 30, 3], name='input')
        tf.check_numerics(images[0, 0] / 0.0, 'broken', name='final_result')
    graph_files.write(graph.as_graph_def(), files['graph'])
    assert 'does not run from input to final_result' in one_error(label_image, *arguments(files))


def test_scores_of_another_shape_are_one_line(one_error, files):
    graph = tf.Graph()
    with graph.as_default():
        tf.identity(tf.placeholder(tf.float32, [1, 20, 30, 3], name='input'), name='final_result')
    graph_files.write(graph.as_graph_def(), files['graph'])
    assert 'expected scores of shape [1, labels]' in one_error(label_image, *arguments(files))


@pytest.fixture
def album(files, tmp_path):
    """A folder of 40 photos of which number 7 is unreadable; pixels are the numbers."""
    folder = tmp_path / 'album'
    (folder / 'deep').mkdir(parents=True)
    for number in range(40):
        place = folder / 'deep' if number >= 35 else folder
        Image.new('RGB', (30, 20), (number, 0, 0)).save(str(place / ('%02d.png' % number)))
    (folder / '07.png').write_bytes(b'<html>')
    (folder / 'notes.txt').write_text('not a photo')
    return str(folder)


def told(number):
    """What the speaking graph says of a photo of the album."""
    return {
        'height': 20,
        'width': 30,
        'value': pytest.approx((number - 127.5) / 127.5, abs=1e-6),
    }


def without_image(files):
    return ['--graph=' + files['graph'], '--labels=' + files['labels']]


def test_a_folder_is_labelled_as_json_and_an_unreadable_photo_is_reported(in_process, files, album):
    ended = in_process(label_image, album, '--output_format=json', *without_image(files))
    assert ended.status == 1
    assert '1 of 40 photos are unreadable; the others are labelled' in ended.err
    assert ended.err.count('07.png is unreadable') == 1
    photos = json.loads(ended.out)
    assert len(photos) == 40
    for number, photo in enumerate(photos):
        assert os.path.basename(photo['image']) == '%02d.png' % number
        if number == 7:
            assert photo['error'] == 'cannot be read'
        else:
            scores = {each['label']: each['score'] for each in photo['labels']}
            assert scores == told(number)
            assert [each['label'] for each in photo['labels']] == ['width', 'height', 'value']


def test_a_folder_is_labelled_as_csv_into_a_file(in_process, files, album, tmp_path):
    output = str(tmp_path / 'out' / 'labels.csv')
    flags = ['--output_format=csv', '--output=' + output, '--top_k=2']
    ended = in_process(label_image, '--image=' + album, *(flags + without_image(files)))
    assert ended.status == 1 and ended.out == ''
    with open(output, newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 39 * 2
    assert rows[0]['image'] == os.path.join(album, '00.png')
    assert [(row['rank'], row['label'], float(row['score'])) for row in rows[:2]] == [
        ('1', 'width', 30),
        ('2', 'height', 20),
    ]


def test_photos_are_named_in_every_way(in_process, files, album, monkeypatch):
    monkeypatch.chdir(album)
    ended = in_process(
        label_image,
        '--image=00.png,01.png',
        '--image=1*.png',
        'deep',
        '20.png',
        '00.png',
        *without_image(files),
    )
    assert ended.status == 0, ended.err
    named = [line for line in ended.out.splitlines() if line.endswith('.png')]
    assert named == (
        ['deep/%02d.png' % number for number in range(35, 40)]
        + ['20.png', '00.png', '01.png']
        + ['%02d.png' % number for number in range(10, 20)]
    )
    assert ended.out.splitlines()[:4] == [
        'deep/35.png',
        'width (score=30.00000)',
        'height (score=20.00000)',
        'value (score=-0.72549)',
    ]


def test_names_of_any_bytes_are_printed_without_a_locale(in_subprocess, files, tmp_path):
    folder = os.fsencode(str(tmp_path)) + b'/any'
    os.mkdir(folder)
    for name in ('caf\u00e9.png'.encode('utf-8'), b'caf\xe9.png'):
        shutil.copy(os.fsencode(files['image']), os.path.join(folder, name))
    environment = dict(os.environ, **NO_LOCALE)
    ended = in_subprocess(
        'scripts.label_image',
        os.fsdecode(folder),
        *without_image(files),
        env=environment,
        errors='surrogateescape',
        encoding='utf-8',
    )
    assert ended.status == 0, ended.err
    assert 'caf\u00e9.png' in ended.out and 'caf\udce9.png' in ended.out


def test_a_name_with_a_comma_or_a_star_is_taken_as_it_is(says, files, tmp_path):
    for name in ('a,b.png', 'a*[1].png'):
        path = str(tmp_path / name)
        Image.new('RGB', (4, 4), (200, 0, 0)).save(path)
        assert says(image=path) == near(20, 30, MOBILENET)


def test_one_photo_prints_as_ever_and_many_as_one(in_process, files):
    one = in_process(label_image, *arguments(files))
    many = in_process(label_image, '--output_format=json', *arguments(files))
    printed = one.out.splitlines()[3:]
    (photo,) = json.loads(many.out)
    assert printed == [
        '%s (score=%.5f)' % (each['label'], each['score']) for each in photo['labels']
    ]


def test_no_label_or_name_steers_a_terminal(in_process, files, album, tmp_path, monkeypatch):
    (tmp_path / 'labels.txt').write_text('hei\x1bght\nwid\u009bth\nvalue\n', encoding='utf-8')
    one = in_process(label_image, *arguments(files))
    assert 'wid\\x9bth (score=' in one.out and 'hei\\x1bght (score=' in one.out
    os.rename(os.path.join(album, '01.png'), os.path.join(album, '0\x1b]0;x\x071.png'))
    in_a_file = in_process(label_image, album, '--output_format=csv', *without_image(files))
    assert '0\x1b]0;x\x071.png,1,wid\u009bth,30\n' in in_a_file.out
    in_json = in_process(label_image, album, '--output_format=json', *without_image(files))
    assert not {'\x1b', '\u009b'} & set(in_json.out)
    monkeypatch.setattr(type(sys.stdout), 'isatty', lambda _: True)
    shown = in_process(label_image, album, '--output_format=csv', *without_image(files))
    assert '0\\x1b]0;x\\x071.png,1,wid\\x9bth,30\n' in shown.out
    assert shown.out.count('\n') == in_a_file.out.count('\n')


@pytest.mark.parametrize(
    'names, words',
    [
        (['/nowhere'], 'no image at /nowhere'),
        (['/nowhere/*.jpg'], 'no image at /nowhere/*.jpg'),
        ([''], 'no image given'),
        (['--output_format=xml'], 'output_format'),
        (['--top_k=0'], 'top_k'),
        (['--output=/tmp'], '/tmp is a folder'),
    ],
)
def test_a_user_error_in_naming_photos_is_one_line(one_error, files, names, words):
    if names[0].startswith('--'):
        names = names + ['--image=' + files['image']]
    assert words in one_error(label_image, *(names + without_image(files)))


@pytest.mark.parametrize('what', ['graph', 'labels', 'image'])
def test_the_output_takes_the_place_of_no_input(one_error, files, tmp_path, what):
    os.symlink(files[what], str(tmp_path / 'link'))
    with open(files[what], 'rb') as file:
        before = file.read()
    for output in (files[what], str(tmp_path / 'link')):
        line = one_error(label_image, *arguments(files, output=output))
        assert '--output is the same file as ' in line and files[what] in line
    with open(files[what], 'rb') as file:
        assert file.read() == before


def test_an_empty_folder_is_one_line(one_error, files, tmp_path):
    (tmp_path / 'empty').mkdir()
    folder = str(tmp_path / 'empty')
    assert 'has no photos' in one_error(label_image, folder, *without_image(files))


ODD_SCORES = {
    'string': (tf.as_string, 'gives string values, expected scores as numbers'),
    'bool': (lambda scores: scores > 0, 'gives bool values, expected scores as numbers'),
    'complex': (lambda scores: tf.cast(scores, tf.complex64), 'gives complex64 values, expected'),
    '8-bit': (lambda scores: tf.quantize_v2(scores, 0.0, 1.0, tf.quint8)[0], 'gives quint8 val'),
    'none': (lambda scores: scores[:0], 'gives 0 rows of scores for '),
    'no labels': (lambda scores: scores[:, :0], 'there are 3 labels, and '),
    'scalar': (tf.reduce_sum, 'gives values of shape []'),
    'vector': (lambda scores: scores[:, 0], 'expected scores of shape [1, labels]'),
    'unknown': (
        lambda scores: tf.placeholder_with_default(tf.reduce_sum(scores), None),
        'gives values of shape []',
    ),
}


def odd_graph(path, to_scores, batch=1):
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [batch, 20, 30, 3], name='input')
        tf.identity(to_scores(images[:, 0, 0] * 0.5 + 0.5), name='final_result')
    graph_files.write(graph.as_graph_def(), path)


@pytest.mark.parametrize('kind', sorted(ODD_SCORES))
@pytest.mark.parametrize('folder', [False, True])
@pytest.mark.once
def test_scores_that_are_none_are_one_line(one_error, files, album, kind, folder):
    to_scores, words = ODD_SCORES[kind]
    odd_graph(files['graph'], to_scores)
    if folder:
        files['image'] = os.path.join(album, 'deep')
    assert words in one_error(label_image, *arguments(files))


@pytest.mark.parametrize('dtype', [tf.bfloat16, tf.float16, tf.float64, tf.int32])
@pytest.mark.once
def test_scores_of_other_numbers_are_shown(in_process, files, album, dtype):
    odd_graph(files['graph'], lambda scores: tf.cast(scores * 100, dtype))
    for image in (files['image'], os.path.join(album, 'deep')):
        ended = in_process(label_image, *arguments(files, image=image, top_k=1))
        assert ended.status == 0 and ended.err == ''
        assert re.search(r'\n(height|width|value) \(score=\d+\.\d{5}\)\n', ended.out)


@pytest.mark.parametrize('batch', [4, 40])
def test_a_graph_of_a_fixed_batch_that_takes_any_is_run(in_process, files, album, batch):
    odd_graph(files['graph'], tf.identity, batch)
    for image in (files['image'], os.path.join(album, 'deep')):
        assert in_process(label_image, *arguments(files, image=image)).status == 0


def test_a_graph_of_a_fixed_batch_is_one_line(one_error, files, album):
    odd_graph(files['graph'], lambda scores: tf.reshape(scores, [4, 3]), 4)
    for image in (files['image'], os.path.join(album, 'deep')):
        message = one_error(label_image, *arguments(files, image=image))
        assert 'does not run from input to final_result' in message


def test_a_graph_for_single_photos_only_is_one_line(one_error, files, album):
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 20, 30, 3], name='input')
        tf.add(images[:1, 0, 0], 0, name='final_result')
    graph_files.write(graph.as_graph_def(), files['graph'])
    message = one_error(label_image, os.path.join(album, 'deep'), *without_image(files))
    assert '1 rows of scores for a batch of 5 photos' in message


def test_of_equal_scores_the_first_label_comes_first():
    from scripts.inference import label_output

    scores = np.array([0.1, 0.3, 0.3, 0.3], np.float32)
    best = label_output.best_labels(scores, ['a', 'b', 'c', 'd'], 3)
    assert [label for label, _ in best] == ['b', 'c', 'd']


@pytest.mark.parametrize('photos', ['photo.png', 'album'])
@pytest.mark.parametrize('shape', [[None, 3, 32, 32], [None, 20, 30, 4], [20, 30, 3]])
def test_a_graph_that_does_not_take_photos_is_one_line(one_error, files, album, shape, photos):
    speaking_graph(files['graph'], [None, 20, 30, 3])
    graph_def = graph_files.read(files['graph'])
    (node,) = [node for node in graph_def.node if node.op == 'Placeholder']
    node.attr['shape'].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    graph_files.write(graph_def, files['graph'])
    image = files['image'] if photos == 'photo.png' else album
    line = one_error(label_image, *arguments(files, image=image))
    assert 'the node input takes pixels of shape' in line


def eight_bit_graph(path, dtype, mode=b'MIN_COMBINED'):
    """Writes a graph fed 8-bit values, which gives the mean of red, green and blue it is fed."""
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(dtype, [1, 20, 30, 3], name='input')
        if dtype == tf.quint8:
            floats = tf.dequantize(images, -1.0, 1.5, mode=mode.decode('ascii'))
        else:
            floats = tf.cast(images, tf.float32)
        tf.reduce_mean(floats, [1, 2], name='final_result')
    graph_files.write(graph.as_graph_def(), path)


@pytest.fixture
def coloured(files, tmp_path):
    """A photo of one colour, and a folder of such."""
    folder = tmp_path / 'coloured'
    folder.mkdir()
    for name in ('a.png', 'b.png'):
        Image.new('RGB', (40, 50), (10, 100, 200)).save(str(folder / name))
    return str(folder)


@pytest.mark.parametrize('mode', [b'MIN_COMBINED', b'MIN_FIRST'])
def test_a_graph_that_is_fed_8_bit_values_gets_them_in_its_range(in_process, files, coloured, mode):
    eight_bit_graph(files['graph'], tf.quint8, mode)
    flags = ['--graph=' + files['graph'], '--labels=' + files['labels'], '--output_format=json']
    for image in (coloured, os.path.join(coloured, 'a.png')):
        ended = in_process(label_image, image, *flags)
        assert ended.status == 0, ended.err
        for photo in json.loads(ended.out):
            scores = {each['label']: each['score'] for each in photo['labels']}
            for label, value in zip(SPEAKING_LABELS, (10, 100, 200)):
                # To half a step of the 255.
                assert scores[label] == pytest.approx((value - 127.5) / 127.5, abs=2.5 / 255 / 2)
    one = in_process(label_image, os.path.join(coloured, 'a.png'), *flags[:2])
    assert one.status == 0 and one.out.splitlines()[3].startswith('value (score=0.5')


def test_raw_bytes_are_fed_where_flags_say_so(in_process, one_error, files, coloured):
    eight_bit_graph(files['graph'], tf.uint8)
    line = one_error(label_image, *arguments(files, image=coloured))
    assert 'takes uint8, and no node says which floats' in line
    ended = in_process(label_image, *arguments(files, image=coloured, input_mean=0, input_std=1))
    assert ended.status == 0, ended.err
    assert 'value (score=200.00000)\nwidth (score=100.00000)\nheight (score=10.00000)' in ended.out


@pytest.mark.parametrize('dtype', [tf.int32, tf.string, tf.float64])
def test_a_graph_that_is_fed_something_else_is_one_line(one_error, files, coloured, dtype):
    graph = tf.Graph()
    with graph.as_default():
        tf.placeholder(dtype, [1, 20, 30, 3], name='input')
        tf.constant([[0.5, 0.25, 0.25]], name='final_result')
    graph_files.write(graph.as_graph_def(), files['graph'])
    line = one_error(label_image, *arguments(files, image=coloured))
    assert 'the node input takes %s, and no node says' % dtype.name in line


@pytest.fixture
def painted(tmp_path):
    """Flags for a graph with a feature map, and the folder `photos` of two photos."""
    classifier = graph_of()
    graph_files.write(classifier.graph_def, str(tmp_path / 'painted.pb'))
    (tmp_path / 'labels.txt').write_text('red\ngreen\nblue')
    (tmp_path / 'photos' / 'deep').mkdir(parents=True)
    pixels = (255 * patches((0, 2, 1, 1))[0]).astype(np.uint8)
    for name in ('a.png', os.path.join('deep', 'b.jpg')):
        Image.fromarray(pixels).resize((240, 120)).save(str(tmp_path / 'photos' / name))
    return ['--graph=%s' % (tmp_path / 'painted.pb'), '--labels=%s' % (tmp_path / 'labels.txt')]


def test_heatmaps_are_pictures_of_the_photos_in_the_same_folders(in_process, painted, tmp_path):
    (tmp_path / 'photos' / 'bad.jpg').write_bytes(b'\xff\xd8\xff')
    heat_dir = tmp_path / 'heat'
    ended = in_process(
        label_image, str(tmp_path / 'photos'), '--heatmap_dir=%s' % heat_dir, *painted
    )
    assert ended.status == 1 and ended.err.count('bad.jpg') == 1
    assert '1 of 3 photos are unreadable' in ended.err
    assert ended.out.count('green (score=') == 2
    found = sorted(str(each.relative_to(heat_dir)) for each in heat_dir.rglob('*.*'))
    assert found == ['a.png.jpg', os.path.join('deep', 'b.jpg')]
    for name in found:
        picture = np.array(Image.open(str(heat_dir / name)).convert('L'), np.int64)
        assert picture.shape == (120, 240)
        assert picture[20, 220] > 150 and picture[100, 20] < 40


@pytest.mark.parametrize(
    'folder, words',
    [
        ('', '--heatmap_dir is empty'),
        ('{tmp}/photos', 'is the same file as the photo'),
        ('{tmp}/labels.txt', 'is a file, expected a folder'),
    ],
    ids=['empty', 'of-the-photos', 'file'],
)
def test_a_wrong_folder_of_heatmaps_is_one_line(one_error, painted, tmp_path, folder, words):
    flags = [str(tmp_path / 'photos'), '--heatmap_dir=' + folder.format(tmp=tmp_path)]
    before = sorted(tmp_path.rglob('*'))
    assert words in one_error(label_image, *(flags + painted))
    assert sorted(tmp_path.rglob('*')) == before


def test_a_graph_without_heatmaps_is_one_line_and_labels_nothing(one_error, files, tmp_path):
    flags = arguments(files, heatmap_dir=tmp_path / 'heat')
    assert 'no feature map' in one_error(label_image, *flags)
    assert not (tmp_path / 'heat').exists()


def test_a_video_file_is_labelled_to_its_end(in_process, painted, tmp_path):
    path = draw_video(str(tmp_path / 'video.avi'), [(250, 0, 0), (0, 0, 250), (0, 250, 0)])
    ended = in_process(label_image, '--camera=' + path, '--top_k=1', *painted)
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert len(lines) == 3
    for number, (line, label) in enumerate(zip(lines, ['red', 'blue', 'green']), 1):
        form = r'%d: %s \(score=0\.\d{5}\), \d+\.\d a second' % (number, label)
        assert re.fullmatch(form, line)


@pytest.mark.parametrize(
    'flags, words',
    [
        (['--camera=0', 'photo.jpg'], 'leave photo.jpg out'),
        (
            ['--camera=0', '--output_format=csv', '--heatmap_dir=x'],
            '--output_format, --heatmap_dir',
        ),
        (['--camera=0'], 'needs OpenCV'),
    ],
    ids=['photos', 'flags', 'opencv'],
)
def test_a_wrong_camera_is_one_line(one_error, painted, monkeypatch, flags, words):
    monkeypatch.setitem(sys.modules, 'cv2', None)
    assert words in one_error(label_image, *(flags + painted))
