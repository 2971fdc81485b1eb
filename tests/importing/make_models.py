"""Makes networks in the formats that import_network takes, each in a process of its own.

Keras 3 needs eager execution, which `scripts.graphs` switches off in the process of the tests.

  python -m tests.importing.make_models KIND OUTPUT [ARGUMENT]
"""

import os
import sys

import h5py
import numpy as np

from scripts.importing import hdf5, probing

_SEED = 7
_LEAST_DIFFERENCE = 0.1  # Of two images' outputs, or an error would not be seen.


def application(output, name):
    """Writes the weights of a Keras application, random, that tell images apart."""
    import tensorflow as tf

    forget_earlier_batches(tf)
    model = _application(tf, name)
    model.set_weights(random_weights(model))
    images = probing.images(*[int(size) for size in model.input_shape[1:]])
    if not any(type(each).__name__ == 'Rescaling' for each in model.layers):
        images = images / 127.5 - 1
    take_statistics(tf, model, images)
    sharpen(tf, model, images)
    save_weights(tf, model, output)


def save_weights(tf, model, output):
    """Writes the weights of a model as Keras does; in 1.15 that takes minutes, a run a layer."""
    if tf.executing_eagerly():
        model.save_weights(output)
        return
    values = iter(model.get_weights())
    with h5py.File(output, 'w') as file:
        file.attrs['layer_names'] = [np.bytes_(layer.name.encode()) for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [np.bytes_(weight.name.encode()) for weight in layer.weights]
            group.attrs['weight_names'] = np.array(names, 'S')
            for name in names:
                group[name.decode()] = next(values)


def _application(tf, name):
    make = getattr(tf.keras.applications, name)
    model = make(weights=None)
    if None in model.input_shape[1:]:
        model = make(weights=None, input_shape=(224, 224, 3))
    return model


def forget_earlier_batches(tf):
    """Lets the batch norms that are made from here on keep the statistics of the last batch."""
    layer = tf.keras.layers.BatchNormalization
    init = layer.__init__

    def without_momentum(self, *arguments, **options):
        init(self, *arguments, **dict(options, momentum=0.0))

    layer.__init__ = without_momentum


def random_weights(model):
    """Returns random weights with which values keep their size from layer to layer."""
    random = np.random.RandomState(_SEED)
    made = []
    for weight in model.weights:
        # Not of get_weights, which in 1.15 computes the first values of each.
        shape = tuple(int(size) for size in weight.shape)
        if len(shape) > 1:
            depthwise = len(shape) == 4 and shape[3] == 1 and shape[2] > 1
            fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
            made.append(random.randn(*shape) * (2 / fan_in) ** 0.5)
        else:
            made.append(random.uniform(0.5, 1, shape))
    return made


def take_statistics(tf, model, images):
    """Gives the batch norms of a model the statistics of some images."""
    if tf.executing_eagerly():
        model(images, training=True)
        return
    backend = tf.keras.backend
    fed = model.inputs + [backend.learning_phase()]
    backend.function(fed, model.outputs, updates=model.updates)([images, True])


def scale_last(model, factor):
    """Multiplies the weights of the last layer that has any."""
    layer = [each for each in model.layers if each.weights][-1]
    layer.set_weights([weight * factor for weight in layer.get_weights()])


def sharpen(tf, model, images):
    """Scales a model's last layer until it tells images apart."""
    difference = 0
    for _ in range(12):
        difference = probing.largest_difference(outputs(tf, model, images))
        if difference > _LEAST_DIFFERENCE:
            break
        scale_last(model, 2)
    assert difference > _LEAST_DIFFERENCE, difference


def outputs(tf, model, images):
    """Returns what the model gives in inference mode."""
    if tf.executing_eagerly():
        return np.asarray(model(images, training=False))
    return model.predict(images)


def squeezenet(output, weights):
    """Writes a whole Keras model: SqueezeNet 1.1 with the weights of a file."""
    import tensorflow as tf

    layers = tf.keras.layers
    image = layers.Input((227, 227, 3))
    net = layers.Conv2D(64, 3, strides=2, activation='relu', name='conv1')(image)
    net = layers.MaxPooling2D(3, 2, name='pool1')(net)
    for number, width in zip(range(2, 10), (16, 16, 32, 32, 48, 48, 64, 64)):
        name = 'fire%d_' % number
        net = layers.Conv2D(width, 1, activation='relu', name=name + 'squeeze')(net)
        left = layers.Conv2D(4 * width, 1, activation='relu', name=name + 'expand1')(net)
        right = layers.Conv2D(
            4 * width, 3, padding='same', activation='relu', name=name + 'expand3'
        )(net)
        net = layers.Concatenate(name=name + 'concat')([left, right])
        if number in (3, 5):
            net = layers.MaxPooling2D(3, 2, name='pool%d' % number)(net)
    net = layers.Dropout(0.5, name='drop9')(net)
    net = layers.Conv2D(1000, 1, activation='relu', name='conv10')(net)
    net = layers.GlobalAveragePooling2D(name='pool10')(net)
    model = tf.keras.Model(image, layers.Activation('softmax', name='loss')(net))
    found = hdf5.layers(hdf5.open_file(weights))
    model.set_weights([array for layer in found for array in layer.weights])
    model.save(output)


def small(output, kind):
    """Writes a small whole Keras model.

    kind: 'plain'; 'many': of the layers that large networks have; 'lambda': one that is refused.
    """
    import tensorflow as tf

    _small_model(tf, probing.images(32, 32, 3) / 127.5 - 1, kind).save(output)


def _small_model(tf, images, kind='plain'):
    layers = tf.keras.layers
    image = layers.Input((32, 32, 3))
    net = layers.Conv2D(8, 3, padding='same', activation='relu')(image)
    net = layers.BatchNormalization()(net)
    if kind == 'many':
        net = _many_layers(layers, net)
    if kind == 'lambda':
        net = layers.Lambda(lambda value: value * 2)(net)
    net = layers.GlobalAveragePooling2D()(net)
    model = tf.keras.Model(image, layers.Dense(4, activation='softmax')(net))
    model.set_weights(random_weights(model))
    sharpen(tf, model, images)
    return model


def _many_layers(layers, image):
    """Returns what DenseNet, EfficientNet, MobileNet and NASNet make of images, one of each."""
    net = layers.ZeroPadding2D(((0, 1), (0, 1)))(image)
    net = layers.DepthwiseConv2D(3, strides=2, use_bias=False)(net)
    net = layers.BatchNormalization(scale=False)(net)
    net = layers.Multiply()([net, layers.Activation('sigmoid')(net)])
    gate = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(net))
    gate = layers.Conv2D(8, 1, activation='sigmoid')(gate)
    net = layers.Add()([net, layers.Dropout(0.2)(layers.Multiply()([net, gate]))])
    left = layers.SeparableConv2D(8, 5, padding='same', use_bias=False)(net)
    left = layers.ReLU(6.0)(layers.BatchNormalization()(left))
    right = layers.Cropping2D(((1, 0), (1, 0)))(layers.ZeroPadding2D(((0, 1), (0, 1)))(net))
    right = layers.AveragePooling2D(3, strides=1, padding='same')(right)
    net = layers.Concatenate()([left, right, layers.MaxPooling2D(3, 1, 'same')(net)])
    return layers.Activation('relu')(net)


def saved_model(output, _):
    """Writes a SavedModel as this TensorFlow does: of functions, or of a graph."""
    import tensorflow as tf

    images = probing.images(32, 32, 3) / 255
    if tf.executing_eagerly():
        model = _small_model(tf, images)
        model.export(output, format='tf_saved_model', verbose=False)
    else:
        tf.keras.backend.set_learning_phase(0)
        model = _small_model(tf, images)
        tf.compat.v1.saved_model.simple_save(
            tf.keras.backend.get_session(),
            output,
            {'image': model.inputs[0]},
            {'scores': model.outputs[0]},
        )
    np.save(output + '.npy', outputs(tf, model, images))


if __name__ == '__main__':
    os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
    globals()[sys.argv[1]](*sys.argv[2:])
