#!/usr/bin/env bash
# random_moments.sh TIMES RANKS PROGRAM -- command...
#
# Runs the command, which starts RANKS of PROGRAM, TIMES times; each time one rank kills itself at a moment of its
# start, of its end or between. The victims and moments are random, from a fixed seed. In each run all ranks must end
# without help within 20 s, with success or not.
#
# The launcher must end, too, with one exception: mpirun of Open MPI 4.1, with the options that let ranks outlive
# others, does not notice the end of a job in which a rank was killed inside MPI_Finalize. Then only mpirun is left.
set -euo pipefail

times=$1
ranks=$2
program=$3
shift 4

ranks_left() {
  local exe
  for exe in /proc/[0-9]*/exe; do
    if [[ $exe -ef $program ]]; then return 0; fi
  done
  return 1
}

# wait_until_ended: 0 if the launcher ended, 1 if only it is left, 2 if ranks are.
wait_until_ended() {
  local turn
  for ((turn = 0; turn < 200; ++turn)); do
    kill -0 "$launcher" 2>/dev/null || return 0
    sleep 0.1
  done
  ranks_left && return 2
  return 1
}

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
  ended=0
  wait_until_ended || ended=$?
  if [[ $ended -ne 0 ]]; then kill -9 "$launcher"; fi
  wait "$launcher" 2>/dev/null || true
  case $ended in
    1) echo "only the launcher was left" ;;
    2) echo "FAILED: ranks go on" && exit 1 ;;
  esac
  if ranks_left; then sleep 1; fi
  if ranks_left; then echo "FAILED: the launcher has ended and ranks go on" && exit 1; fi
done
