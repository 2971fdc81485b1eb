"""The error of a command started by a Python without the packages that all commands need."""

import importlib.util
import os
import shlex
import sys

# By the names that they are imported and installed under.
_NEEDED = {'absl': 'absl-py', 'numpy': 'numpy', 'PIL': 'pillow', 'tensorflow': 'tensorflow'}
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ENVIRONMENTS = ('.venv', '.venv-py3.6', '.venv-tf2')  # Those that venv.sh makes.


def check():
    """Ends the process with one line if one of these commands was started without packages.

    Nothing is imported for that. Other programs get Python's own ImportError.
    """
    missing = [name for key, name in _NEEDED.items() if importlib.util.find_spec(key) is None]
    if missing and is_ours():
        name = os.path.splitext(os.path.basename(_program()))[0]
        sys.exit('%s: error: %s' % (name, _what_to_do(missing)))


def is_ours():
    """Returns whether the program that runs is one of these commands."""
    return _program().startswith(_HERE + os.sep)


def _program():
    return os.path.abspath(getattr(sys.modules['__main__'], '__file__', ''))


def _what_to_do(missing):
    root = os.path.dirname(_HERE)
    activate = [os.path.join(root, name, 'bin', 'activate') for name in _ENVIRONMENTS]
    found = [shlex.quote(path) for path in activate if os.path.exists(path)]
    return (
        'this Python (%s) does not have %s: activate the environment that has (%s), or install '
        'what is missing: %s -m pip install -r %s'
        % (
            sys.executable,
            ', '.join(missing),
            '. ' + found[0] if found else 'conda activate, or . FOLDER/bin/activate',
            shlex.quote(sys.executable),
            shlex.quote(os.path.join(root, 'requirements.txt')),
        )
    )
