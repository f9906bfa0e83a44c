#!/usr/bin/env bash
# by_rank.sh PROGRAM OTHER ARGUMENTS...: runs PROGRAM on rank 0 and OTHER on other ranks. The mpirun of Open MPI 5.0.7
# crashes when it is given two programs ("mpirun -n 1 a : -n 1 b").
set -euo pipefail
program=$1
[[ ${OMPI_COMM_WORLD_RANK:?not started by mpirun} -eq 0 ]] || program=$2
exec "$program" "${@:3}"
