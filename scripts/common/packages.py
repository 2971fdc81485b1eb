"""The error of a command started by a Python without the packages that it needs."""

import importlib.util
import os
import shlex
import sys

from scripts.common.errors import UserError

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


def require(names, wanted_by, requirements):
    """Raises UserError where packages are missing that few need. Nothing is imported for that.

    Args:
      names: list of str, by which they are imported and installed.
      wanted_by: what needs them: a command, or a flag, with its dashes.
      requirements: the name of the file that lists them.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            '%s needs %s, which this Python does not have: %s%s'
            % (
                wanted_by,
                ', '.join(missing),
                'leave it out, or ' if wanted_by.startswith('--') else '',
                _how_to_install(requirements),
            )
        )


def is_ours():
    """Returns whether the program that runs is one of these commands."""
    return _program().startswith(_HERE + os.sep)


def _program():
    return os.path.abspath(getattr(sys.modules['__main__'], '__file__', ''))


def _what_to_do(missing):
    root = os.path.dirname(_HERE)
    activate = [os.path.join(root, name, 'bin', 'activate') for name in _ENVIRONMENTS]
    found = [shlex.quote(path) for path in activate if os.path.exists(path)]
    return 'this Python (%s) does not have %s: activate the environment that has (%s), or %s' % (
        sys.executable,
        ', '.join(missing),
        '. ' + found[0] if found else 'conda activate, or . FOLDER/bin/activate',
        _how_to_install('requirements.txt'),
    )


def _how_to_install(requirements):
    path = os.path.join(os.path.dirname(_HERE), requirements)
    return 'install what is missing: %s -m pip install -r %s' % (
        shlex.quote(sys.executable),
        shlex.quote(path),
    )
