"""Builds a Keras model in a process of its own, and writes it as a SavedModel.

  python -m scripts.importing.keras_worker FOLDER

Keras 3 needs eager execution, which all other modules that load TensorFlow switch off (see
`graphs/versions.py`): this module loads none of those. A crash of HDF5 or Keras ends only this
process. `keras_source` starts it and reads what it writes to FOLDER:

  request.json    read: fields of `Request`
  saved_model/    the model in inference mode; one signature, from `input` to `output`
  outputs.npy     float32 `[batch, ...]`: what Keras gives for `probing.images`
  result.json     fields of `Result`
  error.txt       the one line of a user error, in place of the others
"""

import collections
import json
import os
import sys
import typing

import numpy as np

from scripts.common import process
from scripts.common.errors import UserError
from scripts.importing import hdf5, keras_files, probing, screening
from scripts.importing import settings as settings_lib

REQUEST, RESULT, ERROR = 'request.json', 'result.json', 'error.txt'
SAVED_MODEL, OUTPUTS = 'saved_model', 'outputs.npy'
INPUT, OUTPUT = 'input', 'output'

_DEFAULT_SIZE = 224
_RESCALING = ('Rescaling', 'Normalization')


class Request(typing.NamedTuple):
    """Which model: a path of a file, or the name of an application, and where its weights are."""

    file: typing.Optional[str]
    application: typing.Optional[str]
    weights: typing.Optional[str]
    pixels: settings_lib.Pixels
    output: typing.Optional[str]


class Result(typing.NamedTuple):
    """What was built.

    pixels: complete `settings.Pixels`.
    channels: 1 or 3.
    origin: where the preprocessing is from, for a message.
    """

    pixels: settings_lib.Pixels
    channels: int
    origin: str


def main(folder):
    """Does the work of one request; returns the exit status: 0, or 1 with the error written."""
    process.die_with_parent()
    try:
        run(_read_request(folder), folder)
    except UserError as error:
        message = str(error)
    except Exception as error:  # Keras raises anything for a configuration that makes no sense.
        lines = [line for line in str(error).split('\n') if line.strip()]
        message = 'Keras cannot build it: %s: %s' % (type(error).__name__, ' '.join(lines[:1]))
    else:
        return 0
    with open(os.path.join(folder, ERROR), 'w', encoding='utf-8', errors='replace') as file:
        file.write(message)
    return 1


def _read_request(folder):
    with open(os.path.join(folder, REQUEST), encoding='utf-8') as file:
        values = json.load(file)
    values['pixels'] = settings_lib.Pixels(**values['pixels'])
    return Request(**values)


def run(request, folder):
    """Builds the model of a `Request` and writes it to a folder; raises UserError."""
    # Untrusted files are screened before TensorFlow and Keras are there to build anything.
    opened = keras_files.open_model(request.file, folder) if request.file else None
    weights = keras_files.open_weights(request.weights) if request.weights else None
    import tensorflow as tf

    if not hasattr(tf, 'keras') or not hasattr(tf.keras, 'applications'):
        raise UserError('this TensorFlow has no Keras: install it with pip install keras')
    line = _Eager(tf) if tf.executing_eagerly() else _Graph(tf)
    if opened is not None:
        model, result = _of_file(line, request, opened, folder)
        prepare = None
    else:
        model, result, prepare = _of_application(line, request, weights, folder)
    model = _with_output(tf, model, request.output)
    images = probing.images(result.pixels.height, result.pixels.width, result.channels)
    fed = normalized(images, result.pixels) if prepare is None else prepare(images.copy())
    line.save(model, os.path.join(folder, SAVED_MODEL))
    np.save(os.path.join(folder, OUTPUTS), line.outputs(model, np.asarray(fed, np.float32)))
    with open(os.path.join(folder, RESULT), 'w', encoding='utf-8') as file:
        json.dump(dict(result._asdict(), pixels=result.pixels._asdict()), file)


def normalized(images, pixels):
    """Returns images from 0 to 255 as the source takes them, float32."""
    made = (images - np.float32(pixels.mean)) / np.float32(pixels.std)
    return made[..., ::-1] if pixels.channel_order == settings_lib.BGR else made


def _of_file(line, request, opened, folder):
    """Returns the Keras model of a file and its `Result`."""
    declared = screening.input_shape(opened.config) or [None] * 4
    shape = _completed_shape(declared, request.pixels, request.file)
    screening.with_input_shape(opened.config, shape)
    model = line.build(opened, folder, request.file)
    rescales = any(type(layer).__name__ in _RESCALING for layer in model.layers)
    default = settings_lib.AS_THEY_ARE if rescales else settings_lib.FROM_MINUS_ONE
    pixels = settings_lib.completed(request.pixels, default)
    pixels = pixels._replace(height=shape[1], width=shape[2])
    return model, Result(pixels, shape[3], default.origin)


def _completed_shape(declared, pixels, origin):
    """Returns `[None, height, width, channels]`: what flags say, else the file, else 224."""
    if len(declared) != 4:
        raise UserError(
            '%s takes values of shape %s; expected images, [batch, height, width, channels]'
            % (origin, declared)
        )
    height = pixels.height or declared[1] or _DEFAULT_SIZE
    width = pixels.width or declared[2] or _DEFAULT_SIZE
    channels = declared[3] or 3
    if channels not in (1, 3) or not all(isinstance(each, int) for each in (height, width)):
        raise UserError(
            '%s takes images of shape %s; expected 3 channels, or 1 for grey, in the last place'
            % (origin, declared[1:])
        )
    if not (0 < height <= 1 << 14 and 0 < width <= 1 << 14):
        raise UserError('%s takes images of %s x %s pixels' % (origin, height, width))
    return [None, height, width, channels]


def _of_application(line, request, weights, folder):
    """Returns a Keras application, its `Result`, and the function that prepares its images."""
    applications = line.tf.keras.applications
    make = getattr(applications, request.application, None)
    names = sorted(name for name in dir(applications) if name[0].isupper())
    if request.application not in names or not callable(make):
        raise UserError(
            '--keras_application=%s: the Keras of this TensorFlow has no such network; it has %s'
            % (request.application, ', '.join(names))
        )
    prepare = _preparing(applications, request.application)
    model = _with_weights(line, request, make, weights, folder)
    default = _preprocessing(prepare, request.application)
    pixels = settings_lib.completed(request.pixels, default[0])
    is_given = any(
        each is not None
        for each in (request.pixels.mean, request.pixels.std, request.pixels.channel_order)
    )
    if request.pixels.channel_order is None:
        pixels = pixels._replace(channel_order=default[1])
    height, width = [int(each) for each in model.input_shape[1:3]]
    pixels = pixels._replace(height=height, width=width)
    return model, Result(pixels, 3, default[0].origin), None if is_given else prepare


def _with_weights(line, request, make, weights, folder):
    """Returns the application with its weights, at the size that the flags say."""
    if weights is None:
        pretrained = _downloaded(make, request.application)
    else:
        pretrained = make(weights=None)
        line.load_weights(pretrained, weights, request.weights, folder)
    given = request.pixels.height, request.pixels.width
    own = pretrained.input_shape[1:3]
    size = [given[i] or given[1 - i] or own[i] or _DEFAULT_SIZE for i in (0, 1)]
    if tuple(own) == tuple(size):
        return pretrained
    model = make(weights=None, input_shape=tuple(size) + (3,))
    model.set_weights(pretrained.get_weights())
    return model


def _downloaded(make, name):
    try:
        return make(weights='imagenet')
    except Exception as error:  # Of the connection, of the hash, of the disk.
        raise UserError(
            'Keras cannot get the weights of %s (%s); download that file elsewhere and give it '
            'as --keras_weights' % (name, ' '.join(str(error).split())[:300])
        )


def _preparing(applications, name):
    """Returns the function with which Keras prepares images, 0 to 255, for an application."""
    modules = {
        each: getattr(applications, each)
        for each in dir(applications)
        if hasattr(getattr(applications, each), 'preprocess_input')
    }
    # Not every module has its networks: mobilenet_v3 has not.
    fitting = [each for each in modules if name.lower().startswith(each.replace('_', ''))]
    having = [each for each in sorted(modules) if hasattr(modules[each], name)]
    for each in having + sorted(fitting, key=len, reverse=True):
        return modules[each].preprocess_input
    raise UserError('Keras does not say how images are prepared for %s' % name)


def _preprocessing(prepare, name):
    """Returns a `Preprocessing` and a channel order: what a function of Keras does with images."""
    black = np.asarray(prepare(np.zeros((1, 1, 1, 3), np.float32)))[0, 0, 0].astype(float)
    gains = np.zeros((3, 3))
    for channel in range(3):
        image = np.zeros((1, 1, 1, 3), np.float32)
        image[..., channel] = 255
        gains[channel] = (np.asarray(prepare(image))[0, 0, 0] - black) / 255
    is_bgr = abs(gains[0, 2]) > abs(gains[0, 0])
    if is_bgr:
        gains, black = gains[:, ::-1], black[::-1]
    std = 1 / np.diag(gains)
    mean, std = [
        each[0] if len(set(each)) == 1 else tuple(each)
        for each in ((-black * std).round(3) + 0.0, std.round(3))
    ]
    order = settings_lib.BGR if is_bgr else settings_lib.RGB
    return settings_lib.Preprocessing(mean, std, 'that of %s' % name), order


def _with_output(tf, model, name):
    """Returns the model with one input and one output: its own, or that of a layer."""
    if len(model.inputs) != 1:
        raise UserError('the model has %d inputs; expected one, of images' % len(model.inputs))
    if name is not None:
        names = [layer.name for layer in model.layers]
        if name not in names:
            raise UserError(
                '--output_layer=%s: the model has no such layer; its last ones are %s'
                % (name, ', '.join(names[-5:]))
            )
        return tf.keras.Model(model.inputs[0], model.get_layer(name).output)
    if len(model.outputs) != 1:
        raise UserError(
            'the model has %d outputs: choose a layer by --output_layer' % len(model.outputs)
        )
    return model


def _pairs(model, file, origin):
    """Returns pairs of the model's variables and the arrays of a file in the older layout.

    Raises:
      UserError: they do not fit.
    """
    found, pairs = hdf5.layers(file), []
    own = collections.OrderedDict()
    for layer in model.layers:
        layer.trainable = True  # So that the order of its weights is always the same.
        variables = list(layer.trainable_weights) + list(layer.non_trainable_weights)
        if variables:
            own[layer.name] = variables
    if len(own) != len(found):
        raise UserError(
            '%s holds %d layers with weights, expected %d: it is for another network'
            % (origin, len(found), len(own))
        )
    for (name, variables), layer in zip(own.items(), found):
        shapes = [tuple(int(dim) for dim in variable.shape) for variable in variables]
        if shapes != [array.shape for array in layer.weights]:
            raise UserError(
                '%s holds weights of shapes %s for the layer %s, expected %s'
                % (origin, [array.shape for array in layer.weights], name, shapes)
            )
        pairs += zip(variables, layer.weights)
    return pairs


def _check_size(model, file, origin):
    """Raises UserError where a model is larger than its file, before memory is taken for it."""
    wanted, there = model.count_params(), hdf5.element_count(file)
    if wanted > there:
        raise UserError(
            '%s describes a model of %d parameters and holds %d: it is truncated or corrupt'
            % (origin, wanted, there)
        )


class _Eager:
    """Keras 3, under TensorFlow 2."""

    def __init__(self, tf):
        self.tf = tf

    def build(self, opened, folder, origin):
        """Returns the model of a `ModelFile`."""
        keras = self.tf.keras
        text = json.dumps(screening.with_modules(opened.config))
        with keras.StatelessScope(initialize_variables=False):  # Takes no memory for variables.
            _check_size(keras.models.model_from_json(text), opened.weights, origin)
        model = keras.models.model_from_json(text)
        self.load_weights(model, opened.weights, origin, folder)
        return model

    def load_weights(self, model, file, origin, folder):
        """Gives a model the weights of an open HDF5 file, of either layout."""
        if hdf5.is_older_layout(file):
            for variable, array in _pairs(model, file, origin):
                variable.assign(array)
            return
        name = os.path.join(folder, 'weights_of_model.weights.h5')  # Keras asks for that ending.
        os.symlink(os.path.abspath(file.filename), name)
        model.load_weights(name)

    def outputs(self, model, images):
        """Returns what the model gives, an array, one image at a time."""
        given = [model(image[np.newaxis], training=False) for image in images]
        return np.concatenate([np.asarray(each) for each in given])

    def save(self, model, folder):
        """Writes the model as a SavedModel."""
        tf, module = self.tf, self.tf.Module()
        module.variables_of_keras = [variable.value for variable in model.variables]
        shape = [None] + list(model.inputs[0].shape[1:])
        call = tf.function(lambda image: {OUTPUT: model(image, training=False)})
        call = call.get_concrete_function(tf.TensorSpec(shape, tf.float32, name=INPUT))
        tf.saved_model.save(module, folder, signatures={'serving_default': call})


class _Graph:
    """The Keras of TensorFlow 1.15, in graph mode."""

    def __init__(self, tf):
        self.tf = tf
        tf.keras.backend.set_learning_phase(0)

    def build(self, opened, folder, origin):
        """Returns the model of a `ModelFile`."""
        if not hdf5.is_older_layout(opened.weights):
            raise UserError(
                '%s is a file of Keras 3: import it under TensorFlow 2; what that writes runs '
                'here, too' % origin
            )
        model = self.tf.keras.models.model_from_json(json.dumps(opened.config))
        _check_size(model, opened.weights, origin)
        self.load_weights(model, opened.weights, origin, folder)
        return model

    def load_weights(self, model, file, origin, _):
        """Gives a model the weights of an open HDF5 file."""
        if not hdf5.is_older_layout(file):
            raise UserError('%s is a file of Keras 3: import it under TensorFlow 2' % origin)
        self.tf.keras.backend.batch_set_value(_pairs(model, file, origin))

    def outputs(self, model, images):
        """Returns what the model gives, an array, one image at a time."""
        session = self.tf.keras.backend.get_session()
        run = [
            session.run(model.outputs[0], {model.inputs[0]: image[np.newaxis]}) for image in images
        ]
        return np.concatenate(run)

    def save(self, model, folder):
        """Writes the model as a SavedModel."""
        self.tf.compat.v1.saved_model.simple_save(
            self.tf.keras.backend.get_session(),
            folder,
            {INPUT: model.inputs[0]},
            {OUTPUT: model.outputs[0]},
        )


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
