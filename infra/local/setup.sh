#!/bin/sh
# Builds the environment that the verbs of the Makefile run in, mends a half-made one, and does nothing when
# nothing changed.
#
#   sh infra/local/setup.sh FOLDER local     what the service needs
#   sh infra/local/setup.sh FOLDER dev       what its tests and checks need besides, other people's clients included
#
# PYTHON names the interpreter to use; without it the first fitting one on the PATH is taken. uv does the work
# when it is on the PATH, and otherwise the interpreter's own venv and pip.
#
# 1. Leave at once when the environment was finished from these very files.
# 2. Let one set-up at a time work on a folder.
# 3. Keep the environment that is there when it runs; otherwise make it anew.
# 4. Install the pinned packages, each checked against its hash, and this project from its own folder. The clients
#    that the tests run besides go into folders of their own, FOLDER/clients/NAME, and so does the emulator of Blob
#    Storage, FOLDER/azurite; what is JavaScript needs npm.
# 5. Write down what it was made from.
set -eu

cd "$(dirname "$0")/../.."
folder=$1
level=$2
lock=$folder/.lock             # holds the process that works on the folder
unfinished=$folder/.unfinished # stands from the first change to the last
clients=tests/journeys/clients # what pins them
azurite=tests/emulators/azurite  # likewise

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

has_uv() { command -v uv >/dev/null 2>&1; }

has_npm() { command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; }

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

version_of() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null; }

is_wished() { [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$folder/bin/python")" ]; }

made_from() {
    cksum pyproject.toml "requirements-$1.txt" infra/local/setup.sh
    if [ "$1" = dev ]; then
        cksum "$clients"/python/*.txt "$clients"/javascript/package*.json "$azurite"/package*.json
        command -v node npm || :
    fi
    "$folder/bin/python" -V
    where
}

where() { (cd "$folder" && pwd -P); }

# The scripts of an environment name their interpreter by its full path.
has_moved() { [ -e "$folder/.made-from-local" ] && [ "$(tail -n 1 "$folder/.made-from-local")" != "$(where)" ]; }

is_finished() {
    [ ! -e "$unfinished" ] && [ -e "$folder/.made-from-$level" ] && fits "$folder/bin/python" && is_wished &&
        [ "$(cat "$folder/.made-from-$level")" = "$(made_from "$level")" ]
}

is_usable() {
    [ ! -e "$unfinished" ] && fits "$folder/bin/python" && is_wished && ! has_moved &&
        { has_uv || "$folder/bin/python" -m pip --version >/dev/null 2>&1; }
}

# Prints the name of an interpreter that can make the environment.
find_python() {
    without_venv=
    set -- python3 python3.13 python3.12 python3.11
    [ -z "${PYTHON:-}" ] || set -- "$PYTHON"
    for candidate; do
        fits "$candidate" || continue
        if has_uv || "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -n "$without_venv" ]; then
        minor=$("$without_venv" -c 'import sys; print("3.%d" % sys.version_info[1])')
        fail "$without_venv is Python $minor, but its venv module is missing." \
            "Install it (Debian and Ubuntu: apt install python$minor-venv) and try again."
    fi
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13."
    fi
    fail "Heliograph needs Python 3.11, 3.12 or 3.13, and none is on the PATH." \
        "Install one (Debian and Ubuntu: apt install python3 python3-venv) or name one: make run PYTHON=/path/to/python"
}

old_entries() { find "$folder" -mindepth 1 -maxdepth 1 ! -name .lock ! -name .unfinished "$@"; }

make_anew() {
    python=$(find_python)
    if [ ! -e "$folder/pyvenv.cfg" ] && [ ! -e "$unfinished" ] && [ -n "$(old_entries | head -n 1)" ]; then
        fail "$folder is there and is not a Python environment. Move it away, or choose another: VENV=folder"
    fi
    touch "$unfinished"
    old_entries -exec rm -rf {} +
    echo "Setting up $folder with Python $(version_of "$python"); the first time takes about a minute."
    if has_uv; then
        uv venv --quiet --no-python-downloads --allow-existing --python "$python" "$folder"
    else
        "$python" -m venv "$folder"
    fi
}

install() {
    # Without build isolation, because setuptools is pinned among the packages; isolated it would be fetched unpinned.
    if has_uv; then
        set -- uv pip install --quiet --compile-bytecode --python "$folder/bin/python"
    else
        set -- "$folder/bin/python" -m pip install --quiet --disable-pip-version-check
    fi
    rm -rf "$folder/clients" "$folder/azurite"
    if [ "$level" = dev ] && has_npm; then
        install_javascript & # which waits for the network most of the time
        javascript=$!
    fi
    "$@" --require-hashes -r "requirements-$level.txt"
    "$@" --no-deps --no-build-isolation -e .
    if [ "$level" = dev ]; then
        install_clients "$@"
        if has_npm; then
            wait "$javascript"
        else
            echo "npm is not on the PATH: the tests will skip the clients in JavaScript, and Blob Storage."
        fi
    fi
}

# Takes the command that installs. Dependencies are those of the newest SDK, which the environment has.
install_clients() {
    for pins in "$clients"/python/*.txt; do
        "$@" --require-hashes --no-deps --target "$folder/clients/$(basename "$pins" .txt)" -r "$pins"
    done
}

install_javascript() {
    install_packages "$clients/javascript" "$folder/clients/javascript"
    install_packages "$azurite" "$folder/azurite"
}

# Takes the folder that pins them and the one that they go into.
install_packages() {
    mkdir -p "$2"
    cp "$1"/package*.json "$2"
    (cd "$2" && npm ci --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error)
}

# 1.
if is_finished; then
    exit 0
fi

# 2. A lock outlives its process only when that was killed outright.
mkdir -p "$folder"
until (set -C && echo $$ >"$lock") 2>/dev/null; do
    owner=$(cat "$lock" 2>/dev/null || :)
    if [ -n "$owner" ] && kill -0 "$owner" 2>/dev/null; then
        [ -n "${waiting:-}" ] || echo "Process $owner is setting up $folder; waiting. If it is not, remove $lock"
        waiting=yes
        sleep 1
    elif [ "$(cat "$lock" 2>/dev/null || :)" = "$owner" ]; then
        rm -f "$lock"
    fi
done
trap 'rm -f "$lock"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if is_finished; then
    exit 0
fi

# 3.
if is_usable; then
    echo "Bringing $folder up to date."
else
    make_anew
fi

# 4.
touch "$unfinished"
install

# 5. What the tests need includes what the service needs.
made_from local >"$folder/.made-from-local"
[ "$level" = local ] || made_from dev >"$folder/.made-from-dev"
rm "$unfinished"
