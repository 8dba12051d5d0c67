#!/usr/bin/env bash
# slurm/train.sbatch on a real Slurm of virtual nodes on this host: told to stop in mid-run, preempted, cancelled. The run
# must end finished, with every update once in its metrics and the weights of a run that nobody disturbed.
# Needs root, the Debian packages slurm-wlm slurm-wlm-basic-plugins munge libpmix2, and the cluster script that developers
# have beside the project; skipped (77) without them.
set -euo pipefail

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*"; tail -40 "$folder"/job*.out 2>/dev/null; exit 1; }

cluster=../shared/slurm/mini_slurm.sh
[ -f $cluster ] || skip "there is no $cluster"
[ "$(id -u)" = 0 ] || skip "a Slurm of one's own needs root"
for tool in sbatch srun slurmctld slurmd munged mpirun; do
  command -v $tool >/dev/null || PATH=$PATH:/usr/sbin command -v $tool >/dev/null || skip "$tool is not installed"
done
compgen -G "/usr/lib/*/slurm*/mpi_pmix.so" >/dev/null || skip "Slurm has no PMIx plug-in"
export METALOOM_PROGRAM=${METALOOM_PROGRAM:-build/metaloom} PYTHONPATH=$PWD PATH=$PATH:/usr/sbin
[ -x "$METALOOM_PROGRAM" ] || skip "there is no $METALOOM_PROGRAM"
python=${METALOOM_PYTHON:-.venv/bin/python}

folder=$(mktemp -d)
export MS_DIR=$folder/slurm MS_NODES=2 MS_CPUS=2 MS_GPUS=1 MS_PORT=$((20000 + RANDOM % 20000))
finish() {
  bash $cluster down >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap finish EXIT

# $1: seconds, then a command that comes true.
within() {
  local seconds=$1 start=$SECONDS
  shift
  until "$@"; do
    [ $((SECONDS - start)) -lt "$seconds" ] || return 1
    sleep 0.3
  done
}
updates_made() {
  local made
  made=$(grep -c '"update"' "$folder/run/metrics.jsonl" 2>/dev/null) || true
  [ "${made:-0}" -ge "$1" ]
}
state() { scontrol show job "$1" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p'; }
is() { [ "$(state "$1")" = "$2" ]; }
over() { ! is "$1" PENDING && ! is "$1" RUNNING && ! is "$1" COMPLETING; }
restarted() { [ "$(scontrol show job "$1" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p')" -ge "$2" ]; }
running_again() { restarted "$1" "$2" && is "$1" RUNNING && grep -q "attempt $(($2 + 1))," "$folder/job$1.out"; }

$python tests/system/make_tiny_model.py "$folder/tiny.h5" >/dev/null
"$METALOOM_PROGRAM" data tests/data/tiny.toml out="$folder/stores" tokenizer="$folder/tiny.h5" >/dev/null
cat >"$folder/tiny.toml" <<TOML
model.weights = "$folder/tiny.h5"
method.name = "muppet"
checkpoint.every = 15
comm = { threads = 1, ordered = true, deadline = 120 }
[data]
root = "$folder/stores"
datasets = ["moods", "subjects", "sounds"]
max_length = 32
batch = 4
TOML

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
undisturbed() { # RUN STEPS
  mpirun -np 2 --oversubscribe --bind-to none "$METALOOM_PROGRAM" train "$folder/tiny.toml" run="$folder/$1" steps="$2" \
    >"$folder/$1.out" 2>&1 || { cat "$folder/$1.out"; fail "an undisturbed run"; }
}
# As many updates as take some 25 seconds here, so that there is time to disturb them on any machine.
undisturbed trial 30
updates=$($python - "$folder/trial/metrics.jsonl" <<'PY'
import json, sys
times = [line["time"] for line in map(json.loads, open(sys.argv[1])) if line["kind"] == "update"]
print(min(3000, max(60, round(25 * (len(times) - 1) / (times[-1] - times[0])))))
PY
)
undisturbed undisturbed "$updates"
part() { echo $((updates * ($1 + RANDOM % ($2 - $1)) / 100)); } # FROM TO, in % of the updates

bash $cluster up >"$folder/cluster.out" 2>&1 || { cat "$folder/cluster.out"; fail "the cluster did not start"; }
eval "$(bash $cluster env)"
submit() { sbatch --parsable --output="$folder/job%j.out" slurm/train.sbatch "$folder/tiny.toml" run="$folder/run" steps="$updates"; }

job=$(submit)
moment=$(part 5 25)
echo "job $job: told to stop after update $moment of $updates"
within 300 updates_made "$moment" || fail "no progress"
scancel --batch --signal=USR2 "$job"
within 120 running_again "$job" 1 || fail "USR2 did not requeue the job: $(state "$job")"

moment=$(part 40 50)
echo "job $job: preempted after update $moment"
within 300 updates_made "$moment" || fail "no progress after the requeue"
urgent=$(sbatch --parsable --partition=hi --nodes=2 --ntasks=4 --output=/dev/null --wrap "sleep 1")
within 120 running_again "$job" 2 || fail "preemption did not requeue the job: $(state "$job")"
within 60 is "$urgent" COMPLETED || fail "the urgent job did not run"

moment=$(part 62 72)
echo "job $job: cancelled after update $moment"
within 300 updates_made "$moment" || fail "no progress after preemption"
scancel "$job"
within 120 is "$job" CANCELLED || fail "a cancelled job is $(state "$job")"
sleep 3
is "$job" CANCELLED || fail "a cancelled job came back: $(state "$job")"

second=$(submit)
echo "job $second: the same command again"
within 300 over "$second" || fail "the second job does not end"
is "$second" COMPLETED || fail "the second job is $(state "$second")"
[ -f "$folder/run/result.json" ] || fail "the run is not finished"

$python - "$folder" "$updates" <<'PY' || fail "the disturbed run is not the undisturbed one"
import json, pathlib, sys

folder, updates = pathlib.Path(sys.argv[1]), int(sys.argv[2])
lines = {name: [json.loads(line) for line in open(folder / name / "metrics.jsonl")] for name in ("run", "undisturbed")}
steps = [line["step"] for line in lines["run"] if line["kind"] == "update"]
assert steps == list(range(1, updates + 1)), f"not every update once: {steps}"
losses = [[line["loss"] for line in lines[name] if line["kind"] == "update"] for name in lines]
assert losses[0] == losses[1], "another loss curve"
finals = [[line["value"] for line in lines[name] if line.get("final")] for name in lines]
assert finals[0] == finals[1] and finals[0], "other scores"
theta = [json.loads((folder / name / "checkpoints/latest/manifest.json").read_text())["sections"]["theta"]["xxh3"]
         for name in lines]
assert theta[0] == theta[1], f"other weights: {theta}"
print(f"{updates} updates, each once; loss curve, scores and weights are the undisturbed run's, bit for bit")
PY
