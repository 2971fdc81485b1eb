"""The label_image command: its flags against what a graph says of itself."""

import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts import label_image
from scripts.graphs import graph_files

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
        scores = tf.concat([size, images[0, 0, 0, :1]], 0)
        tf.expand_dims(scores, 0, name=output_name)
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
    assert label_image.FLAGS['image'].default == (
        'tf_files/flower_photos/daisy/3475870145_685a19116d.jpg'
    )


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
        (dict(input_height=224), 'leave them out'),
        (dict(nonsense=1), "Unknown command line flag 'nonsense'"),
        (dict(input_mean='some'), 'some'),
    ],
)
def test_a_mistake_is_one_line(one_error, files, changes, words):
    assert words in one_error(label_image, *arguments(files, **changes))


@pytest.mark.parametrize(
    'name, data, words',
    [
        ('graph', b'<html>', 'is not a frozen graph'),
        ('graph', b'', 'without nodes'),
        ('labels', b'one\ntwo\n', 'holds 2 labels, and the node final_result gives 3 scores'),
        ('labels', b'', 'holds no labels'),
        ('image', b'<html>', 'cannot be read'),
        ('image', b'', 'cannot be read'),
    ],
)
def test_a_damaged_file_is_one_line(one_error, files, name, data, words):
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
