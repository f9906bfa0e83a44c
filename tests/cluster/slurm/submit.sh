#!/usr/bin/env bash
# submit.sh JOBLIB_MPI RESUMED_PROGRAM: `joblib-mpi doctor` finds the nodes of an allocation, and `joblib-mpi submit
# --wait` follows jobs, started by srun and by mpirun, that are told to end after half of their tasks and are requeued.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

joblib_mpi=$1
program=$2
count() { if [[ -e $1 ]]; then wc -l <"$1"; else echo 0; fi; }
is_half_done() { [[ $(count started) -eq 32 && $(count finished) -eq 30 ]]; }
is_submitted() { grep -q "is submitted" said; }

# follow_through_a_requeue LAUNCHER OPTION_OF_SCANCEL...
follow_through_a_requeue() {
  local launcher=$1 status=0
  shift
  mkdir "$work/$launcher"
  cd "$work/$launcher"
  JOBLIB_MPI_CHECKPOINT_SECONDS=0.02 "$joblib_mpi" submit --nodes 3 --ntasks-per-node 1 --time 10 \
    --launcher "$launcher" --job-name "$launcher" --wait -- "$program" >followed 2>said &
  local follower=$!
  wait_for "the submission" is_submitted
  job=$(sed -nE 's/.*: job ([0-9]+) of .* is submitted.*/\1/p' said)
  wait_while_runs "$job" "half of the tasks" is_half_done
  scancel "$@" --signal=USR1 "$job"
  wait_while_runs "$job" "the signal" said "$job" "joblib_mpi: SIGUSR1: the run is ending"
  touch go
  wait "$follower" || status=$?
  cat said followed
  [[ $status -eq 0 ]] || fail "submit --wait ended with status $status"
  grep -q "job $job has ended: COMPLETED, status 0" said || fail "submit did not say how the job has ended"
  for text in "joblib-mpi: job $job is requeued" "joblib-mpi: job $job, start 2, on" "all results are right"; do
    grep -qF "$text" followed || fail "submit did not show \"$text\""
  done
  for file in started finished; do
    [[ $(sort "$file" | uniq | wc -l) -eq 60 && $(count "$file") -eq 60 ]] || fail "$(count "$file") tasks have $file"
  done
}

start_slurm 3
salloc --quiet --nodes=3 --ntasks-per-node=1 "$joblib_mpi" doctor --spill-dir "$work" --json report.json
/usr/bin/python3 - report.json <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
text = json.dumps(report)
assert all(f'"{host}"' in text for host in ("n1", "n2", "n3")), text
assert "tcp" in text, text
END

follow_through_a_requeue srun
# The step of mpirun is its daemons, so the batch shell passes the signal on.
follow_through_a_requeue mpirun --batch
