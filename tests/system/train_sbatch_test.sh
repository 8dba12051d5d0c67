#!/usr/bin/env bash
# What slurm/train.sbatch makes of the program's exit code, of a controller that does not answer and of further attempts,
# with stand-ins for Slurm's commands. tests/system/slurm_test.sh asks a real Slurm.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
stand_in() { # NAME, script on standard input
  { echo '#!/usr/bin/env bash'; cat; } >"$folder/$1"
  chmod +x "$folder/$1"
}
stand_in program </dev/null
stand_in srun <<<'echo "srun $*."; exit "$CODE"'
stand_in sleep </dev/null
stand_in scontrol <<<'echo "scontrol $*"'
# Fails $UNANSWERED times, then says $STATE.
stand_in squeue <<'SH'
echo asked >>"$ASKED"
[ "$(wc -l <"$ASKED")" -gt "$UNANSWERED" ] || exit 1
echo "$STATE"
SH

failed=0
# CODE STATE UNANSWERED, what must be said ("!..." must not be).
check() {
  local code=$1 state=$2 unanswered=$3 said='' got=0 piece
  local words=(x.toml resume=never stage.a.resume=never)
  shift 3
  rm -f "$folder/asked"
  said=$(CODE=$code STATE=$state UNANSWERED=$unanswered ASKED=$folder/asked PATH=$folder:$PATH SLURM_JOB_ID=7 \
    SLURM_SUBMIT_DIR=$PWD METALOOM_PROGRAM=$folder/program bash slurm/train.sbatch "${words[@]}" 2>&1) || got=$?
  [ "$got" = "$code" ] || { echo "code $got instead of $code"; failed=1; }
  for piece in "$@"; do
    case $piece in
    !*) [[ $said != *"${piece#!}"* ]] || { echo "$code $state $unanswered says \"${piece#!}\": $said"; failed=1; } ;;
    *) [[ $said == *"$piece"* ]] || { echo "$code $state $unanswered does not say \"$piece\": $said"; failed=1; } ;;
    esac
  done
}
requeued="scontrol requeue 7"
check 85 RUNNING 0 "$requeued"
check 85 RUNNING 2 "$requeued" # the controller was busy
check 85 RUNNING 9 "$requeued" # and stays so
check 85 CANCELLED 0 "!$requeued" "the job is CANCELLED"
check 85 CANCELLED 2 "!$requeued" "the job is CANCELLED"
check 75 RUNNING 9 "!$requeued" "the job is gone"
check 75 CANCELLED 0 "!$requeued" "the job is CANCELLED"
check 75 RUNNING 0 "$requeued" # a rank died: the others say so
check 86 RUNNING 0 "$requeued" # a rank was silent
check 137 RUNNING 0 "$requeued" # a rank was killed
check 139 RUNNING 0 "!$requeued" "goes on from its last checkpoint"
check 70 RUNNING 0 "!$requeued" "goes on from its last checkpoint"
for code in 75 85 86 137; do
  SLURM_RESTART_COUNT=99 check $code RUNNING 0 "$requeued"
  SLURM_RESTART_COUNT=100 check $code RUNNING 0 "!$requeued" "attempt 101 of at most 101"
done
# Every requeue erased what the run had saved.
check 0 RUNNING 0 "resume=never" "!resume=auto"
SLURM_RESTART_COUNT=1 check 0 RUNNING 0 "x.toml resume=never stage.a.resume=never resume=auto stage.a.resume=auto."
check 4 RUNNING 0 "!$requeued" "no usable checkpoint" "!goes on from its last checkpoint"
check 0 RUNNING 0 "!$requeued" "finished"
exit $failed
