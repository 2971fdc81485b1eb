"""Blocks and tails of Keras' own networks, small ones, frozen under TensorFlow 2."""

import json
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

from scripts.networks import backbone as backbone_lib
from scripts.networks import blocks, registry
from scripts.training import tail

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(tf.VERSION.startswith('1.'), reason='these need Keras 3'),
]

# In a process of its own: this one has switched TensorFlow 2's behaviour off.
_FREEZE = """
import json, sys
import keras, numpy as np, tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
name, size, arguments, path = json.loads(sys.argv[1])
network = getattr(keras.applications, name)(
    weights=None, include_top=False, pooling='avg', input_shape=(size, size, 3), **arguments)
spec = tf.TensorSpec([None, size, size, 3], tf.float32)
function = tf.function(lambda x: network(x, training=False)).get_concrete_function(spec)
with open(path, 'wb') as file:
    file.write(convert_variables_to_constants_v2(function).graph.as_graph_def().SerializeToString())
print(json.dumps(sorted(list(each.shape) for each in network.trainable_weights)))
"""


@pytest.mark.parametrize(
    'name, size, arguments, count, last',
    [
        ('MobileNet', 64, {'alpha': 0.25}, 13, 'conv_pw_12_relu_1/Relu6'),
        ('EfficientNetB0', 64, {}, 30, 'block7a_project_bn_1/batchnorm/add_1'),
        ('DenseNet121', 64, {}, 61, 'conv5_block15_concat_1/concat'),
    ],
)
def test_blocks_are_found_and_what_keras_trains_is_trained(
    name, size, arguments, count, last, tmp_path
):
    path = str(tmp_path / 'network.pb')
    run = subprocess.run(
        [sys.executable, '-c', _FREEZE, json.dumps([name, size, arguments, path])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert run.returncode == 0, run.stderr
    network = backbone_lib.load(registry.find(path, str(tmp_path)), str(tmp_path))
    found = blocks.boundaries(network)
    assert len(found) == count and found[-1].endswith(last)
    shapes = [list(each.value.shape) for each in whole(network).constants]
    assert sorted(shapes) == json.loads(run.stdout.splitlines()[-1])
    tail.check_gradients(blocks.cut_for(network, 1))


def whole(network):
    """Returns the `Tail` of all of a network."""
    return tail.find(blocks.cut_for(network, blocks.ALL))
