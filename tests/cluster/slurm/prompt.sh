#!/usr/bin/env bash
# prompt.sh: slurm/interactive.sh in a terminal.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

needs_python
start_slurm 2
.venv/bin/python "$slurm_here/type_at_prompt.py" slurm/interactive.sh --nodes=2 --ntasks-per-node=2
wait_for "the end of the allocation" nodes_are_idle 2
