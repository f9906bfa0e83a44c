#!/usr/bin/env bash
# lose.sh RESUMED_PROGRAM: jobs in C++ and Python continue when a slurmd is killed, and when a node is lost, if srun may
# continue without it. In both, half of the tasks wait for a file `go` in the working folder.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

cpp=("$1")
python=("$sources/.venv/bin/python" -m joblib_mpi "$slurm_here/held_tasks.py")
export JOBLIB_MPI_HEARTBEAT_SECONDS=3

# start NAME NODES COMMAND...: starts a job in a separate folder on three nodes; returns while both workers run a task.
is_held() { [[ $(wc -l 2>/dev/null <"$1/started") -eq 32 && $(wc -l <"$1/finished") -eq 30 ]]; }
start() {
  local nodes=$2
  folder=$work/$1
  shift 2
  mkdir "$folder"
  cd "$folder"
  submit --nodelist="$nodes" --ntasks-per-node=1 --no-kill --wrap "srun --mpi=pmix --no-kill $*"
  wait_while_runs "$job" "half of the tasks" is_held "$folder"
}

needs_python
start_slurm 4

# When a slurmd is killed, processes on its node keep running, and the restarted slurmd takes them over.
start killed n1,n2,n3 "${python[@]}"
kill_slurmd n2
touch "$folder/go"
wait_while_runs "$job" "results" said "$job" "all results are right"
start_slurmd n2
must_end "$job" COMPLETED 0:0
wait_for "idle nodes" nodes_are_idle 4

# lose NODE: cuts the power of the last node of the running job.
lose() {
  "$slurm_here/../hosts/power_off.sh" "$JOBLIB_MPI_HOSTS" "$1"
  # Slurm would find out itself a minute later.
  scontrol update NodeName="$1" State=DOWN Reason="switched off"
  wait_while_runs "$job" "the loss" said "$job" "joblib_mpi: warning: rank 2 on $1 was lost"
  touch "$folder/go"
  wait_for "the end of job $job" has_ended "$job"
  must_have_said "$job" "all results are right"
  echo "job $job ended as $(states "$job")"
}
start lost_cpp n1,n2,n3 "${cpp[@]}"
lose n3
# Slurm may take n3 for available again.
start lost_python n1,n2,n4 "${python[@]}"
lose n4
