"""The rows of networks whose archives are not here: each from a download to a label."""

import hashlib
import os
import posixpath

import pytest

from scripts import label_image, retrain
from scripts.common.errors import UserError
from scripts.graphs import graph_files
from scripts.networks import backbone as backbone_lib
from scripts.networks import registry
from tests import pictures, stand_ins
from tests.networks.test_backbone import serving, tgz, whole

S = 'https://storage.googleapis.com/'
D = S + 'download.tensorflow.org/models/'
INTEL = 'https://download.01.org/opencv/public_models/012020/resnet-50-tf/'

# The table of the specification: archive, graph in it, and node of the bottleneck or output.
TABLE = {
    'mobilenet_v2_%s_%s' % (width, size): (
        '%smobilenet_v2/checkpoints/mobilenet_v2_%s_%s.tgz' % (S, there, size),
        'mobilenet_v2_%s_%s_frozen.pb' % (there, size),
        'MobilenetV2/Logits/AvgPool',
    )
    for width, there in [('1.0',) * 2, ('0.75',) * 2, ('0.50', '0.5'), ('0.35',) * 2]
    for size in (224, 192, 160, 128, 96)
}
TABLE.update(
    (
        'mobilenet_v2_%s_224' % width,
        (
            '%smobilenet_v2/checkpoints/mobilenet_v2_%s_224.tgz' % (S, width),
            'mobilenet_v2_%s_224_frozen.pb' % width,
            'MobilenetV2/Logits/AvgPool',
        ),
    )
    for width in ('1.4', '1.3')
)
TABLE.update(
    (
        'mobilenet_v3_%s_%s_224' % (kind, width),
        (
            '%smobilenet_v3/checkpoints/v3-%s_224_%s_float.tgz' % (S, kind, width),
            'v3-%s_224_%s_float/v3-%s_224_%s_float.pb' % ((kind, width) * 2),
            'MobilenetV3/Predictions/Softmax',
        ),
    )
    for kind in ('large', 'small')
    for width in ('1.0', '0.75')
)
for _name, _stem, _node in (
    ('inception_v1', 'inception_v1_2016_08_28', 'InceptionV1/Logits/Predictions/Softmax'),
    ('inception_v2', 'inception_v2_2016_08_28', 'InceptionV2/Predictions/Softmax'),
    ('inception_v3_2016', 'inception_v3_2016_08_28', 'InceptionV3/Predictions/Softmax'),
    ('inception_v4', 'inception_v4_2016_09_09', 'InceptionV4/Logits/Predictions'),
    (
        'inception_resnet_v2',
        'inception_resnet_v2_2016_08_30',
        'InceptionResnetV2/Logits/AvgPool_1a_8x8/AvgPool',
    ),
):
    TABLE[_name] = ('%s%s_frozen.pb.tar.gz' % (D, _stem), _stem + '_frozen.pb', _node)
TABLE['resnet_v1_50'] = (INTEL + 'resnet_v1-50.pb', 'resnet_v1-50.pb', 'softmax_tensor')

LARGE = {'inception_v3_2016', 'inception_v4', 'inception_resnet_v2'}  # 299 x 299.
LENGTHS = {'mobilenet_v2_1.4_224': 1792, 'mobilenet_v2_1.3_224': 1664, 'inception_resnet_v2': 1536}


def test_the_rows_are_those_of_the_table():
    published = {
        name for name, row in registry.NETWORKS.items() if not row.classic and not row.from_scratch
    }
    assert published == set(TABLE)
    for name, (archive, graph_file, node) in TABLE.items():
        row = registry.find(name)
        assert (row.archive, row.graph_file) == (archive, graph_file)
        assert node in (row.bottleneck_name, row.output_name) and not row.checked
        if name.startswith('mobilenet_v2'):
            assert row.bottleneck_length == LENGTHS.get(name, 1280)
        side = int(name.rsplit('_', 1)[1]) if name.startswith('mobilenet') else 224
        assert row.pixels[:2] == (299 if name in LARGE else side,) * 2
        if name != 'resnet_v1_50':
            assert (row.input_name, row.pixels[2:4]) == ('input', (127.5, 127.5))
    row = registry.find('resnet_v1_50')
    assert row.input_name == 'map/TensorArrayStack/TensorArrayGatherV3'
    assert row.pixels[2:4] == ((123.68, 116.78, 103.94), 1)
    known = {name for name, row in registry.NETWORKS.items() if len(row.checksum or '') == 96}
    assert known == {
        *('mobilenet_v2_1.0_224', 'mobilenet_v2_1.4_224', 'inception_v3_2016', 'resnet_v1_50')
    }


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """A folder of three classes with two photos each."""
    return pictures.draw_classes(str(tmp_path_factory.mktemp('few')), 2)


def archive_of(name):
    """Returns the bytes of an archive with the names of a row."""
    row = registry.find(name)
    graph = stand_ins.of(row).SerializeToString()
    if row.graph_file == posixpath.basename(row.archive):
        return graph
    return tgz([('./checkpoint', b'of training'), ('./' + row.graph_file, graph)])


@pytest.mark.parametrize('name', sorted(TABLE))
@pytest.mark.each_tensorflow
def test_from_download_to_label(name, tmp_path, photos, monkeypatch, in_process):
    data = archive_of(name)
    with serving([whole(data)]) as asked:
        row = registry.find(name)
        file_name = posixpath.basename(row.archive)
        here = row._replace(
            archive=registry.DOWNLOAD_ROOT + file_name,
            checksum=hashlib.sha384(data).hexdigest(),
        )
        monkeypatch.setitem(registry.NETWORKS, name, here)
        graph = str(tmp_path / 'graph.pb')
        flags = dict(
            image_dir=photos,
            architecture=name,
            model_dir=str(tmp_path / 'models'),
            bottleneck_dir=str(tmp_path / 'bottlenecks'),
            summaries_dir=str(tmp_path / 'summaries'),
            output_graph=graph,
            output_labels=str(tmp_path / 'labels.txt'),
            summary_interval=0,
            how_many_training_steps=2,
            testing_percentage=0,
            validation_percentage=0,
            random_seed=1,
        )
        ended = in_process(retrain, *('--%s=%s' % each for each in flags.items()))
    assert ended.status == 0, ended.err
    assert asked == ['/models/' + file_name]
    assert os.path.isfile(str(tmp_path / 'models' / here.graph_file))
    assert os.path.isfile(str(tmp_path / 'bottlenecks' / 'Red' / ('000.jpg_%s.txt' % name)))
    photo = os.path.join(photos, 'Red', '000.jpg')
    ended = in_process(label_image, '--graph=' + graph, photo)
    assert ended.status == 0 and ' (score=0.' in ended.out, ended.err


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'pixels': (96, 96)}, r'pixels of shape \(\?|None, 96, 96, 3\) at input, expected .*128'),
        ({'length': 640}, 'of 640 numbers at MobilenetV2/Logits/AvgPool, expected 1280'),
        ({'bottleneck_name': 'Elsewhere'}, 'no node MobilenetV2/Logits/AvgPool'),
        ({'output_name': 'Elsewhere'}, 'no node InceptionV1/Logits/Predictions/Softmax'),
    ],
)
def test_a_file_that_says_otherwise_is_refused_with_both(tmp_path, changes, words):
    name = 'inception_v1' if 'output_name' in changes else 'mobilenet_v2_0.75_128'
    row = registry.find(name)
    if 'pixels' in changes:
        changes = {'pixels': row.pixels._replace(height=96, width=96)}
    length = changes.pop('length', None)
    graph_def = stand_ins.published(row._replace(**changes), length)
    graph_files.write(graph_def, str(tmp_path / row.graph_file))
    with pytest.raises(UserError, match=words) as raised:
        backbone_lib.load(row, str(tmp_path))
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize('kind', ['cut', 'page'])
def test_a_graph_that_comes_bare_is_checked(tmp_path, kind):
    data = archive_of('resnet_v1_50')
    row = registry.find('resnet_v1_50')._replace(checksum=hashlib.sha384(data).hexdigest())
    sent = data[:-9] if kind == 'cut' else b'<html>sign in</html>'
    with serving([whole(sent)]), pytest.raises(UserError, match='SHA-384|web page'):
        backbone_lib.load(
            row._replace(archive=registry.DOWNLOAD_ROOT + row.graph_file), str(tmp_path)
        )
    assert not os.path.exists(str(tmp_path / row.graph_file))
