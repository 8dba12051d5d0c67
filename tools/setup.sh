#!/usr/bin/env bash
# Makes a machine ready to build: Debian packages (tools/debian-packages.txt) and .venv (requirements.lock). Does only
# what is not yet done. Settings from the environment:
#   CUDA=OFF        the small installation for -DMETALOOM_CUDA=OFF: no CUDA libraries beyond the two torch's CPU half loads
#   PACKAGES=skip   leave the system's packages alone (modules, conda, no root)
#   PYTHON=python3  the Python that makes .venv
set -euo pipefail
cd "$(dirname "$0")/.."
say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

debian_packages() {
  if [ "${PACKAGES:-}" = skip ]; then say "Debian packages: left alone (PACKAGES=skip)"; return; fi
  if ! command -v apt-get >/dev/null; then
    say "Debian packages: no apt-get here; tools/debian-packages.txt lists what has to be there by other means"; return
  fi
  local missing=() package
  while read -r package; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done <tools/debian-packages.txt
  if [ ${#missing[@]} -eq 0 ]; then say "Debian packages: all here"; return; fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "missing Debian packages: ${missing[*]}
  Neither root nor sudo is at hand. Ask an administrator for them, or load them as modules or from conda and run
  'make setup PACKAGES=skip' (README, \"Without root\")."
    as_root=(sudo)
  fi
  say "Debian packages: installing ${missing[*]}"
  local log; log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -q &&
         "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
       </dev/null >"$log" 2>&1; then
    tail -20 "$log" >&2
    fail "apt-get failed (its last lines are above, all of them in $log)"
  fi
  rm -f "$log"
}

# The lines of requirements.lock for this kind of build. A package is one unindented line and its indented hashes.
locked() {
  if [ "$1" = OFF ]; then
    awk '/^[^ ]/ { keep = !/^(nvidia-|cuda-|triton)/ || /^nvidia-cuda-(runtime|cupti)==/ } keep' requirements.lock
  else
    cat requirements.lock
  fi
}

python_packages() {
  local kind=${CUDA:-ON} stamp=.venv/installed.sha256 python=${PYTHON:-python3} wanted
  wanted=$(locked "$kind" | sha256sum)
  if [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then
    say "Python packages: .venv is as requirements.lock says"; return
  fi
  if [ ! -x .venv/bin/pip ]; then
    command -v "$python" >/dev/null || fail "no $python: install Python 3.11 or name one with PYTHON=..."
    say "Python packages: making .venv"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python cannot make a virtual environment (on Debian: apt-get install python3-venv)"
  fi
  say "Python packages: bringing .venv to the $(locked "$kind" | grep -c ==) packages of requirements.lock" \
      "(from nothing: $([ "$kind" = OFF ] && echo '1 GB' || echo '3 GB to fetch, 5 GB on disk'), a minute or two)"
  local list; list=$(mktemp)
  locked "$kind" >"$list"
  .venv/bin/pip install -q --progress-bar off --disable-pip-version-check --no-deps --require-hashes -r "$list" ||
    fail "pip failed: see above. Without a network, copy a .venv from a machine that has one."
  rm -f "$list"
  echo "$wanted" >$stamp
}

debian_packages
python_packages
