#!/usr/bin/env bash
# run_scripts.sh: runs the Python scripts in slurm/ with the programs in examples/, and one session per array element.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

# The rest of the output shows how the job went.
found_by() { output_of "$1" | grep "best parameters"; }

needs_python
start_slurm 2

submit --ntasks-per-node=2 slurm/array.sbatch
array=$job
submit --nodes=2 --ntasks-per-node=2 slurm/python.sbatch examples/python/digits_search.py --n-iter 5
python=$job
submit --nodes=2 --ntasks-per-node=2 slurm/requeue.sbatch
resumable=$job

must_end "$array" COMPLETED 0:0
for name in breast_cancer digits iris wine; do
  grep -q '"score": 0.9' "$name.json" || fail "the element for $name found nothing"
done
must_end "$python" COMPLETED 0:0
must_have_said "$python" "parameters and scores are the same"
must_end "$resumable" COMPLETED 0:0
must_have_said "$resumable" "best parameters"

# A second run finds all results in the checkpoint.
submit --nodes=2 --ntasks-per-node=2 slurm/requeue.sbatch
must_end "$job" COMPLETED 0:0
[[ $(found_by "$job") == "$(found_by "$resumable")" ]] || fail "the second run found something else"
