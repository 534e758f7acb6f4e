#!/usr/bin/env bash
# Everything kashop needs, in one command each. Safe to run again; writes only inside this folder (and $DATA).
set -euo pipefail

usage() {
  cat <<'TEXT'
./install.sh demo    a demo shop on http://127.0.0.1:8000 (HOST, PORT and DATA override)
./install.sh test    everything the tests need, then all the checks and tests

Needs Linux and Python >= 3.11 with venv, nothing else. PYTHON=/path/to/python picks one.
`./install.sh install` (a server with systemd) is planned and not built yet: see docs/guide for running a shop by hand.
TEXT
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv="$here/.venv"

main() {
  settle_environment
  case "${1:-}" in
    demo) demo ;;
    test) run_tests ;;
    -h | --help | help) usage ;;
    *) usage >&2; exit 2 ;;
  esac
}

demo() {
  prepare run
  exec "$venv/bin/kashop" demo --host "${HOST:-127.0.0.1}" --port "${PORT:-8000}" --data "${DATA:-$here/demo-data}"
}

run_tests() {
  prepare test
  find_chromium
  find_chinese_font
  cd "$here"
  step "ruff check" "$venv/bin/python" -m ruff check .
  step "ruff format" "$venv/bin/python" -m ruff format --check .
  step "mypy --strict" "$venv/bin/python" -m mypy --strict src
  step "import contracts" "$venv/bin/lint-imports"
  step "bench, a short one (a wrong count fails it, a slow machine does not)" "$venv/bin/python" -m bench --quick
  say "pytest"
  # one a core, neither of which ends long before the other; last, so that its closing line is the last word
  export KASHOP_TEST_ENGINE=both  # SQLite, and again a real PostgreSQL, from a wheel
  exec "$venv/bin/python" -m pytest -n 2 --dist worksteal --durations=25 --durations-min=1
}

# --- the environment ---------------------------------------------------------------------------------------------------

# A caller's settings for other Python work must not leak in; mirrors and proxies (PIP_INDEX_URL, HTTPS_PROXY) may.
settle_environment() {
  unset PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
  export PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUTF8=1
  [ -w "${HOME:-/nonexistent}" ] || export PIP_NO_CACHE_DIR=1
}

# prepare run|test: the environment holds exactly the pinned packages; does nothing when it already does.
prepare() {
  local wanted
  make_venv
  wanted=$(stamp_of "$1")
  [ "$(cat "$venv/.kashop-$1" 2>/dev/null)" = "$wanted" ] && [ -x "$venv/bin/kashop" ] && return
  say "installing the pinned packages (the first time takes a minute or two)"
  pip_install --require-hashes -r "$here/requirements/$1.txt"
  pip_install --require-hashes -r "$here/requirements/build.txt"
  pip_install --no-build-isolation --no-deps --editable "$here"
  printf '%s\n' "$wanted" >"$venv/.kashop-$1"
  [ "$1" = run ] || stamp_of run >"$venv/.kashop-run"  # what the tests need holds all that the shop needs
}

# A moved folder or another Python makes a new environment: neither survives the change.
make_venv() {
  local python made_for
  if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    made_for=$(cat "$venv/.kashop-place" 2>/dev/null || printf '%s\n' "$here")
    [ "$made_for" = "$here" ] && good_python "$venv/bin/python" && { printf '%s\n' "$here" >"$venv/.kashop-place"; return; }
  fi
  python=$(find_python)
  say "making .venv with $("$python" -V)"
  "$python" -m venv --clear "$venv"
  printf '%s\n' "$here" >"$venv/.kashop-place"
}

find_python() {
  local name
  for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
    good_python "$name" && { command -v "$name"; return; }
  done
  fail "Python 3.11 or newer with its venv module is needed (found: $(python3 -V 2>&1 || true))." \
    "On Debian or Ubuntu: apt-get install python3 python3-venv. Or name one: PYTHON=/path/to/python ./install.sh …"
}

good_python() {
  "$1" -c 'import sys, ssl, sqlite3, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

stamp_of() {
  { cat "$here/requirements/$1.txt" "$here/requirements/build.txt" "$here/pyproject.toml"; "$venv/bin/python" -V; } |
    sha256sum | cut -d' ' -f1
}

pip_install() {
  "$venv/bin/python" -m pip install --quiet "$@" || fail "pip could not install ($*): its message is above."
}

# --- what the browser tests need ---------------------------------------------------------------------------------------

find_chromium() {
  local name
  for name in ${KASHOP_TEST_CHROMIUM:+"$KASHOP_TEST_CHROMIUM"} chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then
      KASHOP_TEST_CHROMIUM=$(command -v "$name")
      export KASHOP_TEST_CHROMIUM
      return
    fi
  done
  [ -z "${asked_for_chromium:-}" ] && apt_get_install chromium && asked_for_chromium=1 && { find_chromium; return; }
  fail "The browser tests need Chromium, and it is not here." \
    "Install it (Debian: apt-get install chromium) or name one: KASHOP_TEST_CHROMIUM=/path/to/chrome ./install.sh test"
}

find_chinese_font() {
  command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh 2>/dev/null | head -n 1)" ] && return
  apt_get_install fonts-noto-cjk || say "no Chinese font found: screenshots will show boxes (Debian: fonts-noto-cjk)"
}

apt_get_install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  say "apt-get install $*"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# --- words -------------------------------------------------------------------------------------------------------------

step() {
  local name=$1
  shift
  say "$name"
  "$@" || fail "The step \"$name\" failed: its message is above."
}

say() { printf '>> %s\n' "$*" >&2; }
fail() { printf '!! %s\n' "$@" >&2; exit 1; }

main "$@"
