#!/usr/bin/env bash
# Sets up what is missing, then starts the web UI with the given arguments.  ./webui.sh test [pytest arguments] runs every test.
# Settings for this machine: webui-user.sh.  Works with the bash 3.2 of macOS.
set -eu

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$root"

die() { printf 'webui.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*" >&2; }

# Without -e and -u for a moment: the file is the person's own.
set +eu
[ -f "$root/webui-user.sh" ] && . "$root/webui-user.sh"
set -eu

venv=${venv_dir:-venv}
torch_command=${TORCH_COMMAND:-pip install torch==2.13.0}
requirements=${REQS_FILE:-requirements.txt}
alone=requirements-no-deps.txt

# The words of a line, one to a line of output, quotes and backslashes as in a shell; nothing is expanded or run.
words() { [ -z "${1// /}" ] || printf '%s\n' "$1" | xargs printf '%s\n'; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }

find_python() {
  if [ -n "${python_cmd:-}" ]; then
    command -v "$python_cmd" >/dev/null || die "python_cmd is \"$python_cmd\", and there is no such program."
    is_new_enough "$python_cmd" || die "\"$python_cmd\" (python_cmd) is older than Python 3.10 or does not start."
    python=$python_cmd
    return
  fi
  for python in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python; do
    if is_new_enough "$python"; then return; fi
  done
  die "no Python 3.10 or newer found. Install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.12)," \
    "or name it: python_cmd=/path/to/python3 ./webui.sh"
}

make_venv() {
  find_python
  local version
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  "$python" -c 'import venv, ensurepip' 2>/dev/null ||
    die "Python $version has no venv module. Debian, Ubuntu: apt-get install python$version-venv; Fedora: dnf install python3-pip."
  say "Making $venv with Python $version"
  "$python" -m venv "$venv" || die "could not make the virtual environment \"$venv\" (see above)."
}

# Sets $python, and $stamp: the file that remembers what was installed for it.
choose_python() {
  if [ "$venv" = - ]; then
    find_python
    python=$(command -v "$python")
    stamp=$root/.installed
    about=$python
    return
  fi
  [ -e "$venv/bin/python" ] || [ -L "$venv/bin/python" ] || make_venv
  [ -e "$venv/bin/python" ] || die "the Python that \"$venv\" was made with is gone. Delete the folder \"$venv\" and start again."
  case $venv in /*) python=$venv/bin/python ;; *) python=$root/$venv/bin/python ;; esac
  stamp=$(dirname "$(dirname "$python")")/.installed
  about=$(grep -i '^version' "$(dirname "$stamp")/pyvenv.cfg" || true)
}

# need STAMP FILE…: true if what these files ask for is not what the stamp says.
wanted() { printf '%s\n' "$about" "$torch_command" && cat "$@"; }
need() { local stamp=$1; shift; [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$(wanted "$@")" ]; }

install_program() {
  [ -f "$requirements" ] || die "there is no file \"$requirements\" (REQS_FILE)."
  local command=() word
  while IFS= read -r word; do command+=("$word"); done < <(words "$torch_command")
  # torch comes first: then nothing below pulls another build of it.
  say "Installing torch: $torch_command"
  "$python" -m "${command[@]}" ${reinstall:+--force-reinstall} || die "torch could not be installed (see above). TORCH_COMMAND in webui-user.sh says how."
  say "Installing $requirements"
  "$python" -m pip install -r "$requirements" || die "the packages of $requirements could not be installed (see above)."
  say "Installing $alone"
  "$python" -m pip install --no-deps -r "$alone" || die "the packages of $alone could not be installed (see above)."
  wanted "$requirements" "$alone" >"$stamp"
}

run_tests() {
  if need "$stamp-test" requirements-test.txt; then
    say "Installing requirements-test.txt"
    "$python" -m pip install -r requirements-test.txt || die "the packages of requirements-test.txt could not be installed (see above)."
    wanted requirements-test.txt >"$stamp-test"
  fi
  "$python" tests/browser.py || die "the tests need a browser (see above)."
  exec "$python" -m pytest "$@"
}

testing= skip= leave= reinstall=
if [ "${1:-}" = -f ]; then shift; fi # A1111: "let root start it"; root may
if [ "${1:-}" = test ]; then testing=1; shift; fi

set -f # no wildcards in COMMANDLINE_ARGS
for word in "$@" ${COMMANDLINE_ARGS:-}; do
  case $word in
    --skip-install | --skip-prepare-environment) skip=1 ;;
    --reinstall-torch) reinstall=1 ;;
    --exit) leave=1 ;;
  esac
done
set +f

choose_python
if [ -n "$testing" ]; then skip='' reinstall=''; fi
if [ -z "$skip" ] && { [ -n "$reinstall" ] || need "$stamp" "$requirements" "$alone"; }; then install_program; fi
if [ -n "$testing" ]; then run_tests "$@"; fi
if [ -n "$leave" ]; then exit 0; fi
export COMMANDLINE_ARGS=${COMMANDLINE_ARGS:-} # app.py reads it, and then what is typed
exec "$python" app.py "$@"
