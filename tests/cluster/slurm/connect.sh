#!/usr/bin/env bash
# connect.sh JOBLIB_MPI: programs on the login node use the workers of a batch job, which they reach through srun. They
# go on after their srun was killed in the middle of a call, and leave no step behind, also if they are killed.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

joblib_mpi=$1
serves() { compgen -G "$XDG_STATE_HOME/joblib-mpi/jobs/*.json" >listed; }
# The steps of the job, without that of its batch script and that of its ranks.
n_steps() { squeue --noheader --steps --jobs "$job" --format %j | grep -cvx -e batch -e extern -e python || true; }
has_no_relay() { [[ $(n_steps) -eq 0 ]]; }

needs_python
start_slurm 2
export XDG_STATE_HOME=$work/state
cat >serve.sbatch <<END
#!/bin/bash
"$1" serve --python .venv/bin/python -n 3
END
cat >client.py <<'END'
import os, signal, sys, time
import numpy as np
import joblib_mpi
from joblib import Parallel, delayed, parallel_config

X = np.arange(500_000.0)

def total(x, i):
    return float(x.sum()) + i

def fail(i):
    raise ValueError(f"no {i}")

def children():
    return [int(pid) for task in os.listdir("/proc/self/task") for pid in open(f"/proc/self/task/{task}/children").read().split()]

def call():
    assert Parallel()(delayed(total)(X, i) for i in range(50)) == [X.sum() + i for i in range(50)]

with parallel_config(backend="mpi", scheduler_host=sys.argv[1], scatter=[X]):
    call()
    try:
        Parallel()([delayed(fail)(7)])
    except ValueError as error:
        assert str(error) == "no 7"
    if "waits" in sys.argv:
        open("waits", "w").close()
        Parallel()(delayed(time.sleep)(600) for _ in range(2))
    tasks = Parallel(return_as="generator")(delayed(total)(X, i) for i in range(200))
    assert next(tasks) == X.sum()
    (srun,) = children()
    os.kill(srun, signal.SIGKILL)
    assert list(tasks) == [X.sum() + i for i in range(1, 200)]
    (another,) = children()
    assert another != srun
    call()
print("done")
END
submit --nodes=2 --ntasks-per-node=2 --output=batch.out serve.sbatch
wait_while_runs "$job" "a job that serves" serves

for name in "slurm:$job" auto; do
  timeout 300 .venv/bin/python client.py "$name" 2>notes | tee said
  cat notes
  grep -qx 'done' said || fail "the client of $name has failed"
  grep -q "was cut" notes || fail "the client does not say that its connection was cut"
  wait_for "the end of the relays" has_no_relay
done

.venv/bin/python client.py "slurm:$job" waits &
client=$!
wait_for "a client that waits" test -e waits
[[ $(n_steps) -eq 1 ]] || { squeue --steps; fail "the client has no step"; }
kill -KILL "$client"
wait_for "the end of the relay of a client that was killed" has_no_relay

.venv/bin/python client.py slurm:999 2>said && fail "there is a job that there is not"
grep -q "no job of yours serves clients in the Slurm job 999.*known: slurm-$job" said || fail "$(cat said)"
"$joblib_mpi" stop --python .venv/bin/python "slurm-$job"
wait_for "the end of the batch job" has_ended "$job"
