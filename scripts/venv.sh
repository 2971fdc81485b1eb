# Sourced by demo.sh and tests/run.sh, from the repository's root: finds a Python, makes virtual
# environments. POSIX sh.
#
# An environment is a Python and the TensorFlow that goes with it, in a virtual environment of its own.

# In the order in which the demo takes them.
ENVIRONMENTS='3.7 3.6 newer'

# Those that TensorFlow 2 has packages for.
NEWER_PYTHONS='3.13 3.12 3.11 3.10 3.9 3.8'

# Prints the path of a Python of version $1 ("3.7") that can make virtual environments, or nothing.
find_python() {
    for candidate in "python$1" python3 python \
            "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        found=$("$candidate" -c "
import sys, venv, ensurepip
if '%d.%d' % sys.version_info[:2] == '$1' and sys.maxsize > 2 ** 32:
    print(sys.executable)" 2>/dev/null) || continue
        if [ -n "$found" ]; then
            echo "$found"
            return
        fi
    done
}

# Sets $python, $venv and $tensorflow to those of the environment $1; fails where it has no Python
# here.
find_environment() {
    versions=$1
    case $1 in
        3.7) venv=.venv tensorflow='TensorFlow 1.15' ;;
        3.6) venv=.venv-py3.6 tensorflow='TensorFlow 1.15' ;;
        newer) venv=.venv-tf2 tensorflow='TensorFlow 2' versions=$NEWER_PYTHONS ;;
    esac
    for version in $versions; do
        python=$(find_python "$version")
        [ -z "$python" ] || return 0
    done
    return 1
}

# Sets the same to those of the first environment that has a Python here, and says which that is.
take_environment() {
    for environment in $ENVIRONMENTS; do
        find_environment "$environment" || continue
        echo "Using $("$python" --version 2>&1) with $tensorflow, in $venv."
        return
    done
    no_python
}

# Makes the virtual environment $1 with the Python $2 and installs what the requirements files
# $3... list; at once where that is done already.
make_venv() {
    folder=$1 base=$2
    shift 2
    version=$("$base" --version 2>&1)
    stamp="$folder/installed-$(cat "$@" | cksum | cut -d ' ' -f 1)"
    if [ "$("$folder/bin/python" --version 2>&1)" != "$version" ]; then
        rm -rf "$folder"
    elif [ -e "$stamp" ]; then
        return 0
    fi
    echo "Setting up $folder with $version; this takes a minute or two."
    "$base" -m venv "$folder" || return 1
    case $version in
        # Their own pip does not know the wheels that TensorFlow comes in; the newest does not run
        # on Python 3.6.
        *\ 3.[67].*) "$folder/bin/python" -m pip install --quiet 'pip>=21.3,<22' || return 1 ;;
    esac
    requirements=
    for file in "$@"; do
        requirements="$requirements -r $file"
    done
    # shellcheck disable=SC2086  # One word for each file.
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check $requirements || return 1
    touch "$stamp"
}

no_python() {
    echo "No Python from 3.6 to 3.13 found that can make virtual environments: install one (with" \
         "pyenv: pyenv install 3.7.17; on Debian: apt install python3-venv) and run this again." >&2
    exit 1
}
