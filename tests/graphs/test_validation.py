"""Untrusted graphs: malformed ones are one line, and those with side effects are refused."""

import os
import re
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.core.framework import op_def_pb2

from scripts import evaluate, label_image, quantize_graph, retrain
from scripts.common.errors import UserError
from scripts.graphs import allowed_ops, build, graph_files, validation, versions
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
_SIDE_EFFECTS = """
    ReadFile PyFunc PyFuncStateless EagerPyFunc MatchingFiles SaveV2 RestoreV2 Save Restore PrintV2
    MergeV2Checkpoints TextLineDataset SnapshotDataset CacheDataset MatchingFilesDataset IteratorV2
    OneShotIterator ImmutableConst DebugIdentity CopyHost Abort Rpc DecodeProtoV2 EncodeProto
    WholeFileReaderV2 ReaderRead LMDBReader InitializeTableFromTextFileV2 GenerateVocabRemapping
    LoadAndRemapMatrix CreateSummaryFileWriter RemoteFusedGraphExecute RecordInput FIFOQueueV2
    RemoteCall _Send BigQueryReader SqlDataset GeneratorDataset XlaCustomCallV2
    XlaSparseDenseMatmulGradWithCsrInput MlirPassthroughOp QueueDequeue BarrierTakeMany
    AccumulatorTakeGradient GcsConfigureCredentials SymbolicGradient MapDefun
"""
for each in _SIDE_EFFECTS.split():
    HOSTILE.setdefault(each, op(each))


@pytest.mark.parametrize('kind', sorted(HOSTILE))
def test_side_effects_are_refused(kind, tmp_path):
    graph_def = classifier()
    HOSTILE[kind](graph_def, str(tmp_path / 'written'))
    name = kind.split()[0]
    if versions.op_def(name) is None:
        pytest.skip('TensorFlow %s has no operation %s' % (tf.VERSION, name))
    with pytest.raises(UserError, match='is refused: running it may .*by %s' % name):
        validation.check_operations(graph_def)


_NOT_FILES = ('CTCBeamSearchDecoder',)


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
                validation.check_operations(refused)


def all_operations():
    """Returns the OpDefs of all operations of this TensorFlow."""
    return [op_def for op_def in map(versions.op_def, dir(tf.raw_ops)) if op_def is not None]


# Those with a state that only compute, or keep what they have in memory.
_STATEFUL = re.compile(
    r'Assert|Print|CheckNumerics|DeepCopy|Empty|GuaranteeConst|Case|If|While|StatefulPartitionedCall'
    r'|(Parameterized)?TruncatedNormal|Random(StandardNormal|Uniform|UniformInt|Shuffle|Gamma|Crop'
    r'|Poisson|PoissonV2)|Multinomial|SampleDistortedBoundingBox(V2)?|Stateful(Uniform|UniformInt'
    r'|UniformFullInt|StandardNormal|StandardNormalV2|TruncatedNormal)'
    r'|TensorArray\w*|Stack(V2|PushV2|PopV2|CloseV2)?|HashTable(V2)?|InitializeTableV2'
    r'|LookupTable(Find|Size)V2|Variable(V2|Shape)?|TemporaryVariable|VarHandleOp'
    r'|VarIsInitializedOp|ReadVariableOp|Assign(Add|Sub)?VariableOp|ResourceGather(Nd)?'
    r'|TensorListResize'  # Which has none; TensorFlow 1.15 says so by a bug.
)
# Those without one that were refused when what may run was not a list yet.
_ALWAYS_REFUSED = re.compile(
    r'ReadFile|MatchingFiles|PyFuncStateless|ImmutableConst|InitializeTableFromTextFile'
    r'|GenerateVocabRemapping|GenerateBigQueryReaderPartitions|(Decode|Encode)Proto\w*'
    r'|Debug\w*|Copy(Host)?|Abort|RemoteFusedGraphExecute|TPU\w*|Reader\w*|Batch(Function)?'
    r'|Unbatch(Grad)?|\w*Dataset\w*|\w*Iterator\w*|_?Xla\w*|Mlir\w*'
)


def test_no_operation_with_an_effect_is_allowed():
    operations = all_operations()
    assert len(operations) > 1000
    for op_def in operations:
        if op_def.name in allowed_ops.ALLOWED:
            assert not op_def.is_stateful or _STATEFUL.fullmatch(op_def.name), op_def.name
    assert not [name for name in allowed_ops.ALLOWED if _ALWAYS_REFUSED.fullmatch(name)]


def test_an_operation_that_is_not_on_the_list_is_refused(monkeypatch):
    """As one of a future TensorFlow: known, stateless, and not reviewed."""
    future = op_def_pb2.OpDef(name='ComputeAnything')
    monkeypatch.setattr(versions, 'op_def', lambda name: future)
    with pytest.raises(UserError, match='is refused: .*by ComputeAnything'):
        validation.check_operations(
            tf.GraphDef(node=[tf.NodeDef(op='ComputeAnything', name='added')])
        )


def test_a_function_does_not_hide_an_operation_of_its_name():
    graph_def = classifier()
    graph_def.library.function.add().signature.name = 'WriteFile'
    graph_def.node.add(op='WriteFile', name='writer')
    with pytest.raises(UserError, match='is refused'):
        validation.check_operations(graph_def)


def test_every_operation_of_the_real_graphs_is_allowed(shared_data):
    paths = [os.path.join(top, name) for top, _, names in os.walk(shared_data) for name in names]
    found = [graph_files.read(path) for path in paths if path.endswith('.pb')]
    for path in paths:
        if path.endswith('_frozen.tgz'):
            with tarfile.open(path) as archive:
                members = [name for name in archive.getnames() if name.endswith('.pb')]
                found += [graph_files.parse(archive.extractfile(m).read(), m) for m in members]
    assert len(found) >= 6
    for graph_def in found:
        validation.check_operations(graph_def)


@pytest.mark.slow  # With each TensorFlow: the operations are those of its TensorFlow.
@pytest.mark.parametrize('name', ['MobileNetV2', 'NASNetMobile', 'InceptionV3'])
def test_every_operation_of_kerass_networks_is_allowed(name):
    """In a process of its own: this one has turned off what Keras builds on in TensorFlow 2."""
    printed = subprocess.run(
        [sys.executable, '-c', _KERAS, name],
        stdout=subprocess.PIPE,
        env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3'),
        check=True,
        timeout=300,
    )
    ops = set(printed.stdout.decode().splitlines()[-1].split())
    assert 'DepthwiseConv2dNative' in ops or name == 'InceptionV3'
    assert not ops - allowed_ops.ALLOWED


_KERAS = """
import sys
import tensorflow as tf
model = getattr(tf.keras.applications, sys.argv[1])(weights=None)
if tf.__version__.startswith('2'):
    call = tf.function(lambda images: model(images, training=False))
    shape = tf.TensorSpec((None,) + model.input_shape[1:], tf.float32)
    graph = call.get_concrete_function(shape).graph
else:
    graph = model.output.graph
graph_def = graph.as_graph_def()
functions = {function.signature.name for function in graph_def.library.function}
nodes = list(graph_def.node) + [n for f in graph_def.library.function for n in f.node_def]
print(*{node.op for node in nodes} - functions)
"""


def of_many_layers():
    """Adds what classifiers are also made of, from loops to strings."""
    images = tf.placeholder(tf.float32, [None, 16, 16, 3])
    small = tf.image.resize_images(images, [8, 8], method=tf.image.ResizeMethod.BICUBIC)
    colours = tf.image.adjust_saturation(tf.image.random_hue(images, 0.1), 2.0)
    boxes = tf.constant([[0.0, 0.0, 1.0, 1.0]])
    tf.image.crop_and_resize(colours, boxes, [0], [4, 4])
    tf.image.non_max_suppression(boxes, [1.0], 3)
    rows = tf.map_fn(lambda row: tf.nn.top_k(row).values, tf.reshape(small, [-1, 192]))
    tf.while_loop(lambda n: n < 3, lambda n: n + 1, [tf.constant(0)])
    tf.cond(tf.reduce_sum(rows) > 0, lambda: tf.linalg.inv(tf.eye(3)), lambda: tf.eye(3))
    tf.gather(tf.constant(['red', 'green']), tf.argmax(rows, 1) % 2)
    records = tf.placeholder(tf.string, [None])
    tf.io.parse_example(records, {'image': tf.io.FixedLenFeature([], tf.string)})
    tf.map_fn(lambda data: tf.image.decode_jpeg(data, channels=3), records, dtype=tf.uint8)
    tf.nn.local_response_normalization(images)
    tf.nn.space_to_depth(
        tf.nn.dilation2d(images, tf.ones([2, 2, 3]), [1, 1, 1, 1], [1, 1, 1, 1], 'SAME'), 2
    )
    tf.einsum('bhwc,cd->bhwd', images, tf.ones([3, 5]))
    tf.nn.softmax(tf.abs(tf.signal.rfft(rows)))


def test_what_stays_in_memory_and_computes_passes_as_a_whole():
    with tf.Graph().as_default() as graph:
        of_many_layers()
    graph_def = graph.as_graph_def()
    assert len({node.op for node in graph_def.node}) > 40
    validation.check_operations(graph_def)


def must_compile(graph_def):
    graph_def.node.add(op='PartitionedCall', name='call').attr['_XlaMustCompile'].b = True


def function_must_compile(graph_def):
    function = graph_def.library.function.add()
    function.signature.name = 'compiled'
    function.attr['_XlaMustCompile'].b = True


def named_function_must_compile(graph_def):
    call = graph_def.node.add(op='PartitionedCall', name='call')
    call.attr['f'].func.name = 'compiled'
    call.attr['f'].func.attr['_XlaMustCompile'].b = True


def branch_must_compile(graph_def):
    branches = graph_def.node.add(op='PartitionedCall', name='call').attr['branches'].list.func
    branches.add(name='compiled').attr['_XlaMustCompile'].b = True


def jit_scope(graph_def):
    node(graph_def, 'logits').attr['_XlaCompile'].b = True


def on_xla_device(graph_def):
    node(graph_def, 'logits').device = '/device:XLA_CPU:0'


def jit_config(graph_def):
    config = tf.ConfigProto()
    config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1
    call = graph_def.node.add(op='PartitionedCall', name='call')
    call.attr['config_proto'].s = config.SerializeToString()


@pytest.mark.parametrize(
    'change',
    [
        must_compile,
        function_must_compile,
        named_function_must_compile,
        branch_must_compile,
        jit_scope,
        on_xla_device,
        jit_config,
    ],
)
def test_what_attributes_have_compiled_is_refused(change):
    graph_def = classifier()
    change(graph_def)
    with pytest.raises(UserError, match='is refused: .* without XLA'):
        validation.check_operations(graph_def)


def test_attributes_that_say_no_to_xla_pass():
    graph_def = classifier()
    call = graph_def.node.add(op='PartitionedCall', name='call')
    call.attr['_XlaMustCompile'].b = False
    call.attr['_xla_compile_id'].s = b''
    call.attr['config_proto'].s = tf.ConfigProto(
        allow_soft_placement=True, device_count={'CPU': 1, 'GPU': 0}
    ).SerializeToString()
    node(graph_def, 'logits').device = '/device:GPU:0'
    validation.check_operations(graph_def)


def with_engine(segment, in_function=False):
    """Returns the bytes of a graph with a TRTEngineOp that holds `segment`."""
    graph_def = classifier()
    nodes = graph_def.library.function.add().node_def if in_function else graph_def.node
    engine = nodes.add(op='TRTEngineOp', name='engine')
    engine.attr['serialized_segment'].s = segment
    return graph_def.SerializeToString()


@pytest.mark.parametrize('in_function', [False, True])
def test_a_tensorrt_engine_is_refused_unless_allowed(in_function):
    data = with_engine(b'machine code', in_function)
    with pytest.raises(UserError, match='the node engine: .* with --allow_tensorrt_engines'):
        graph_files.parse(data, 'here')
    assert graph_files.parse(data, 'here', allow_tensorrt_engines=True)
    # One that is made as the graph runs holds nothing, as in what TF-TRT writes by default.
    assert graph_files.parse(with_engine(b'', in_function), 'here')


def test_an_operation_for_tensorrt_is_on_the_list(monkeypatch):
    """The TensorFlow of these tests may be built without it."""
    monkeypatch.setattr(versions, 'op_def', lambda name: op_def_pb2.OpDef(name=name))
    validation.check_operations(tf.GraphDef.FromString(with_engine(b'')))


@pytest.mark.parametrize('command', ['label_image', 'evaluate'])
def test_commands_take_an_engine_by_a_flag(bench, one_error, command):
    with open(bench.graph, 'wb') as file:
        file.write(with_engine(b'machine code'))
    with open(bench.labels, 'w') as file:
        file.write('\n'.join(pictures.LABELS))
    photo = os.path.join(bench.photo_dir, 'Red', '000.jpg')
    flags = ['--graph=' + bench.graph, '--labels=' + bench.labels]
    module = {'label_image': label_image, 'evaluate': evaluate}[command]
    flags.append(photo if command == 'label_image' else '--image_dir=' + bench.photo_dir)
    assert '--allow_tensorrt_engines' in one_error(module, *flags)
    allowed = one_error(module, '--allow_tensorrt_engines', *flags)
    # It goes on to what this graph lacks next: a TensorFlow that runs engines, or what one takes.
    assert 'TRTEngineOp' in allowed and 'allow_tensorrt' not in allowed


@pytest.mark.parametrize(
    'name', ['RandomUniform', 'TensorArrayV3', 'Print', 'HashTableV2', 'VariableV2', 'While']
)
def test_what_stays_in_memory_passes(name):
    graph_def = tf.GraphDef()
    graph_def.node.add(op=name, name='added')
    validation.check_operations(graph_def)


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
    'wrong dtype': (wrong_dtype, 'the node input takes string'),
    'no dtype': (no_dtype, 'the constant weights has no dtype'),
    'unknown op': (unknown_op, 'TensorFlow %s has no operation SoftestMax' % tf.VERSION),
    'unknown attribute': (unknown_attribute, 'has the attribute transposed, which TensorFlow'),
    'huge constant': (huge_constant, 'constants that would take 3814697 MB'),
    'two of a name': (twice, "two nodes named 'flat'"),
    'dangling input': (dangling, 'the node flat takes nothing, which it does not have'),
    'NaN weights': (nan_weights, 'not finite'),
    'no input': (lambda g: node(g, 'input').CopyFrom(build.constant('c', np.ones(1))), 'take'),
}


def test_a_loop_of_operations_is_no_cycle():
    with tf.Graph().as_default() as graph:
        begin = tf.placeholder(tf.float32, [])
        tf.while_loop(lambda value: value < 9, lambda value: value + 1, [begin])
    graph_def = graph.as_graph_def()
    assert 'NextIteration' in {each.op for each in graph_def.node}
    validation.check_structure(graph_def, 'it')


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
