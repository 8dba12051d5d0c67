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
words=(x.toml resume=never stage.a.resume=never)
# CODE STATE UNANSWERED, what must be said ("!..." must not be).
check() {
  local code=$1 state=$2 unanswered=$3 said='' got=0 piece
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

# A job that had been preempted, or was about to be, was not queued again.
for state in PREEMPTED SIGNALING SUSPENDED STOPPED STAGE_OUT; do check 85 $state 0 "$requeued"; done
for state in REQUEUED REQUEUE_HOLD CONFIGURING PENDING; do check 85 $state 0 "!$requeued" "already"; done
for state in TIMEOUT NODE_FAIL COMPLETING FAILED DEADLINE; do check 85 $state 0 "!$requeued" "the job is $state"; done

# A rank that died before any progress was queued 100 times.
stand_in srun <<<'[ -z "${SAVES:-}" ] || echo saved >"$METALOOM_SAVED"; exit "$CODE"'
SLURM_RESTART_COUNT=0 check 137 RUNNING 0 "$requeued"
SLURM_RESTART_COUNT=1 check 75 RUNNING 0 "$requeued"
SLURM_RESTART_COUNT=2 check 137 RUNNING 0 "!$requeued" "3 attempts in a row wrote no checkpoint"
SLURM_RESTART_COUNT=0 check 137 RUNNING 0 "$requeued"
SLURM_RESTART_COUNT=1 check 137 RUNNING 0 "$requeued"
SLURM_RESTART_COUNT=2 SAVES=yes check 137 RUNNING 0 "$requeued"
SLURM_RESTART_COUNT=3 check 137 RUNNING 0 "$requeued"
SLURM_RESTART_COUNT=4 check 85 RUNNING 0 "$requeued"
SLURM_RESTART_COUNT=5 check 137 RUNNING 0 "$requeued"
SLURM_RESTART_COUNT=6 METALOOM_MOST_IDLE_ATTEMPTS=2 check 137 RUNNING 0 "!$requeued" "2 attempts in a row"
[ ! -e .slurm-7.idle ] || { echo "a job that is over leaves .slurm-7.idle"; failed=1; }

# In a job array the task whose number is the array's was not queued again: squeue -j 7 answers for all of them.
stand_in squeue <<'SH'
case $* in *"-j 7_3 "*) echo RUNNING ;; *) echo RUNNING; echo PENDING ;; esac
SH
stand_in srun <<<'echo "srun $*."; exit "$CODE"'
export SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=3
check 85 RUNNING 0 "scontrol requeue 7_3" "every task of this job array trains the same"
words=(x.toml run=runs/%a resume=never)
check 0 RUNNING 0 "run=runs/3 resume=never." "!every task"
rm -f .slurm-7*.idle
exit $failed
