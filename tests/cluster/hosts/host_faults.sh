#!/usr/bin/env bash
# host_faults.sh FAULT HOSTS PROGRAM...: runs `PROGRAM FILE`, which makes calls as long as the file exists, on that many
# hosts, and causes a fault on the second one. The job must continue correctly or say why it ends, and it must end in
# any case.
#
#   cut_for_2_s   its link is cut and restored: no rank is lost
#   cut           its link is cut permanently: its tasks run elsewhere and the program succeeds; mpirun, which waits for
#                 the host for minutes, ends when it is interrupted twice, as the last line says
#   watched_cut   its link is cut, and mpirun was told to check its connections: it ends the job and names the host
#   off           its power is cut, under an mpirun that checks its connections
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/hosts.sh"

fault=$1
hosts=$2
shift 2
seconds=150 # the time limit of each wait
rounds=0
has_more_rounds() { (($(grep -ca "is right, by" "$folder/output") >= rounds + $1)); }
link() { "$here/host_link.sh" "$JOBLIB_MPI_HOSTS" n2 "$@"; }

# The first round that ends after now may have begun before.
wait_for_rounds() {
  rounds=$(grep -ca "is right, by" "$folder/output") || true
  wait_until "$seconds" has_more_rounds 2
}

end_program() {
  rm "$folder/go_on"
  wait_until "$seconds" says "all results are right"
}

interrupted_job_has_ended() {
  kill -INT "$job" 2>/dev/null || return 0
  sleep 1
  job_has_ended
}

watch_connections() {
  local prefix setting
  prefix=$(is_open_mpi_4 && echo OMPI_MCA || echo PRTE_MCA)
  for setting in time=3 intvl=1 probes=3; do export "${prefix}_oob_tcp_keepalive_$setting"; done
}

start_hosts "$hosts"
export JOBLIB_MPI_HEARTBEAT_SECONDS=4
case $fault in
  cut_for_2_s) JOBLIB_MPI_HEARTBEAT_SECONDS=20 ;;
  watched_cut | off) watch_connections ;;
esac
touch "$folder/go_on"
start_job "$hosts" "$@" "$folder/go_on"
wait_for_rounds
case $fault in
  cut_for_2_s)
    link down
    sleep 2
    link up
    wait_for_rounds
    end_program
    wait_for_end "$seconds"
    [[ $status -eq 0 ]]
    if says "joblib_mpi: warning"; then exit 1; fi
    ;;
  cut)
    link down
    wait_until "$seconds" says "warning: rank 2 on n2 was lost"
    wait_until "$seconds" says "warning: rank 3 on n2 was lost"
    wait_for_rounds
    others=$(for ((number = 3; number <= hosts; ++number)); do printf ' n%d' "$number"; done)
    tail -n 1 "$folder/output" | grep "is right, by n1$others\$"
    end_program
    wait_until "$seconds" says "the program succeeded (status 0) although .*; if mpirun now waits for n2,"
    wait_until "$seconds" interrupted_job_has_ended
    ;;
  watched_cut | off)
    if [[ $fault == off ]]; then "$here/power_off.sh" "$JOBLIB_MPI_HOSTS" n2; else link down; fi
    wait_for_end "$seconds"
    # PRRTE 3.0 ends with status 0 nevertheless.
    [[ $status -ne 0 ]] || ! is_open_mpi_4
    says "has lost communication with a remote daemon"
    says "Remote daemon: .* on node n2"
    ;;
esac
echo "right"
