"""Graphs from outside: broken ones are one line, and those that reach out are refused."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts import evaluate, label_image, quantize_graph, retrain
from scripts.errors import UserError
from scripts.graphs import build, graph_files, trust, versions
from scripts.graphs.importing import import_graph
from tests import pictures, stand_ins
from tests.test_retrain import NAME, Bench


def classifier():
    """Returns a small classifier's GraphDef, from `input` to `final_result`."""
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 8, 8, 3], name='input')
        weights = tf.constant(np.ones((192, 2), np.float32), name='weights')
        logits = tf.matmul(tf.reshape(images, [-1, 192], name='flat'), weights, name='logits')
        tf.nn.softmax(logits, name='final_result')
    return graph.as_graph_def()


def node(graph_def, name):
    return next(each for each in graph_def.node if each.name == name)


def write_file(graph_def, path):
    """Makes it a graph that writes a file each time that it labels."""
    graph_def.node.extend(
        [
            build.constant('path', np.array(path.encode(), object)),
            build.constant('text', np.array(b'written', object)),
            tf.NodeDef(op='WriteFile', name='writer', input=['path', 'text']),
        ]
    )
    node(graph_def, 'final_result').input.append('^writer')


def in_a_function(graph_def, _):
    function = graph_def.library.function.add()
    function.signature.name = 'innocent'
    function.node_def.add(op='WriteFile', name='hidden')
    graph_def.node.add(op='innocent', name='call')


def op(name):
    return lambda graph_def, _: graph_def.node.add(op=name, name='added')


HOSTILE = {'WriteFile': write_file, 'WriteFile in a function': in_a_function}
_REACHING_OUT = """
    ReadFile PyFunc PyFuncStateless EagerPyFunc MatchingFiles SaveV2 RestoreV2 Save Restore PrintV2
    MergeV2Checkpoints TextLineDataset SnapshotDataset CacheDataset MatchingFilesDataset IteratorV2
    OneShotIterator ImmutableConst DebugIdentity CopyHost Abort Rpc DecodeProtoV2 EncodeProto
    WholeFileReaderV2 ReaderRead LMDBReader InitializeTableFromTextFileV2 GenerateVocabRemapping
    LoadAndRemapMatrix CreateSummaryFileWriter RemoteFusedGraphExecute RecordInput FIFOQueueV2
    RemoteCall _Send BigQueryReader SqlDataset GeneratorDataset XlaCustomCallV2
    XlaSparseDenseMatmulGradWithCsrInput MlirPassthroughOp
"""
for each in _REACHING_OUT.split():
    HOSTILE.setdefault(each, op(each))


@pytest.mark.parametrize('kind', sorted(HOSTILE))
def test_what_reaches_out_is_refused(kind, tmp_path):
    graph_def = classifier()
    HOSTILE[kind](graph_def, str(tmp_path / 'written'))
    name = kind.split()[0]
    if versions.op_def(name) is None:
        pytest.skip('TensorFlow %s has no operation %s' % (tf.VERSION, name))
    with pytest.raises(UserError, match='is refused: running it may .*by %s' % name):
        trust.check_operations(graph_def)


_NOT_FILES = ('ShardedFilename', 'ShardedFilespec', 'CTCBeamSearchDecoder')


def test_every_operation_with_a_file_in_its_words_is_refused():
    """New ones of another TensorFlow show up here."""
    words = ('file', 'path', 'address', 'token', 'url', 'shell')
    for name in dir(tf.raw_ops):
        op_def = versions.op_def(name)
        if op_def is None:
            continue
        said = [each.name for each in list(op_def.input_arg) + list(op_def.attr)]
        if any(word in each for each in said for word in words) and name not in _NOT_FILES:
            refused = tf.GraphDef()
            refused.node.add(op=name, name='added')
            with pytest.raises(UserError):
                trust.check_operations(refused)


@pytest.mark.parametrize(
    'name', ['RandomUniform', 'TensorArrayV3', 'Print', 'HashTableV2', 'VariableV2', 'While']
)
def test_what_stays_in_memory_passes(name):
    graph_def = tf.GraphDef()
    graph_def.node.add(op=name, name='added')
    trust.check_operations(graph_def)


@pytest.fixture
def bench(tmp_path):
    folder = str(tmp_path / 'photos')
    pictures.draw_classes(folder, 20)
    bench = Bench(tmp_path, folder)
    os.makedirs(os.path.join(bench.folder, 'out'))
    with open(bench.labels, 'w') as file:
        file.write('green\nred\n')
    return bench


@pytest.mark.parametrize('command', ['label_image', 'evaluate', 'quantize_graph', 'retrain'])
def test_no_command_runs_a_graph_that_writes_files(bench, one_error, command):
    target = os.path.join(bench.folder, 'written')
    graph_def = stand_ins.mobilenet(128, 1001) if command == 'retrain' else classifier()
    if command == 'retrain':
        node(graph_def, 'MobilenetV1/Logits/SpatialSqueeze').name = 'final_result'
        node(graph_def, 'MobilenetV1/Predictions/Reshape').input[0] = 'final_result'
    write_file(graph_def, target)
    pretrained = os.path.join(bench.models, 'mobilenet_v1_0.25_128', 'frozen_graph.pb')
    with open(pretrained if command == 'retrain' else bench.graph, 'wb') as file:
        file.write(graph_def.SerializeToString())
    photo = os.path.join(bench.photo_dir, 'Red', '000.jpg')
    graph, labels = '--graph=' + bench.graph, '--labels=' + bench.labels
    line = {
        'label_image': lambda: one_error(label_image, graph, labels, photo),
        'evaluate': lambda: one_error(evaluate, graph, labels, '--image_dir=' + bench.photo_dir),
        'quantize_graph': lambda: one_error(
            quantize_graph,
            '--input=' + bench.graph,
            '--output=' + bench.graph + '.out',
            '--output_node_names=final_result',
            '--mode=weights',
        ),
        'retrain': lambda: one_error(
            retrain, *bench.flags(architecture=NAME, final_tensor_name='final')
        ),
    }
    if command == 'evaluate':  # The labels must fit the folder to come so far.
        with open(bench.labels, 'w') as file:
            file.write('\n'.join(pictures.LABELS))
    assert 'WriteFile (such as the node writer)' in line[command]()
    assert not os.path.exists(target)


def broken(change):
    """Returns the bytes of a classifier that `change` has been at."""
    graph_def = classifier()
    changed = change(graph_def)
    return changed if isinstance(changed, bytes) else graph_def.SerializeToString()


def huge_constant(graph_def):
    tensor = node(graph_def, 'weights').attr['value'].tensor
    tensor.ClearField('tensor_content')
    del tensor.float_val[:]
    tensor.float_val.append(1)
    for dim in tensor.tensor_shape.dim:
        dim.size = 10**6


def cycle(graph_def):
    node(graph_def, 'flat').input[0] = 'logits'


def wrong_dtype(graph_def):
    node(graph_def, 'input').attr['dtype'].type = tf.string.as_datatype_enum
    node(graph_def, 'flat').attr['T'].type = tf.string.as_datatype_enum


def no_dtype(graph_def):
    node(graph_def, 'weights').attr['value'].tensor.dtype = 77


def unknown_op(graph_def):
    node(graph_def, 'final_result').op = 'SoftestMax'


def unknown_attribute(graph_def):
    node(graph_def, 'logits').attr['transposed'].i = 3


def twice(graph_def):
    graph_def.node.add().CopyFrom(node(graph_def, 'flat'))


def dangling(graph_def):
    node(graph_def, 'flat').input[0] = 'nothing'


def nan_weights(graph_def):
    weights = np.full((192, 2), np.nan, np.float32)
    node(graph_def, 'weights').CopyFrom(build.constant('weights', weights))


def another_proto(graph_def):
    saved = tf.Summary(value=[tf.Summary.Value(tag='accuracy', simple_value=1)])
    return saved.SerializeToString()


BROKEN = {
    'truncated': (lambda g: g.SerializeToString()[:-40], 'is not a frozen graph'),
    'random': (lambda g: np.random.RandomState(4).bytes(3000), 'is not a frozen graph'),
    'empty': (lambda g: b'', 'without nodes'),
    'another proto': (another_proto, 'graph'),
    'cycle': (cycle, 'has a cycle: the node final_result waits'),
    'wrong dtype': (wrong_dtype, 'cannot load the graph'),
    'no dtype': (no_dtype, 'the constant weights has no type of values'),
    'unknown op': (unknown_op, 'TensorFlow %s has no operation SoftestMax' % tf.VERSION),
    'unknown attribute': (unknown_attribute, 'has the attribute transposed, which TensorFlow'),
    'huge constant': (huge_constant, 'constants that would take 3814697 MB'),
    'two of a name': (twice, "two nodes named 'flat'"),
    'dangling input': (dangling, 'the node flat takes nothing, which it does not have'),
    'NaN weights': (nan_weights, 'not numbers'),
    'no input': (lambda g: node(g, 'input').CopyFrom(build.constant('c', np.ones(1))), 'take'),
}


def test_a_loop_of_operations_is_no_cycle():
    with tf.Graph().as_default() as graph:
        begin = tf.placeholder(tf.float32, [])
        tf.while_loop(lambda value: value < 9, lambda value: value + 1, [begin])
    graph_def = graph.as_graph_def()
    assert 'NextIteration' in {each.op for each in graph_def.node}
    trust.check_structure(graph_def, 'it')


@pytest.mark.parametrize('kind', sorted(BROKEN))
@pytest.mark.parametrize('many', [False, True])
def test_a_broken_graph_is_one_line(bench, one_error, kind, many):
    change, words = BROKEN[kind]
    with open(bench.graph, 'wb') as file:
        file.write(broken(change))
    photo = os.path.join(bench.photo_dir, 'Red', '000.jpg')
    photos = [photo, photo.replace('000', '001')] if many else [photo]
    line = one_error(label_image, '--graph=' + bench.graph, '--labels=' + bench.labels, *photos)
    assert words in line
    assert len(line) < 600


@pytest.mark.parametrize('kind', sorted(BROKEN))
@pytest.mark.parametrize('mode', ['weights', 'eightbit'])
@pytest.mark.filterwarnings('error:invalid value:RuntimeWarning')
def test_no_broken_graph_is_quantized(bench, in_process, kind, mode):
    with open(bench.graph, 'wb') as file:
        file.write(broken(BROKEN[kind][0]))
    ended = in_process(
        quantize_graph,
        '--input=' + bench.graph,
        '--output=' + bench.graph + '.out',
        '--output_node_names=final_result',
        '--mode=' + mode,
    )
    assert ended.status == 1 and ended.err.count('\n') == 1, ended.err
    assert not os.path.exists(bench.graph + '.out')


def test_what_newer_tensorflow_writes_for_what_is_so_anyway_is_dropped():
    graph_def = classifier()
    logits = node(graph_def, 'logits')
    before = classifier()
    logits.attr['grad_a'].b = False
    logits.attr['explicit_things'].list.SetInParent()
    logits.attr['exponential_avg_factor'].f = 1.0
    loaded = graph_files.parse(graph_def.SerializeToString(), 'here')
    assert loaded == before
    with tf.Graph().as_default():
        import_graph(loaded)
