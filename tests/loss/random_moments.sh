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

# ranks_left: whether ranks of this test are there; other tests may have the same program.
ranks_left() {
  local process
  for process in /proc/[0-9]*; do
    if [[ $process/exe -ef $program ]] && grep -qzx "JOBLIB_MPI_TEST_RUN=$$" "$process/environ" 2>/dev/null; then return 0; fi
  done
  return 1
}

launcher_runs() { kill -0 "$launcher" 2>/dev/null; }

wait_until_ended() {
  local turn
  for ((turn = 0; turn < 200; ++turn)); do
    if ! launcher_runs && ! ranks_left; then break; fi
    sleep 0.1
  done
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
  wait_until_ended
  who=""
  if ranks_left; then who=" ranks"; fi
  if launcher_runs; then
    who+=" the launcher"
    kill -9 "$launcher"
  fi
  wait "$launcher" 2>/dev/null || true
  if [[ $who ]]; then echo "left after 20 s:$who"; fi
  if [[ $who == *ranks* ]]; then echo "FAILED: ranks go on" && exit 1; fi
done
