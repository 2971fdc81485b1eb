"""Builds a Keras model in a process of its own, and writes it as a SavedModel.

  python -m scripts.importing.keras_worker FOLDER

Keras 3 needs eager execution, which all other modules that load TensorFlow switch off (see
`graphs/versions.py`): this module loads none of those. A crash of HDF5 or Keras ends only this
process. `keras_source` starts it and reads what it writes to FOLDER:

  request.json    read: fields of `Request`
  saved_model/    the model in inference mode; one signature, from `input` to `output`
  outputs.npy     float32 `[batch, ...]`: what Keras gives for `probing.images`
  result.json     fields of `settings.KerasResult`
  error.txt       the one line of a user error, in place of the others
"""

import json
import os
import sys
import typing

import numpy as np

from scripts.common import process
from scripts.common.errors import UserError
from scripts.importing import keras_applications, keras_files, keras_lines, probing, screening
from scripts.importing import settings as settings_lib

REQUEST, RESULT, ERROR = 'request.json', 'result.json', 'error.txt'
SAVED_MODEL, OUTPUTS = 'saved_model', 'outputs.npy'

_RESCALING = ('Rescaling', 'Normalization')


class Request(typing.NamedTuple):
    """Which model: a path of a file, or the name of an application, and where its weights are."""

    file: typing.Optional[str]
    application: typing.Optional[str]
    weights: typing.Optional[str]
    pixels: settings_lib.Pixels
    output: typing.Optional[str]


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
    line = keras_lines.Eager(tf) if tf.executing_eagerly() else keras_lines.Graph(tf)
    if opened is not None:
        model, result = _of_file(line, request, opened, folder)
        prepare = None
    else:
        model = keras_applications.build(line, request, weights, folder)
        prepare = keras_applications.preparing(tf, request.application)
        result = keras_applications.result(model, request, prepare)
        if settings_lib.is_fed_as_flags_say(request.pixels):
            prepare = None
    model = _with_output(tf, model, request.output)
    images = probing.images(result.pixels.height, result.pixels.width, result.channels)
    if prepare is None:
        fed = probing.as_source_takes(images, result.pixels)
    else:
        fed = prepare(images.copy())
    line.save(model, os.path.join(folder, SAVED_MODEL))
    np.save(os.path.join(folder, OUTPUTS), line.outputs(model, np.asarray(fed, np.float32)))
    with open(os.path.join(folder, RESULT), 'w', encoding='utf-8') as file:
        json.dump(dict(result._asdict(), pixels=result.pixels._asdict()), file)


def _of_file(line, request, opened, folder):
    """Returns the Keras model of a file and its `KerasResult`."""
    declared = screening.input_shape(opened.config) or [None] * 4
    shape = _completed_shape(declared, request.pixels, request.file)
    screening.with_input_shape(opened.config, shape)
    model = line.build(opened, folder, request.file)
    rescales = any(type(layer).__name__ in _RESCALING for layer in model.layers)
    default = settings_lib.AS_THEY_ARE if rescales else settings_lib.FROM_MINUS_ONE
    pixels = settings_lib.completed(request.pixels, default)
    pixels = pixels._replace(height=shape[1], width=shape[2])
    return model, settings_lib.KerasResult(
        pixels, shape[3], settings_lib.origin(request.pixels, default)
    )


def _completed_shape(declared, pixels, origin):
    """Returns `[None, height, width, channels]`: what flags say, else the file, else 224."""
    if len(declared) != 4:
        raise UserError(
            '%s takes values of shape %s; expected images, [batch, height, width, channels]'
            % (origin, declared)
        )
    height = pixels.height or declared[1] or settings_lib.DEFAULT_SIZE
    width = pixels.width or declared[2] or settings_lib.DEFAULT_SIZE
    channels = declared[3] or 3
    if channels not in (1, 3) or not all(isinstance(each, int) for each in (height, width)):
        raise UserError(
            '%s takes images of shape %s; expected 3 channels, or 1 for grey, in the last place'
            % (origin, declared[1:])
        )
    if not (0 < height <= 1 << 14 and 0 < width <= 1 << 14):
        raise UserError('%s takes images of %s x %s pixels' % (origin, height, width))
    return [None, height, width, channels]


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


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
