"""The two Keras: 3, which runs eagerly under TensorFlow 2, and that of 1.15, which builds graphs.

Only `keras_worker` uses this module: it says why.
"""

import collections
import json
import os

import numpy as np

from scripts.common.errors import UserError
from scripts.importing import hdf5, screening
from scripts.importing import settings as settings_lib


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


class Eager:
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
        call = tf.function(lambda image: {settings_lib.OUTPUT: model(image, training=False)})
        call = call.get_concrete_function(tf.TensorSpec(shape, tf.float32, name=settings_lib.INPUT))
        tf.saved_model.save(module, folder, signatures={'serving_default': call})


class Graph:
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
            {settings_lib.INPUT: model.inputs[0]},
            {settings_lib.OUTPUT: model.outputs[0]},
        )
