#!/usr/bin/env bash
# lose_a_host.sh PROGRAM SURVIVING_OPTIONS...: runs random_faults_program over three hosts and kills all ranks of one of
# them at once while its tasks run; all results must be right all the same.
#
# Ends with status 77, for skipped, where hosts cannot be made: they need root, or a kernel that lets users have namespaces
# of their own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [[ $(id -u) -ne 0 ]]; then
  unshare --user --map-root-user true 2>/dev/null || { echo "skipped: hosts need root or user namespaces"; exit 77; }
  exec unshare --user --map-root-user --mount "$0" "$@"
fi

program=$1
shift
folder=$(mktemp -d)
export JOBLIB_MPI_HOSTS=$folder/hosts
trap '"$here/remove_hosts.sh" "$JOBLIB_MPI_HOSTS"; rm -rf --one-file-system "$folder"' EXIT
"$here/make_hosts.sh" 3 "$JOBLIB_MPI_HOSTS"

network=10.83.0.0/24
if [[ $(mpirun --version) == *"Open MPI) 4."* ]]; then
  launch=(--mca plm rsh --mca plm_rsh_agent "$here/host_agent.sh" --mca oob_tcp_if_include "$network")
else
  launch=(--prtemca plm ssh --prtemca plm_ssh_agent "$here/host_agent.sh" --prtemca oob_tcp_if_include "$network")
fi
# Each host believes that it has all cores of this machine: its ranks must not be bound to them, and must yield.
launch+=(--mca btl_tcp_if_include "$network" --bind-to none --oversubscribe)

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export JOBLIB_MPI_HEARTBEAT_SECONDS=2
timeout -k 5 60 mpirun "${launch[@]}" "$@" -x OMPI_MCA_mpi_yield_when_idle -x JOBLIB_MPI_HEARTBEAT_SECONDS \
  --host n1:2,n2:2,n3:2 -n 6 "$program" 1 0 >"$folder/output" 2>&1 &
job=$!
status=0
# Until its first tasks have run.
for ((tenths = 0; tenths < 300; ++tenths)); do
  grep -q "round 1 of 3 is right" "$folder/output" && break
  kill -0 "$job" 2>/dev/null || break
  sleep 0.1
done
"$here/kill_ranks.sh" "$JOBLIB_MPI_HOSTS" n2 || status=1
wait "$job" || echo "mpirun ended with status $?"
cat "$folder/output"
grep -q "all results are right" "$folder/output" || status=1
for rank in 2 3; do
  grep -q "joblib_mpi: warning: rank $rank on n2 was lost" "$folder/output" || { echo "no warning about rank $rank"; status=1; }
done
exit "$status"
