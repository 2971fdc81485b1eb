"""Corrupt networks in other formats, and the readers of import_network that they are fed to."""

import json
import os
import shutil

from tests.importing import keras_samples
from tests.robustness import mutations


def keras_files(folder):
    """Returns what reads one corrupt Keras file: .h5 or .keras, up to where Keras would build."""
    from scripts.importing import hdf5, keras_files

    samples = [keras_samples.hdf5(), keras_samples.keras_zip()]
    path = os.path.join(folder, 'model')

    def read(random):
        kind = random.randint(4)
        if kind < 2:
            data = mutations.corrupted(random, samples[kind], samples)
        else:
            write = keras_samples.hdf5 if kind == 2 else keras_samples.keras_zip
            data = write(_corrupted_config(random))
        _write(path, data)
        opened = keras_files.open_model(path, folder)
        assert hdf5.element_count(opened.weights) >= 0
        if hdf5.is_older_layout(opened.weights):
            hdf5.layers(opened.weights)

    return read


def _corrupted_config(random):
    """Returns the JSON of a model, corrupted: its text, or its values."""
    config = keras_samples.config()
    if random.randint(2):
        text = json.dumps(config).encode('ascii')
        # What HDF5 cannot hold in an attribute is another kind of corruption.
        return (
            mutations.corrupted(random, text, [text])[:60000].replace(b'\0', b'').decode('latin-1')
            or '{'
        )
    for _ in range(random.randint(1, 4)):
        place = config['config']['layers'][random.randint(3)]
        values = place.get('config')
        inner = isinstance(values, dict) and random.randint(2)
        mutations.odd_value(random, values if inner else place)
    return json.dumps(config)


def saved_models(folder):
    """Returns what reads and freezes one corrupt SavedModel."""
    from scripts.importing import freezing, saved_models, settings

    sample = os.path.join(folder, 'sample')
    child = os.fork()  # The threads of a session would not be in the children that read.
    if not child:
        _write_saved_model(sample)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    whole = {
        os.path.join(place, name): _read(os.path.join(place, name))
        for place, _, names in os.walk(sample)
        for name in names
    }

    def read(random):
        shutil.rmtree(sample)
        for path, data in whole.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            is_graph = path.endswith('.pb')
            if is_graph and random.randint(4):
                written = _corrupted_saved_model(random, data)
            elif not is_graph and random.randint(3):
                written = data
            else:
                written = mutations.corrupted(random, data, list(whole.values()))
            _write(path, written)
        source = saved_models.read(sample, settings.Nodes())
        freezing.freeze(source, [8, 8, 3], False)

    return read


def _write_saved_model(sample):
    import tensorflow.compat.v1 as tf

    graph = tf.Graph()
    with graph.as_default(), tf.Session(graph=graph) as session:
        image = tf.placeholder(tf.float32, [None, 8, 8, 3], name='image')
        kernel = tf.get_variable('kernel', [1, 1, 3, 4], use_resource=True)
        bias = tf.get_variable('bias', [4], use_resource=False)
        net = tf.nn.relu(tf.nn.conv2d(image, kernel, 1, 'SAME') + bias)
        net = tf.reduce_mean(net, [1, 2], name='pool')
        session.run(tf.global_variables_initializer())
        tf.saved_model.simple_save(session, sample, {'image': image}, {'pool': net})


def _corrupted_saved_model(random, data):
    from scripts.graphs import versions

    message = versions.SavedModel.FromString(data)
    meta_graph = message.meta_graphs[0]
    graph_def = mutations.corrupted_graph(random, meta_graph.graph_def.SerializeToString(), [data])
    try:
        meta_graph.graph_def.ParseFromString(graph_def)
    except Exception:  # Not a message any more: the bytes of the file say it as well.
        return mutations.corrupted(random, data, [data])
    return message.SerializeToString()


def frozen_graphs(folder):
    """Returns what reads and freezes one corrupt frozen graph."""
    from scripts.importing import freezing, frozen_graphs, settings
    from tests import stand_ins

    sample = stand_ins.mobilenet_of_blocks(32, 8).SerializeToString()
    path = os.path.join(folder, 'graph.pb')

    def read(random):
        _write(path, mutations.corrupted_graph(random, sample, [sample]))
        source, _ = frozen_graphs.read(path, settings.Nodes())
        freezing.freeze(source, [32, 32, 3], bool(random.randint(2)))

    return read


def _write(path, data):
    with open(path, 'wb') as file:
        file.write(data)


def _read(path):
    with open(path, 'rb') as file:
        return file.read()
