#!/bin/sh
# Runs every lint check and test, on Python 3.7 and on 3.6 where both are there.
# Arguments go to pytest: sh tests/run.sh -k cache
cd "$(dirname "$0")/.." || exit 1
. scripts/venv.sh

newer=$(find_python 3.7)
older=$(find_python 3.6)
[ -n "$newer$older" ] || no_python
failed=

# Python 3.7 with the newest TensorFlow 1.15, and the lint checks, whose tool needs Python 3.7.
if [ -n "$newer" ]; then
    make_venv .venv "$newer" requirements.txt requirements-dev.txt || exit 1
    echo "== Lint"
    .venv/bin/ruff check . || failed="$failed lint"
    .venv/bin/ruff format --check . || failed="$failed format"
    echo "== Tests: $(.venv/bin/python --version), newest TensorFlow 1.15"
    .venv/bin/python -m pytest "$@" || failed="$failed python3.7"
else
    echo "== SKIPPED: lint and tests on Python 3.7: no Python 3.7 found"
fi

# Python 3.6 with the oldest TensorFlow 1.15, as in the official container.
if [ -n "$older" ]; then
    make_venv .venv-py3.6 "$older" requirements.txt requirements-dev.txt tests/oldest.txt || exit 1
    echo "== Tests: $(.venv-py3.6/bin/python --version), TensorFlow 1.15.0"
    .venv-py3.6/bin/python -m pytest "$@" || failed="$failed python3.6"
else
    echo "== SKIPPED: tests on Python 3.6: no Python 3.6 found"
fi

if [ -n "$failed" ]; then
    echo "== FAILED:$failed"
    exit 1
fi
echo "== All passed"
