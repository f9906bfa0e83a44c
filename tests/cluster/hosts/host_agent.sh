#!/usr/bin/env bash
# host_agent.sh HOST COMMAND...: what `ssh HOST COMMAND...` is elsewhere, for mpirun; JOBLIB_MPI_HOSTS is the hosts' folder.
set -euo pipefail
host=$1
shift
pid=$(<"${JOBLIB_MPI_HOSTS:?the folder that was given to make_hosts.sh}/$host.pid")
exec nsenter --target "$pid" --net --uts --mount --pid --ipc --root --wd -- \
  env -i PATH="$PATH" HOME="$HOME" OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 sh -c "$*"
