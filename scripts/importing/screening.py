"""Screens the configuration of a Keras model: JSON that names the classes to build it from.

Keras builds what a configuration names, also code that the file holds (Lambda), any operation of
TensorFlow, and classes and functions that some program registered. Here a class has to be on the
allowlist before Keras sees the configuration.
"""

import re

from scripts.common import untrusted
from scripts.common.errors import UserError

_MOST_BYTES = 1 << 26  # NASNetLarge has 1 MB.
_MOST_DEPTH = 100
_LONGEST_SHOWN = 60

_LAYERS = """
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
    AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization BatchNormalizationV1
    BatchNormalizationV2 CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
    Conv3DTranspose Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Dot
    Dropout ELU EinsumDense Embedding Flatten Functional GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization Identity InputLayer LayerNormalization
    LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum Model
    MultiHeadAttention Multiply Normalization PReLU Permute ReLU RepeatVector Rescaling Reshape
    Resizing SeparableConv1D SeparableConv2D Sequential Softmax SpatialDropout1D SpatialDropout2D
    SpatialDropout3D Subtract ThresholdedReLU UnitNormalization UpSampling1D UpSampling2D
    UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
# Initializers, regularizers, constraints, dtypes and the tensors between layers.
_OTHERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform IdentityInitializer LecunNormal
    LecunUniform Ones Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
    L1 L1L2 L2 MaxNorm MinMaxNorm NonNeg UnitNorm DTypePolicy Policy __keras_tensor__ __tuple__
"""
_MODULES = {name: 'keras.layers' for name in _LAYERS.split()}
_MODULES.update(Functional='keras.src.models.functional', Model='keras', Sequential='keras')
_CLASSES = frozenset((_LAYERS + _OTHERS).split())
_ACTIVATION_NAMES = """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax
    softplus softsign sparse_plus sparsemax squareplus swish tanh tanh_shrink threshold
"""
_ACTIVATIONS = frozenset(_ACTIVATION_NAMES.split())
_MODULE = re.compile(r'(?:tensorflow\.(?:python\.)?)?keras(?:\.[a-z_][a-z_0-9]*)*|builtins')
_TRAINING = ('compile_config', 'training_config')  # Nothing here trains the model.


def model_config(data, origin):
    """Returns the configuration of a model, as JSON values that Keras may build.

    Args:
      data: bytes or str, the JSON text.
      origin: what a message calls the file.

    Raises:
      UserError: it is not the configuration of a model, or names what is not allowed.
    """
    if len(data) > _MOST_BYTES:
        raise UserError(
            '%s has a configuration of %d MB; at most %d MB are read'
            % (origin, len(data) >> 20, _MOST_BYTES >> 20)
        )
    try:
        text = data.decode('utf-8') if isinstance(data, bytes) else data
        config = untrusted.from_json(text)
        _screen(config, origin, 0)
    except (ValueError, RecursionError) as error:
        raise UserError(
            '%s is corrupt: its configuration is not JSON that can be read (%s)' % (origin, error)
        )
    if not isinstance(config, dict) or config.get('class_name') not in (
        'Functional',
        'Model',
        'Sequential',
    ):
        found = config.get('class_name') if isinstance(config, dict) else type(config).__name__
        raise UserError(
            '%s holds the configuration of %s; expected a model of layers (Sequential or '
            'Functional)' % (origin, _shown(found))
        )
    return config


def _screen(value, origin, depth):
    """Raises UserError at the first class, function or activation that is not allowed."""
    if depth > _MOST_DEPTH:
        raise ValueError('nested deeper than %d' % _MOST_DEPTH)
    if isinstance(value, list):
        for each in value:
            _screen(each, origin, depth + 1)
    if not isinstance(value, dict):
        return
    for key in _TRAINING:
        value.pop(key, None)
    if 'class_name' in value:
        _check_class(value, origin)
    elif 'module' in value or 'registered_name' in value:
        raise ValueError('an object of no class')
    for key, each in value.items():
        if key.endswith('activation') and isinstance(each, str) and each not in _ACTIVATIONS:
            _refuse('activation', each, origin)
        _screen(each, origin, depth + 1)


def _check_class(value, origin):
    name, module = value['class_name'], value.get('module')
    registered = value.get('registered_name')
    if not isinstance(name, str) or name not in _CLASSES:
        _refuse('class', name, origin)
    if module is not None and not (isinstance(module, str) and _MODULE.fullmatch(module)):
        _refuse('module', module, origin)
    if registered not in (None, name):
        _refuse('registered class', registered, origin)


def _refuse(kind, name, origin):
    raise UserError(
        '%s is refused: it is built with the %s %s, which may run other code than the layers of '
        "Keras do; replace it by Keras' own layers, or import a frozen graph of the network"
        % (origin, kind, _shown(name))
    )


def _shown(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '...'


def with_modules(value):
    """Returns JSON values in which each class has a module, as Keras 3 needs and 2 does not say."""
    if isinstance(value, list):
        return [with_modules(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: with_modules(each) for key, each in value.items()}
    if made.get('class_name') in _MODULES and made.get('module') is None:
        made.update(module=_MODULES[made['class_name']], registered_name=None)
    return made


def with_input_shape(config, shape):
    """Sets the shape, `[None, height, width, channels]`, that a model's configuration declares.

    Args:
      config: of `model_config`; it is changed.
      shape: list of int or None.

    Returns:
      Whether the configuration declares a shape, once.
    """
    layers = _layers(config)
    declaring = [
        (each['config'], key)
        for each in layers
        for key in ('batch_input_shape', 'batch_shape')
        if isinstance(each.get('config'), dict) and each['config'].get(key)
    ]
    inputs = [pair for pair in declaring if _is_input(pair, layers)]
    if len(inputs) != 1:
        return False
    inputs[0][0][inputs[0][1]] = shape
    return True


def input_shape(config):
    """Returns the shape that a configuration declares for its input, or None."""
    for each in _layers(config):
        values = each.get('config')
        for key in ('batch_input_shape', 'batch_shape'):
            if isinstance(values, dict) and isinstance(values.get(key), list):
                return values[key]
    return None


def _is_input(pair, layers):
    values, _ = pair
    of_input_layers = [each['config'] for each in layers if each.get('class_name') == 'InputLayer']
    return not of_input_layers or any(values is each for each in of_input_layers)


def _layers(config):
    """Returns the configurations of a model's layers; those of the first one, if it is a model."""
    values = config.get('config')
    layers = values.get('layers') if isinstance(values, dict) else values
    layers = [each for each in layers or [] if isinstance(each, dict)]
    if layers and layers[0].get('class_name') in ('Functional', 'Model', 'Sequential'):
        return _layers(layers[0])
    return layers
