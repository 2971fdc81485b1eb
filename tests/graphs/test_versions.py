"""One code for TensorFlow 1.15 and 2."""

import ast
import os
import re

import pytest
import tensorflow.compat.v1 as tf

from scripts.graphs import versions
from tests.conftest import REPOSITORY
from tests.test_imports import COMMANDS

MODULE = os.path.join('scripts', 'graphs', 'versions.py')


def test_graphs_are_what_is_built_and_variables_are_of_the_old_kind():
    assert not tf.executing_eagerly() and not tf.resource_variables_enabled()


def test_attributes_that_hold_their_default_are_left_out():
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [1, 8, 8, 3], name='images')
        tf.nn.conv2d(images, tf.ones([3, 3, 3, 2]), 2, 'SAME', name='conv', dilations=[1, 2, 2, 1])
    before = graph.as_graph_def()
    after = versions.strip_defaults(before)
    attributes = {node.name: set(node.attr) for node in after.node}
    assert attributes['conv'] == {'T', 'strides', 'padding', 'dilations'}
    assert attributes['images'] == {'dtype', 'shape'}
    assert 'data_format' in before.node[-1].attr, 'the argument stays as it is'
    with tf.Graph().as_default():
        tf.import_graph_def(after, name='')


def by_itself(path):
    return tf.strings.join([tf.read_file(path)])


def in_a_data_set(path):
    photos = tf.data.Dataset.from_tensors(path).map(tf.read_file)
    return tf.data.make_one_shot_iterator(photos).get_next()


@pytest.mark.parametrize('read', [by_itself, in_a_data_set])
def test_of_an_error_the_line_that_says_what_is_wrong_is_told(read):
    with tf.Graph().as_default(), tf.Session() as session:
        contents_tensor = read('/not/there')
        with pytest.raises(tf.errors.NotFoundError) as raised:
            session.run(contents_tensor)
    assert versions.what_failed(raised.value) == '/not/there; No such file or directory'
    assert versions.what_failed(ValueError('no feed\nmore')) == 'no feed'


def sources():
    """Returns a dict from the path of each module of `scripts` to its text."""
    found = {}
    for folder, _, names in os.walk(os.path.join(REPOSITORY, 'scripts')):
        for path in (os.path.join(folder, name) for name in names if name.endswith('.py')):
            with open(path, encoding='utf-8') as file:
                found[os.path.relpath(path, REPOSITORY)] = file.read()
    return found


def test_only_one_module_knows_of_versions():
    knows = re.compile(r'tf\.VERSION\.|tf\.__version__|disable_v2|enable_v2|TF2_BEHAVIOR|_MAJOR')
    assert [path for path, text in sources().items() if knows.search(text)] == [MODULE]


# What begins with an underscore and is public all the same.
NAMED_TUPLE = {'_asdict', '_fields', '_make', '_replace'}


def own_names(trees):
    """Returns the names that syntax trees define."""
    names = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(getattr(node, 'ctx', None), ast.Store):
            names.add(getattr(node, 'attr', getattr(node, 'id', None)))
    return names


def private_uses(tree, own):
    """Returns what a module uses of TensorFlow that TensorFlow does not export.

    Args:
      tree: the syntax tree of the module.
      own: set of names that are the program's own.

    Returns:
      Set of str: modules and names imported from elsewhere than tensorflow.compat.v1, and
      attributes with a leading underscore, those of other libraries' modules aside.
    """
    found, modules = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(each.asname or each.name.split('.')[0] for each in node.names)
            found.update(each.name for each in node.names if each.name.startswith('tensorflow.'))
        elif isinstance(node, ast.ImportFrom) and (node.module or '').startswith('tensorflow'):
            found.update('%s.%s' % (node.module, each.name) for each in node.names)
    modules.discard('tf')
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match('_[^_]', node.attr):
            if getattr(node.value, 'id', None) not in modules:
                found.add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, 'id', None) == 'getattr':
            found.update(re.findall(r"'(_[^_]\w*)'", ast.dump(node.args[1])))
    return found - own - NAMED_TUPLE - {'tensorflow.compat.v1'}


def test_private_uses_are_found():
    lines = [
        'import os',
        'import tensorflow.compat.v1 as tf',
        'import tensorflow.lite.python.lite as lite',
        'from tensorflow.core.protobuf import config_pb2',
        'graph._hidden, tf._api, getattr(graph, "_too")',
        'os._exit(1), pair._replace(a=1), self._mine, _mine._mine',
    ]
    tree = ast.parse('\n'.join(lines))
    assert private_uses(tree, {'_mine'}) == {
        'tensorflow.lite.python.lite',
        'tensorflow.core.protobuf.config_pb2',
        '_hidden',
        '_api',
        '_too',
    }


def test_private_api_of_tensorflow_is_listed_and_used_in_one_module():
    trees = {path: ast.parse(text) for path, text in sources().items()}
    own = own_names(trees.values())
    found = {path: private_uses(tree, own) for path, tree in trees.items()}
    listed = set(versions.PRIVATE)
    # PySpark shows its Hadoop configuration in no other way.
    of_others = {'scripts/spark/storage.py': {'_jsc'}}
    used = {path: names for path, names in found.items() if names}
    assert used == dict(of_others, **{MODULE: listed})


@pytest.mark.parametrize('command', COMMANDS + [os.path.join('sample', 'train_network')])
def test_commands_import_graphs_before_what_imports_tensorflow(command):
    with open(os.path.join(REPOSITORY, 'scripts', command + '.py'), encoding='utf-8') as file:
        package, name = re.search(r'^ +from (\S+) import (\w+)', file.read(), re.M).groups()
    assert 'scripts.graphs' in (package, package + '.' + name)


@pytest.mark.parametrize('command', ['retrain', 'evaluate', 'quantize_graph'])
def test_a_command_that_loads_tensorflow_says_only_its_own(
    in_subprocess, photo_dir, tmp_path, command
):
    graph = tmp_path / 'mobilenet_v1_0.25_128' / 'frozen_graph.pb'
    graph.parent.mkdir()
    graph.write_bytes(b'none')
    (tmp_path / 'labels.txt').write_text('blue ones\ngreen\nred\n')
    flags = {
        'retrain': ['--architecture=mobilenet_0.25_128', '--model_dir=%s' % tmp_path]
        + ['--image_dir=' + photo_dir, '--summaries_dir=%s' % (tmp_path / 'logs')],
        'evaluate': [str(graph), '--labels=%s' % (tmp_path / 'labels.txt')]
        + ['--image_dir=' + photo_dir],
        'quantize_graph': ['--input=%s' % graph, '--output=%s' % (tmp_path / 'out.pb')]
        + ['--output_node_names=final_result'],
    }[command]
    environment = {name: value for name, value in os.environ.items() if 'TF_' not in name}
    ended = in_subprocess('scripts.' + command, *flags, env=environment)
    assert ended.status == 1
    (line,) = [line for line in ended.err.splitlines() if not line.startswith('WARNING: class')]
    assert re.search(r'not a frozen graph|do(es)? not parse|corrupt', line)
