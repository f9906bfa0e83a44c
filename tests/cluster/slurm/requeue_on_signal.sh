#!/usr/bin/env bash
# requeue_on_signal.sh RESUMED_PROGRAM: a job of slurm/requeue.sbatch that `scancel -s USR1` tells to end starts no more
# tasks, lets running ones finish, and is requeued; it ends with status 75 if it may not be requeued.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

program=$1
count() { if [[ -e $1 ]]; then wc -l <"$1"; else echo 0; fi; }
is_half_done() { [[ $(count "$1/started") -eq 32 && $(count "$1/finished") -eq 30 ]]; }

# run_until_told FOLDER: sends the signal when 30 of 60 tasks are finished and two are running; then these finish.
run_until_told() {
  mkdir "$1"
  cd "$1"
  submit --nodes=3 --ntasks-per-node=1 "$sources/slurm/requeue.sbatch" "$program"
  wait_while_runs "$job" "half of the tasks" is_half_done "$1"
  scancel --signal=USR1 "$job"
  wait_while_runs "$job" "the signal" said "$job" "joblib_mpi: SIGUSR1: the run is ending: running tasks have 60 s"
  touch "$1/go"
}

start_slurm 3
JOBLIB_MPI_CHECKPOINT_SECONDS=0.02 run_until_told "$work/requeued"
requeued=$job
wait_for "the second run" is_run "$requeued" 2

MAX_RESTARTS=0 run_until_told "$work/ended"
must_end "$job" FAILED 75:0
must_have_said "$job" "run 1 had to stop, and MAX_RESTARTS=0 allows no other"
started=$(count "$work/ended/started")
[[ $(count "$work/ended/finished") -eq $started ]] || fail "what ran did not finish"
# A worker may start a task that it already holds before it hears of the signal.
((started < 60)) || fail "tasks went on starting"

must_end "$requeued" COMPLETED 0:0
must_have_said "$requeued" "run 1 had to stop; the job goes back into the queue"
must_have_said "$requeued" "all results are right"
for file in started finished; do
  [[ $(sort "$work/requeued/$file" | uniq | wc -l) -eq 60 && $(count "$work/requeued/$file") -eq 60 ]] ||
    fail "$(count "$work/requeued/$file") tasks have $file instead of 60"
done
