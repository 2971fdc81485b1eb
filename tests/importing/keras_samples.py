"""A small whole Keras model as a file, written by hand: no Keras is needed."""

import io
import json
import zipfile

import h5py
import numpy as np


def config(**changes):
    """Returns the configuration of a small model; changes are of its second layer."""
    convolution = {
        'class_name': 'Conv2D',
        'name': 'conv',
        'config': dict({'name': 'conv', 'filters': 2, 'kernel_size': [1, 1]}, activation='relu'),
        'inbound_nodes': [[['image', 0, 0, {}]]],
    }
    convolution.update(changes)
    return {
        'class_name': 'Model',
        'config': {
            'name': 'model',
            'layers': [
                {
                    'class_name': 'InputLayer',
                    'name': 'image',
                    'config': {
                        'name': 'image',
                        'batch_input_shape': [None, 8, 8, 3],
                        'dtype': 'float32',
                    },
                    'inbound_nodes': [],
                },
                convolution,
                {
                    'class_name': 'GlobalAveragePooling2D',
                    'name': 'pool',
                    'config': {'name': 'pool'},
                    'inbound_nodes': [[['conv', 0, 0, {}]]],
                },
            ],
            'input_layers': [['image', 0, 0]],
            'output_layers': [['pool', 0, 0]],
        },
    }


def hdf5(text=None, edit=None):
    """Returns the bytes of an .h5 file with a configuration, a JSON text; `edit` takes the file."""
    data = io.BytesIO()
    with h5py.File(data, 'w') as file:
        file.attrs['model_config'] = np.bytes_((text or json.dumps(config())).encode('utf-8'))
        group = file.create_group('model_weights')
        group.attrs['layer_names'] = np.array([b'image', b'conv', b'pool'])
        for name in ('image', 'conv', 'pool'):
            group.create_group(name).attrs['weight_names'] = np.array([], 'S1')
        layer = group['conv']
        layer.attrs['weight_names'] = np.array([b'kernel:0', b'bias:0'])
        kernel = np.random.RandomState(3).randn(1, 1, 3, 2).astype(np.float32)
        layer.create_dataset('kernel:0', data=kernel)
        layer.create_dataset('bias:0', data=np.zeros(2, np.float32))
        if edit is not None:
            edit(file)
    return data.getvalue()


def keras_zip(text=None, members=()):
    """Returns the bytes of a .keras file; `members` are pairs of more names and bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, 'w') as archive:
        archive.writestr('metadata.json', '{}')
        archive.writestr('config.json', text or json.dumps(config()))
        archive.writestr('model.weights.h5', hdf5())
        for name, contents in members:
            archive.writestr(name, contents, zipfile.ZIP_DEFLATED)
    return data.getvalue()
