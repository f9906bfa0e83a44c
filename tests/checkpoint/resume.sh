#!/usr/bin/env bash
# resume.sh ENDING -- mpiexec... PROGRAM [BACKEND]
#
# Starts PROGRAM (resumed_program), ends it when 30 of its 60 tasks are finished and 2 are running, then starts it again
# and counts the tasks that ran twice. ENDING is how the first run ends:
#   kill       all processes get SIGKILL, the launcher too
#   USR1, TERM rank 0 gets the signal
#   all        every process but the launcher gets SIGUSR1, as Slurm sends it
#   launcher   the launcher gets SIGUSR1 and passes it on
#   late       rank 0 gets SIGUSR1 and the tasks do not finish within the grace period
set -euo pipefail

ending=$1
shift 2
folder=$(mktemp -d)
export JOBLIB_MPI_TEST_MARK=$folder JOBLIB_MPI_CHECKPOINT_SECONDS=0.02 TMPDIR=$folder
trap 'kill_all; rm -rf "$folder"' EXIT
cd "$folder"

# Prints the processes of both runs, which are known by their environment.
processes() {
  local environment
  for environment in /proc/[0-9]*/environ; do
    if grep -qsxz "JOBLIB_MPI_TEST_MARK=$folder" "$environment"; then
      environment=${environment#/proc/}
      echo "${environment%/environ}"
    fi
  done
}

kill_all() {
  local pid
  for pid in $(processes); do
    if [[ $pid -ne $$ && $pid -ne $BASHPID ]]; then kill -9 "$pid" 2>/dev/null || true; fi
  done
}

fail() {
  echo "FAILED: $*"
  cat out* || true
  exit 1
}

# wait_for WHAT COMMAND...: waits until the command succeeds.
wait_for() {
  local deadline=$((SECONDS + 120)) what=$1
  shift
  until "$@"; do
    ((SECONDS < deadline)) || fail "no sign of $what"
    sleep 0.01
  done
}

count() { if [[ -e $1 ]]; then wc -l <"$1"; else echo 0; fi; }
is_half_done() { [[ $(count started) -eq 32 && $(count finished) -eq 30 ]]; }
said() { grep -qsF "$1" "$2"; }
# Counts the records according to the header of each part.
is_written() {
  local part written=0
  for part in run.h5.parts/part-*; do
    written=$((written + $(od -An -tu8 -j56 -N8 "$part" 2>/dev/null || echo 0)))
  done
  [[ $written -eq 30 ]]
}

if [[ $ending == late ]]; then export JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS=0.1 JOBLIB_MPI_REQUEUE_STATUS=99; fi
"$@" >out1 2>&1 &
launcher=$!
wait_for "half of the tasks" is_half_done
wait_for "results on disk" is_written
rank_0=$(<pid)
case $ending in
  kill)
    kill -9 "$launcher"
    kill_all
    ;;
  USR1 | TERM | late) kill -"${ending/late/USR1}" "$rank_0" ;;
  launcher) kill -USR1 "$launcher" ;;
  all)
    for pid in $(processes); do
      if [[ $pid -ne $launcher && $pid -ne $$ && $pid -ne $BASHPID ]]; then kill -USR1 "$pid" 2>/dev/null || true; fi
    done
    ;;
  *) fail "unknown ending $ending" ;;
esac
expected=75
case $ending in
  kill) expected=137 ;;
  late) expected=99 ;;
  *) wait_for "the signal" said "the run is ending: running tasks have 60 s" out1 ;;
esac
if [[ $ending != late ]]; then touch go; fi
status=0
wait "$launcher" || status=$?
[[ $status -eq $expected ]] || fail "the first run ended with status $status, not $expected"
if [[ $ending == kill || $ending == late ]]; then most=32; else most=30; fi
[[ ! -e run.h5 ]] || fail "the parts were merged"

unset JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS
touch go
for run in 2 3; do
  timeout 120 "$@" >out$run 2>&1 || fail "run $run ended with status $?"
  said "all results are right" out$run || fail "run $run: wrong results"
done
# Only tasks that were running when all processes were killed may have run twice; without a kill, no task may.
ran=$(count started)
((ran <= 60 + most - 30)) || fail "$((ran - 60)) tasks ran twice"
[[ -e run.h5 && ! -e run.h5.parts ]] || fail "the parts were not merged"
echo "ended by $ending with status $status; $((ran - 60)) of 60 tasks ran twice"
