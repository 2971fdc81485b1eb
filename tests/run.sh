#!/bin/sh
# Runs every lint check and test, in each lane that has a Python here: Python 3.7 with the newest
# TensorFlow 1.15; Python 3.6 with the oldest, as in the official container; the newest Python with
# TensorFlow 2. Where CI is set, the two with TensorFlow 1.15 must be there.
# Arguments go to pytest: sh tests/run.sh -k cache
cd "$(dirname "$0")/.." || exit 1
. scripts/venv.sh

ran='' missing='' failed='' pythons='' linted=''

lint() {
    echo "== Lint"
    "$venv/bin/ruff" check . || failed="$failed, lint"
    "$venv/bin/ruff" format --check . || failed="$failed, format"
    linted=yes
}

for lane in $LANES; do
    if ! find_lane "$lane"; then
        missing="$missing, Python $lane with $tensorflow"
        continue
    fi
    oldest=
    [ "$lane" != 3.6 ] || oldest=tests/oldest.txt
    # shellcheck disable=SC2086  # Nothing where it is empty.
    make_venv "$venv" "$python" requirements.txt requirements-dev.txt $oldest || exit 1
    # Its tool needs Python 3.7.
    [ "$lane" = 3.6 ] || [ -n "$linted" ] || lint
    name="$("$python" --version 2>&1) with TensorFlow $("$venv/bin/python" -m pip show tensorflow \
        2>/dev/null | sed -n 's/^Version: //p')"
    echo "== Tests: $name"
    "$venv/bin/python" -m pytest "$@" || failed="$failed, $name"
    ran="$ran, $name" pythons="$pythons $PWD/$venv/bin/python"
done
[ -n "$ran" ] || no_python
[ -n "$linted" ] || missing="$missing, lint"

# What one lane writes, the others read.
if [ -z "$missing" ] && [ $# = 0 ]; then
    echo "== Tests of each lane's graphs in each other lane"
    LANE_PYTHONS=$pythons .venv/bin/python -m pytest tests/test_lanes.py || failed="$failed, lanes"
fi

echo "== Ran: ${ran#, }"
[ -z "$missing" ] || echo "== DID NOT RUN, for want of a Python: ${missing#, }"
case "${CI:+$missing}" in
    *1.15*) failed="$failed, CI without TensorFlow 1.15" ;;
esac
if [ -n "$failed" ]; then
    echo "== FAILED: ${failed#, }"
    exit 1
fi
echo "== All passed"
