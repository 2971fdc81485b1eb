#!/bin/sh
# Runs the lint checks and the tests, in the environment that the demo takes: the first that has a
# Python here. Arguments go to pytest: sh tests/run.sh -k cache
#
# sh tests/run.sh --all runs them in every environment that has a Python here: Python 3.7 with the
# newest TensorFlow 1.15; Python 3.6 with the oldest, as in the official container; the newest Python
# with TensorFlow 2. The tests marked slow, which it alone runs, and those marked each_tensorflow run
# once for TensorFlow 1.15 and once for 2; those marked once, in the first environment alone; those
# marked each_python, in all. Where CI is set, the two with TensorFlow 1.15 must be there.
cd "$(dirname "$0")/.." || exit 1
. scripts/venv.sh

all=
if [ "$1" = --all ]; then
    all=yes
    shift
fi
# Python 3.6 takes the encoding of names from the locale, and containers have none.
[ -n "$LC_ALL$LC_CTYPE$LANG" ] || export LANG=C.UTF-8

ran='' tested='' missing='' failed='' pythons='' linted=''

lint() {
    echo "== Lint"
    "$venv/bin/ruff" check . || failed="$failed, lint"
    "$venv/bin/ruff" format --check . || failed="$failed, format"
    linted=yes
}

make() {
    more=
    case $environment in
        # Extras are tested here alone.
        3.7) more='requirements-export.txt requirements-search.txt requirements-spark.txt' ;;
        3.6) more=tests/oldest.txt ;;
    esac
    # shellcheck disable=SC2086  # Nothing where it is empty.
    make_venv "$venv" "$python" requirements.txt requirements-dev.txt $more
}

if [ -n "$all" ]; then  # All at once: pip takes half a minute and more for each, on one core.
    trap 'kill 0' INT
    for environment in $ENVIRONMENTS; do
        ! find_environment "$environment" || make &
    done
    wait
    trap - INT
fi
for environment in $ENVIRONMENTS; do
    if ! find_environment "$environment"; then
        missing="$missing, Python $environment with $tensorflow"
        continue
    fi
    make || exit 1
    # Its tool needs Python 3.7.
    [ "$environment" = 3.6 ] || [ -n "$linted" ] || lint
    name="$("$python" --version 2>&1) with TensorFlow $("$venv/bin/python" -m pip show tensorflow \
        2>/dev/null | sed -n 's/^Version: //p')"
    marked='not slow'
    if [ -n "$all" ]; then
        case $tested in
            '') marked= ;;
            *"$tensorflow"*) marked='each_python or not (slow or once or each_tensorflow)' ;;
            *) marked='each_python or not once' ;;
        esac
    fi
    tested="$tested, $tensorflow"
    echo "== Tests: $name"
    "$venv/bin/python" -m pytest -n 2 --dist loadgroup --durations=10 -m "$marked" "$@" \
        || failed="$failed, $name"
    ran="$ran, $name" pythons="$pythons $PWD/$venv/bin/python"
    [ -n "$all" ] || break
done
[ -n "$ran" ] || no_python
[ -n "$linted" ] || missing="$missing, lint"

# What one environment writes, the others read.
if [ -n "$all" ] && [ -z "$missing" ] && [ $# = 0 ]; then
    echo "== Tests of each environment's graphs in each other environment"
    ENVIRONMENT_PYTHONS=$pythons .venv/bin/python -m pytest tests/test_environments.py \
        || failed="$failed, environments"
fi

echo "== Ran: ${ran#, }"
[ -n "$all" ] || echo "== Left out: the slow tests (-m slow) and the other environments; --all runs them"
[ -z "$missing" ] || echo "== DID NOT RUN, for want of a Python: ${missing#, }"
case "${CI:+$all$missing}" in
    yes*1.15*) failed="$failed, CI without TensorFlow 1.15" ;;
esac
if [ -n "$failed" ]; then
    echo "== FAILED: ${failed#, }"
    exit 1
fi
echo "== All passed"
