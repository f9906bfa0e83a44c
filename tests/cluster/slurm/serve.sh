#!/usr/bin/env bash
# serve.sh JOBLIB_MPI: two jobs of one batch job wait for clients on its nodes. From the login node, where nothing is
# known of them but their access files, they are shown and stopped one after the other, and the batch job goes on.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

joblib_mpi=$1
serving() { compgen -G "$XDG_STATE_HOME/joblib-mpi/jobs/*.json" >listed && [[ $(wc -l <listed) -eq $1 ]]; }
# stop_and_look NAME OUTPUT: stops a job from here.
stop_and_look() {
  "$joblib_mpi" stop --python .venv/bin/python "$1" | tee said
  grep -qx "joblib-mpi: $1 has ended" said || fail "stop did not end $1"
  wait_while_runs "$job" "the end of $1" grep -q "the job $1 ends: SIGUSR1 has come" "$2"
}

needs_python
start_slurm 2
export XDG_STATE_HOME=$work/state
cat >serve.sbatch <<END
#!/bin/bash
"$1" serve --python .venv/bin/python -n 2 >one.out 2>&1 &
one=\$!
while ! grep -q "joblib-mpi list" one.out; do sleep 0.1; done
"$1" serve --python .venv/bin/python -n 2 --launcher-option=--overlap >two.out 2>&1 &
two=\$!
wait "\$one" && echo one >>ended
wait "\$two" && echo two >>ended
touch went_on
END
submit --nodes=2 --ntasks-per-node=1 --output=batch.out serve.sbatch
wait_while_runs "$job" "two jobs that serve" serving 2
"$joblib_mpi" list --python .venv/bin/python >shown 2>notes
cat shown notes
[[ $(grep -c "slurm-$job.* n1 .*on another host" shown) -eq 2 ]] || fail "list does not show the jobs"
stop_and_look "slurm-$job" one.out
serving 1 || fail "the other job is gone, too"
stop_and_look "slurm-$job-2" two.out
wait_for "the end of the batch job" has_ended "$job"
[[ -e went_on && $(<ended) == $'one\ntwo' ]] || fail "the batch job did not go on, or a job did not end with status 0"
for node in n1 n2; do
  left=$(on_node "$node" find "$TMPDIR" -name 'joblib-mpi-serve-*')
  [[ -z $left ]] || fail "left on $node: $left"
done
