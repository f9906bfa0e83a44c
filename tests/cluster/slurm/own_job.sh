#!/usr/bin/env bash
# own_job.sh: on the login node, a plain program in an allocation gets workers on all its nodes, and a Jupyter kernel allocates
# nodes for itself. Their rank 0 is on a node, where they reach it through srun. They leave nothing behind, also if they are
# killed.
set -euo pipefail
# shellcheck source=tests/cluster/slurm/slurm.sh
. "$(dirname "${BASH_SOURCE[0]}")/slurm.sh"

has_no_jobs() { [[ -z $(squeue --noheader) ]]; }
must_leave_nothing() {
  local node left
  wait_for "the end of all jobs after $1" has_no_jobs
  for node in n1 n2; do
    left=$(on_node "$node" find "$TMPDIR" -name 'joblib-mpi-serve-*')
    [[ -z $left ]] || fail "left on $node after $1: $left"
  done
  left=$(find "$XDG_STATE_HOME" -name '*.json'; find "${TMPDIR:?}" -name 'joblib-mpi-serve-*')
  [[ -z $left ]] || fail "left after $1: $left"
}

needs_python
start_slurm 2
export XDG_STATE_HOME=$work/state JUPYTER_DATA_DIR=$work/jupyter IPYTHONDIR=$work/ipython
cat >program.py <<'END'
import os, socket, sys, time
import joblib_mpi
from joblib import Parallel, delayed, parallel_config

def place(seconds):
    time.sleep(seconds)
    return socket.gethostname()

with parallel_config(backend="mpi"):
    print("workers on", *sorted(set(Parallel(batch_size=1)(delayed(place)(0.1) for _ in range(30)))), flush=True)
    if "waits" in sys.argv:
        open("waits", "w").close()
        Parallel(batch_size=1)(delayed(place)(600) for _ in range(3))
END

timeout 300 salloc --nodes=2 --ntasks-per-node=2 .venv/bin/python program.py 2>notes | tee said
cat notes
grep -qx 'workers on n1 n2' said || fail "the program in an allocation has not used both nodes"
grep -q 'started 3 workers' notes || fail "the program has not said what it has started"
must_leave_nothing "a program"

JOBLIB_MPI_RESUME_SECONDS=3 salloc --nodes=2 --ntasks-per-node=2 .venv/bin/python program.py waits >said 2>notes &
wait_for "a program that waits" test -e waits
pkill -KILL --newest --full 'python program.py waits'
wait || true
must_leave_nothing "a program that was killed"

.venv/bin/joblib-mpi kernel install -n 3 --slurm="--nodes=2 --ntasks-per-node=2"
timeout 300 .venv/bin/python - <<'END'
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="joblib-mpi")
said = []
def hear(message):
    content = message["content"]
    said.append(content.get("text") or "\n".join(content.get("traceback", [])))
code = open("program.py").read().replace("sys.argv", "[]")
for _ in range(2):
    reply = client.execute_interactive(code, timeout=240, output_hook=hear)
    print(*said, flush=True)
    assert reply["content"]["status"] == "ok"
assert "".join(said).count("workers on n1 n2") == 2
client.stop_channels()
manager.shutdown_kernel()
END
must_leave_nothing "a kernel"
