#!/usr/bin/env bash
# check_crash.sh COMMAND...: runs COMMAND with a folder and the word "sleep" as further arguments, which starts a job.
# Kills all processes of the job with SIGKILL while it spills, and checks that the folder is empty soon after.
set -euo pipefail

folder=$(mktemp -d)
export JOBLIB_MPI_TEST_MARK="check_crash.$$.$RANDOM"
trap 'rm -rf "$folder"' EXIT

"$@" "$folder" sleep &
launcher=$!
for _ in $(seq 600); do
  [[ -z $(find "$folder" -name 'joblib-mpi-*') ]] || break
  sleep 0.1
done
sleep 1
job=$(find "$folder" -name 'joblib-mpi-*')
[[ -n $job ]] || { echo "FAILED: the job made no folder" && exit 1; }
mkdir -p "$job/call-1"
echo "as from a rank that did not get any further" >"$job/call-1/result-1-rank-1.h5.part"

# The launcher is killed first, because it would end the ranks in its own way. The reaper of the folder is not part of
# the job.
kill -KILL "$launcher"
for environment in /proc/[0-9]*/environ; do
  pid=${environment#/proc/}
  pid=${pid%/environ}
  [[ $pid != "$$" && $pid != "$BASHPID" ]] || continue
  grep -qaF "JOBLIB_MPI_TEST_MARK=$JOBLIB_MPI_TEST_MARK" "$environment" 2>/dev/null || continue
  if [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == */spilling_program ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
done
wait "$launcher" 2>/dev/null || true

for _ in $(seq 600); do
  [[ -n $(ls -A "$folder") ]] || { echo "nothing is left" && exit 0; }
  sleep 0.1
done
echo "FAILED: left behind:"
find "$folder"
exit 1
