#!/usr/bin/env bash
# requeue_at_limit.sh: runs slurm/requeue.sbatch with a Python program that takes longer than its time limit. It must
# take two runs, and compute nothing twice.
#
# The shortest time limit is a minute, and Slurm checks limits every 30 s, so the signal comes after half a minute.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

needs_python
start_slurm 2
submit --nodes=2 --ntasks-per-node=2 --time=1 --signal=USR1@50 slurm/requeue.sbatch \
  .venv/bin/python -m joblib_mpi "$slurm_here/noted_tasks.py" "$work/tasks"
must_end "$job" COMPLETED 0:0
must_have_said "$job" "joblib_mpi: SIGUSR1: the run is ending: running tasks have 60 s"
must_have_said "$job" "run 1 had to stop; the job goes back into the queue"
must_have_said "$job" "all results are right in run 2"
mapfile -t runs < <(cut -d ' ' -f 2 "$work/tasks.started" | sort | uniq -c)
echo "tasks in each run:" "${runs[@]}"
[[ ${#runs[@]} -eq 2 ]] || fail "tasks ran in ${#runs[@]} runs instead of 2"
for what in started finished; do
  [[ $(wc -l <"$work/tasks.$what") -eq 400 ]] || fail "$(wc -l <"$work/tasks.$what") tasks have $what instead of 400"
done
