#!/usr/bin/env bash
# lose_a_host.sh PROGRAM SURVIVING_OPTIONS...: runs random_faults_program on three hosts and kills all ranks of one of
# them at once while its tasks run; all results must be right nevertheless.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/hosts.sh"

program=$1
shift
start_hosts 3
export JOBLIB_MPI_HEARTBEAT_SECONDS=2
timeout -k 5 150 mpirun "${launch[@]}" "$@" -x JOBLIB_MPI_HEARTBEAT_SECONDS --host "$(hosts_with 3 2)" -n 6 \
  "$program" 1 0 >"$folder/output" 2>&1 &
job=$!
status=0
# Wait until its first tasks have run.
for ((tenths = 0; tenths < 1200; ++tenths)); do
  grep -q "round 1 of 3 is right" "$folder/output" && break
  kill -0 "$job" 2>/dev/null || break
  sleep 0.1
done
"$here/kill_ranks.sh" "$JOBLIB_MPI_HOSTS" n2 || status=1
wait "$job" || echo "mpirun ended with status $?"
grep -q "all results are right" "$folder/output" || status=1
for rank in 2 3; do
  grep -q "joblib_mpi: warning: rank $rank on n2 was lost" "$folder/output" || { echo "no warning about rank $rank"; status=1; }
done
exit "$status"
