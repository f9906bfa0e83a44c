#!/usr/bin/env bash
# random_moments.sh TIMES RANKS -- command...
#
# Runs the command TIMES times; each time one of its RANKS is to kill itself at a moment of its start, its end or
# between. The victims and moments are random, from a fixed seed. Each run must end by itself, well or badly,
# and leave no process behind.
set -euo pipefail

times=$1
ranks=$2
shift 3
check_ending="$(dirname "${BASH_SOURCE[0]}")/../end_to_end/check_ending.sh"

started=$(date +%s%N)
"$check_ending" --seconds 60 -- "$@"
run_us=$((($(date +%s%N) - started) / 1000))

RANDOM=3
for ((run = 1; run <= times; ++run)); do
  export JOBLIB_MPI_TEST_VICTIM=$((RANDOM % ranks))
  export JOBLIB_MPI_TEST_MOMENT_US=$((run_us * (RANDOM % 700) / 1000))
  echo "rank $JOBLIB_MPI_TEST_VICTIM is killed after $JOBLIB_MPI_TEST_MOMENT_US us of about $run_us"
  "$check_ending" --seconds 30 --status any -- "$@"
done
