"""Fixtures: networks to import, which processes of their own make once."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY


def make(kind, output, argument=''):
    """Makes a network by `make_models`; returns its path."""
    ended = subprocess.run(
        [sys.executable, '-m', 'tests.importing.make_models', kind, str(output), argument],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert ended.returncode == 0, ended.stdout.decode('utf-8', 'replace')[-2000:]
    return str(output)


@pytest.fixture(scope='session')
def formats():
    """The extensions of Keras' files here: of whole models, and of weights."""
    import tensorflow.compat.v1 as tf

    return ('h5', 'h5') if tf.VERSION.startswith('1.') else ('keras', 'weights.h5')


@pytest.fixture(scope='session')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('networks')


@pytest.fixture(scope='session')
def small(folder):
    return make('small', folder / 'small.h5', 'plain')


@pytest.fixture(scope='session')
def small_zip(folder, formats):
    if formats[0] == 'h5':
        pytest.skip('the Keras of TensorFlow 1.15 writes no .keras files')
    return make('small', folder / 'small.keras', 'plain')


@pytest.fixture(scope='session')
def saved_model(folder):
    return make('saved_model', folder / 'saved_model')


@pytest.fixture(scope='session')
def squeezenet(folder, formats):
    from tests.conftest import SHARED_DATA

    weights = os.path.join(SHARED_DATA, 'networks', 'squeezenet_1.1.h5')
    if not os.path.exists(weights):
        pytest.skip('the weights, %s, are not on this machine' % weights)
    return make('squeezenet', folder / ('squeezenet.' + formats[0]), os.path.abspath(weights))
