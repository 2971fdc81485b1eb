"""The networks of tf.keras.applications: their weights, sizes and preprocessing.

Only `keras_worker` uses this module: it says why.
"""

import numpy as np

from scripts.common.errors import UserError
from scripts.importing import settings as settings_lib


def build(line, request, weights, folder):
    """Returns a Keras application with its weights, at the size that the flags say.

    Args:
      line: a `keras_lines.Eager` or `Graph`.
      request: a `keras_worker.Request`.
      weights: an open h5py.File, or None: Keras downloads them.
      folder: for temporary files.
    """
    applications = line.tf.keras.applications
    make = getattr(applications, request.application, None)
    names = sorted(name for name in dir(applications) if name[0].isupper())
    if request.application not in names or not callable(make):
        raise UserError(
            '--keras_application=%s: the Keras of this TensorFlow has no such network; it has %s'
            % (request.application, ', '.join(names))
        )
    if weights is None:
        pretrained = _downloaded(make, request.application)
    else:
        pretrained = make(weights=None)
        line.load_weights(pretrained, weights, request.weights, folder)
    given = request.pixels.height, request.pixels.width
    own = pretrained.input_shape[1:3]
    size = [given[i] or given[1 - i] or own[i] or settings_lib.DEFAULT_SIZE for i in (0, 1)]
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


def result(model, request, prepare):
    """Returns the `settings.KerasResult` of an application that `prepare` makes images for."""
    preprocessing, order = read_preprocessing(prepare, request.application)
    pixels = settings_lib.completed(request.pixels, preprocessing)
    height, width = [int(each) for each in model.input_shape[1:3]]
    pixels = pixels._replace(
        height=height, width=width, channel_order=request.pixels.channel_order or order
    )
    return settings_lib.KerasResult(pixels, 3, settings_lib.origin(request.pixels, preprocessing))


def preparing(tf, name):
    """Returns the function with which Keras prepares images, 0 to 255, for an application."""
    applications = tf.keras.applications
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


def read_preprocessing(prepare, name):
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
