#!/usr/bin/env bash
# cancel.sh SPILLING_PROGRAM: scancel ends a C++ and a Python job while they spill and share data. No process may
# remain, and nothing in the spill folders or in shared memory.
#
# srun does not pass SIGTERM on; it has all ranks killed at once. If rank 0 cannot even handle its own SIGTERM, on a
# very busy machine, its folder stays until the next job on its node removes it.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

nodes="n1 n2 n3 n4"

# processes_of JOB: prints the processes on any node whose environment names the job, or that manage one of its steps.
processes_of() {
  local process
  for process in /proc/[0-9]*; do
    if grep -qsxz "SLURM_JOB_ID=$1" "$process/environ" || [[ $(tr '\0' ' ' 2>/dev/null <"$process/cmdline") == "slurmstepd: [$1."* ]]; then
      echo "${process#/proc/}"
    fi
  done
}
share_data() {
  local process
  for process in $(processes_of "$1"); do
    if grep -qs memfd:joblib_mpi "/proc/$process/maps"; then return 0; fi
  done
  return 1
}
spills_in() { compgen -G "$1/joblib-mpi-*" >/dev/null; }
is_empty() { [[ -z $(ls -A "$1") ]]; }
is_gone() { [[ -z $(processes_of "$1") ]]; }

needs_python
start_slurm 4
mkdir "$work"/{cpp,python}
submit --nodes=4 --ntasks-per-node=2 slurm/cpp.sbatch "$1" "$work/cpp" sleep
cpp=$job
submit --nodes=4 --ntasks-per-node=2 slurm/python.sbatch "$slurm_here/spill_and_sleep.py" "$work/python"
python=$job
for language in cpp python; do
  wait_while_runs "${!language}" "the folder of spilled results" spills_in "$work/$language"
  # Rank 0 removes a file's name as soon as it can: the rank of this file was killed before that.
  folder=$(compgen -G "$work/$language/joblib-mpi-*")
  mkdir -p "$folder/call-1"
  echo half >"$folder/call-1/result-1-rank-1.h5.part"
done
wait_while_runs "$python" "data that the Python job shares" share_data "$python"

scancel "$cpp" "$python"
for language in cpp python; do
  wait_for "the end of the $language job's processes" is_gone "${!language}"
  wait_for "the end of the $language job" has_ended "${!language}"
  has_state "${!language}" CANCELLED || fail "the $language job ended as $(states "${!language}")"
  if ! is_empty "$work/$language"; then
    echo "the next job has to remove what $language has left"
    srun --nodes=1 --nodelist=n1 --mpi=pmix "$1" "$work/$language" keep
    left=$(compgen -G "$work/$language/joblib-mpi-${!language}-*") && fail "left in the spill folder: $left"
  fi
done
for node in $nodes; do
  left=$(on_node "$node" ls -A /dev/shm)
  [[ -z $left ]] || fail "left in shared memory of $node: $left"
done
