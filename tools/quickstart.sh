#!/usr/bin/env bash
# What `make quickstart` does once the program is built: carried texts -> token stores, carried weights -> model archive,
# three chained stages over two MPI ranks, and the report's place. Done steps are skipped; a stopped run goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
program=build/metaloom
run=runs/quickstart
say() { echo "quickstart: $*"; }

# What the archive is made of and by: a change of any of them makes it anew.
model=.cache/models/minilm-mlm.h5
for part in data/minilm-mlm/delta.safetensors tools/import_model.py tools/weights.py tools/archive.py requirements.lock; do
  if [ ! $model -nt $part ]; then
    say "importing the carried encoder (MiniLM-L6 with its masked-language-model head)"
    $program import minilm-mlm out=$model
    break
  fi
done
say "preparing the carried data"
$program data data/quickstart.toml out=.cache/quickstart
say "training three stages over two ranks; progress and results follow, everything is kept in $run"
# Two ranks share the cores as the program sees fit; bound to one core each, more threads would not help them.
mpirun -np 2 --oversubscribe --bind-to none $program train configs/quickstart.toml run=$run
$program report $run
say "the report is $run/report.html"
