# shellcheck shell=bash
# To be sourced: `start_hosts COUNT` makes hosts n1, n2, ... until the script ends, and sets
#   launch   mpirun's options for ranks on them,
#   folder   a folder that goes with the script.
#
# Where hosts cannot be made, the script ends with status 77, for skipped: they need root, or a kernel that lets users have
# namespaces of their own.
hosts_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [[ $(id -u) -ne 0 ]]; then
  unshare --user --map-root-user true 2>/dev/null || { echo "skipped: hosts need root or user namespaces"; exit 77; }
  exec unshare --user --map-root-user --mount "$0" "$@"
fi

remove_all() {
  "$hosts_here/remove_hosts.sh" "$JOBLIB_MPI_HOSTS"
  rm -rf --one-file-system "$folder"
}

start_hosts() {
  folder=$(mktemp -d)
  export JOBLIB_MPI_HOSTS=$folder/hosts
  trap remove_all EXIT
  "$hosts_here/make_hosts.sh" "$1" "$JOBLIB_MPI_HOSTS"

  local network=10.83.0.0/24
  if [[ $(mpirun --version) == *"Open MPI) 4."* ]]; then
    launch=(--mca plm rsh --mca plm_rsh_agent "$hosts_here/host_agent.sh" --mca oob_tcp_if_include "$network")
  else
    launch=(--prtemca plm ssh --prtemca plm_ssh_agent "$hosts_here/host_agent.sh" --prtemca oob_tcp_if_include "$network")
  fi
  # Each host believes that it has all cores of this machine: its ranks must not be bound to them, and must yield.
  launch+=(--mca btl_tcp_if_include "$network" --bind-to none --oversubscribe -x OMPI_MCA_mpi_yield_when_idle)
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
}

# hosts_with COUNT RANKS: the argument of mpirun's --host.
hosts_with() {
  local number list=""
  for ((number = 1; number <= $1; ++number)); do list+="${list:+,}n$number:$2"; done
  echo "$list"
}

# link_bytes COUNT: what each host has received and sent so far, a line "received sent" each.
link_bytes() {
  local number bridge
  bridge=$(<"$JOBLIB_MPI_HOSTS/bridge")
  for ((number = 1; number <= $1; ++number)); do
    paste -d ' ' "/sys/class/net/$bridge.$number/statistics/"{tx,rx}_bytes # the bridge sends what the host receives
  done
}
