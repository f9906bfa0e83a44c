#!/usr/bin/env bash
# run_on_nodes.sh ONE_COPY_PROGRAM STARTED_WORLD: runs C++ and Python programs on four nodes, with srun through the
# scripts in slurm/ and with mpirun.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

search=$slurm_here/search_on_nodes.py
nodes=(--nodes=4 --ntasks-per-node=2)
needs_python
start_slurm 4

submit "${nodes[@]}" slurm/cpp.sbatch "$1" 8
must_end "$job" COMPLETED 0:0
must_have_said "$job" "4 hosts, 7 workers: one copy per host"

submit "${nodes[@]}" --wrap "mpirun $1 8"
must_end "$job" COMPLETED 0:0
must_have_said "$job" "4 hosts, 7 workers: one copy per host"

submit "${nodes[@]}" slurm/cpp.sbatch "$2" program
must_end "$job" COMPLETED 0:0
must_have_said "$job" "all ranks have met"

submit "${nodes[@]}" slurm/python.sbatch "$search"
must_end "$job" COMPLETED 0:0
must_have_said "$job" "fitted on nodes 1 2 3 4, scores are those of a sequential search"

submit "${nodes[@]}" --wrap "mpirun .venv/bin/python -m joblib_mpi $search"
must_end "$job" COMPLETED 0:0
must_have_said "$job" "fitted on nodes 1 2 3 4, scores are those of a sequential search"
