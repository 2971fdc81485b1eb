"""Stands in for the package of this name where a command is started by its file.

`python scripts/retrain.py`, and `python retrain.py` in here, as the classic scripts were started,
let Python look for modules in this very folder, which has no package `scripts` in it: `from scripts
import command` finds this module, and it becomes that package.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
__path__ = [_HERE]

# Behind every package: some have the name of a folder in here, such as images or dataset.
_others = [each for each in sys.path if os.path.abspath(each) != _HERE]
sys.path[:] = [os.path.dirname(_HERE)] + _others + [_HERE]
