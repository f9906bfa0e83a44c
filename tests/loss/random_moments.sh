#!/usr/bin/env bash
# random_moments.sh TIMES RANKS PROGRAM -- command...
#
# Runs the command, which starts RANKS of PROGRAM, TIMES times; each time one rank kills itself at a moment of its
# start, of its end or between. The victims and moments are random, from a fixed seed. In each run all ranks must end
# without help, with success or not.
#
# The launcher need not: mpirun of Open MPI 4.1, with the options that let ranks outlive others, does not notice the end of
# a job in which a rank was killed inside MPI_Finalize. After 20 s without its end only the ranks are waited for.
set -euo pipefail

times=$1
ranks=$2
program=$3
shift 4

# ranks_left: whether ranks of this test are there; other tests may have the same program.
ranks_left() {
  local process
  for process in /proc/[0-9]*; do
    if [[ $process/exe -ef $program ]] && grep -qzx "JOBLIB_MPI_TEST_RUN=$$" "$process/environ" 2>/dev/null; then return 0; fi
  done
  return 1
}

# wait_for_launcher: whether it has ended after a while.
wait_for_launcher() {
  local turn
  for ((turn = 0; turn < 200; ++turn)); do
    kill -0 "$launcher" 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}

# wait_for_ranks: whether they have ended before one must take them for ranks that never will.
wait_for_ranks() {
  local turn
  for ((turn = 0; turn < 1000; ++turn)); do
    ranks_left || return 0
    sleep 0.1
  done
  return 1
}

export JOBLIB_MPI_TEST_RUN=$$
run_us=$(date +%s%N)
"$@"
run_us=$((($(date +%s%N) - run_us) / 1000))

RANDOM=3
for ((run = 1; run <= times; ++run)); do
  export JOBLIB_MPI_TEST_VICTIM=$((RANDOM % ranks))
  export JOBLIB_MPI_TEST_MOMENT_US=$((run_us * (RANDOM % 1000) / 1000))
  echo "-- rank $JOBLIB_MPI_TEST_VICTIM is killed after $JOBLIB_MPI_TEST_MOMENT_US us of $run_us"
  "$@" &
  launcher=$!
  launcher_ended=yes
  wait_for_launcher || launcher_ended=no
  ranks_ended=yes
  wait_for_ranks || ranks_ended=no
  if [[ $launcher_ended == no ]]; then
    kill -9 "$launcher"
    echo "the launcher was left"
  fi
  wait "$launcher" 2>/dev/null || true
  [[ $ranks_ended == yes ]] || { echo "FAILED: ranks go on; has the launcher ended? $launcher_ended"; exit 1; }
done
