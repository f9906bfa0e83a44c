# shellcheck shell=bash
# To be sourced first: `start_slurm NODES` starts a real Slurm with nodes n1, n2, ... that runs until the script ends.
# This machine is the login node. The working folder becomes `work`, which all nodes see and which is removed when the
# script ends; it contains .venv, examples and slurm as in the sources.
#
# Slurm does not notice that all nodes are one machine: each has a different name and address, and private processes and
# /dev/shm.
slurm_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/namespaces.sh
. "$slurm_here/../namespaces.sh"
# shellcheck source=tests/cluster/slurm/jobs.sh
. "$slurm_here/jobs.sh"
sources=$(cd "$slurm_here/../../.." && pwd)
PATH+=:/usr/sbin:/sbin
cluster=/var/spool/cluster
work=$cluster/work
# The prefix of the daemons' command lines: the namespace of an ordinary user has no supplementary groups.
as_root=()
if [[ $(</proc/self/setgroups) == deny ]]; then as_root=(env LD_PRELOAD="$JOBLIB_MPI_WITHOUT_GROUPS"); fi

# To be called before start_slurm by tests that run Python.
needs_python() {
  local find='import importlib.util as util, sys; sys.exit(None in map(util.find_spec, ("joblib_mpi._core", "sklearn")))'
  "$sources/.venv/bin/python" -c "$find" || { echo "skipped: no joblib_mpi in .venv"; exit 77; }
}

# start_slurm NODES [CPUS]: starts Slurm with that many CPUs (4) on each node.
start_slurm() {
  local nodes=$1 number command
  for command in munged slurmctld slurmd; do
    command -v "$command" >/dev/null || { echo "no $command here: mpi_launch/dependencies.sh test" >&2; exit 1; }
  done
  # In memory and invisible to other processes: nothing is left behind, even after SIGKILL.
  mount -t tmpfs -o mode=0755 tmpfs /var/spool
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  mkdir -p "$cluster"/{controller,log,munge} "$work"
  mkdir -m 1777 "$cluster/tmp"
  trap 'show_logs "$?"' EXIT
  ip link set lo up
  hostname login
  export JOBLIB_MPI_HOSTS=$cluster/hosts SLURM_CONF=$cluster/slurm.conf
  "$slurm_here/../hosts/make_hosts.sh" "$nodes" "$JOBLIB_MPI_HOSTS"
  mount --bind "$JOBLIB_MPI_HOSTS/names" /etc/hosts
  "$slurm_here/slurm_conf.sh" "$cluster" "$nodes" "${2:-4}" >"$SLURM_CONF"
  # Slurm 23 and later use cgroups unless told otherwise; earlier versions use only those that they are told to use.
  [[ $(slurmctld -V) == *" 22."* ]] || echo CgroupPlugin=disabled >"$cluster/cgroup.conf"

  head -c 128 /dev/urandom >"$cluster/munge/key"
  chmod 400 "$cluster/munge/key"
  # By force, because the folders above may belong to no user of the namespace.
  munged --force --key-file="$cluster/munge/key" --socket="$cluster/munge/socket" --pid-file="$cluster/munge/pid" \
    --seed-file="$cluster/munge/seed" --log-file="$cluster/munge/log" --num-threads=4 2>"$cluster/log/munged"
  "${as_root[@]}" slurmctld
  for ((number = 1; number <= nodes; ++number)); do start_node "n$number"; done
  wait_for "idle nodes" nodes_are_idle "$nodes"

  ln -s "$sources"/{.venv,examples,slurm} "$work"
  cd "$work" || exit
  for_ranks_on_one_machine
}

# Settings that users of a real cluster do not need; jobs inherit them with their environment.
for_ranks_on_one_machine() {
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  # Each node sees all cores, so ranks must not be bound to them, and must yield.
  export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none PRTE_MCA_hwloc_default_binding_policy=none
  # Not /tmp, which other programs of this machine use: Open MPI names its files after node and process.
  export TMPDIR=$cluster/tmp
}

# Each node has private temporary files.
start_node() {
  on_node "$1" mount -t tmpfs -o mode=1777 tmpfs "$cluster/tmp"
  start_slurmd "$1"
}
start_slurmd() { on_node "$1" "${as_root[@]}" slurmd -f "$SLURM_CONF" -N "$1"; }
kill_slurmd() { on_node "$1" kill -KILL "$(<"$cluster/$1.pid")"; }

# on_node NODE COMMAND...: runs the command on the node.
on_node() { "$slurm_here/../hosts/host_agent.sh" "$@"; }

nodes_are_idle() { [[ $(sinfo --noheader --Node --format %T 2>/dev/null | grep -cx idle) -eq $1 ]]; }

# show_logs STATUS: after a failure, prints the output of jobs and daemons.
show_logs() {
  [[ $1 -ne 0 ]] || return 0
  find "$work" -name '*.out' -exec tail -v -n 50 {} +
  tail -n 10 "$cluster"/log/* || true
}
