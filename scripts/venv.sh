# Sourced by demo.sh and tests/run.sh, from the repository's root: finds a Python, makes virtual
# environments. POSIX sh.

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

# Makes the virtual environment $1 with the Python $2 and installs what the requirements files
# $3... list; at once where that is done already.
make_venv() {
    folder=$1 python=$2
    shift 2
    stamp="$folder/installed-$(cat "$@" | cksum | cut -d ' ' -f 1)"
    [ ! -e "$stamp" ] || return 0
    echo "Setting up $folder with $("$python" --version 2>&1); this takes a minute."
    "$folder/bin/python" -c '' 2>/dev/null || rm -rf "$folder"
    "$python" -m venv "$folder" || return 1
    # The pip that Python 3.6 brings does not know the wheels that TensorFlow comes in, and the
    # newest does not run on it.
    "$folder/bin/python" -m pip install --quiet --upgrade 'pip>=21.3,<22' || return 1
    requirements=
    for file in "$@"; do
        requirements="$requirements -r $file"
    done
    # shellcheck disable=SC2086  # One word for each file.
    "$folder/bin/python" -m pip install --quiet $requirements || return 1
    touch "$stamp"
}

no_python() {
    echo "No Python 3.7 or 3.6 found, and TensorFlow 1.15 needs one of them: install one (with" \
         "pyenv: pyenv install 3.7.17) and run this again." >&2
    exit 1
}
