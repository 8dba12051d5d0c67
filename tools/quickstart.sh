#!/usr/bin/env bash
# What `make quickstart` does once the program is built: the carried model and data (tools/prepare.sh), three chained stages
# over two MPI ranks, and the report's place. Done steps are skipped; a stopped run goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
program=build/metaloom
run=runs/quickstart
say() { echo "quickstart: $*"; }

tools/prepare.sh
say "training three stages over two ranks; progress and results follow, everything is kept in $run"
# Two ranks share the cores as the program sees fit; bound to one core each, more threads would not help them.
mpirun -np 2 --oversubscribe --bind-to none $program train configs/quickstart.toml run=$run
$program report $run
say "the report is $run/report.html"
