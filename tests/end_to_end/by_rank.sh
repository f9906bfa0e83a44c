#!/usr/bin/env bash
# by_rank.sh PROGRAM OTHER ARGUMENTS...: is PROGRAM on rank 0 and OTHER elsewhere. Open MPI 5.0.7's mpirun crashes when it
# is given two programs itself ("mpirun -n 1 a : -n 1 b").
set -euo pipefail
program=$1
[[ ${OMPI_COMM_WORLD_RANK:?not started by mpirun} -eq 0 ]] || program=$2
exec "$program" "${@:3}"
