#!/usr/bin/env bash
# memory_of_hosts.sh PYTHON: checks that what a job keeps gives way when another host than rank 0's has little memory left.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/hosts.sh"

start_hosts 2
# What n2 sees as its memory is a file of this test, at first 64 GiB.
write_memory() { printf 'MemTotal: %d kB\nMemAvailable: %d kB\n' $((64 << 20)) "$1" >"$folder/meminfo"; }
write_memory $((64 << 20))
nsenter --target "$(<"$JOBLIB_MPI_HOSTS/n2.pid")" --mount mount --bind "$folder/meminfo" /proc/meminfo
start_job 2 "$1" -m joblib_mpi "$here/memory_of_hosts.py"
kept_or_ended() { says "^kept$" || job_has_ended; }
wait_until 120 kept_or_ended
write_memory $((100 << 10))
wait_for_end 150
[[ $status -eq 0 ]]
says "^it gave way$"
