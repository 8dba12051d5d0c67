#!/usr/bin/env bash
# What `make quickstart` does once the program is built: the carried model and data (tools/prepare.sh), three chained stages
# over two MPI ranks, and the report's place. Done steps are skipped; a stopped run goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
program=build/metaloom
run=runs/quickstart
say() { echo "quickstart: $*"; }

tools/prepare.sh
device=auto
if command -v nvidia-smi >/dev/null && [ "$(.venv/bin/python -c 'import torch; print(torch.cuda.device_count())')" = 1 ]; then
  say "two ranks cannot share the one GPU here: they compute on the CPU"
  device=cpu
fi
say "training three stages over two ranks; progress and results follow, everything is kept in $run"
# Two ranks share the cores as the program sees fit; bound to one core each, more threads would not help them.
mpirun -np 2 --oversubscribe --bind-to none $program train configs/quickstart.toml run=$run model.device=$device
$program report $run
say "the report is $run/report.html"
