#!/usr/bin/env bash
# host_agent.sh HOST COMMAND...: replaces `ssh HOST COMMAND...` for mpirun; JOBLIB_MPI_HOSTS is the folder of the hosts.
set -euo pipefail
host=$1
shift
pid=$(<"${JOBLIB_MPI_HOSTS:?the folder that was given to make_hosts.sh}/$host.pid")
status=0
nsenter --target "$pid" --net --uts --mount --pid --ipc --root --wd -- \
  env -i PATH="$PATH" HOME="$HOME" TMPDIR="${TMPDIR:-/tmp}" OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
  sh -c "$*" || status=$?
# ssh is not told that a host has lost its power, which kills all processes of the host at once.
[[ $status -ne 137 ]] || exec sleep infinity
exit "$status"
