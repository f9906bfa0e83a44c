# shellcheck shell=bash
# To be sourced: `start_hosts COUNT` makes hosts n1, n2, ... that exist until the script ends, and sets
#   launch   mpirun's options for ranks on them,
#   folder   a folder that is removed when the script ends.
hosts_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/namespaces.sh
. "$hosts_here/../namespaces.sh"

remove_all() {
  grep -av "is right, by" "$folder/output" 2>/dev/null || true
  "$hosts_here/remove_hosts.sh" "$JOBLIB_MPI_HOSTS"
  rm -rf --one-file-system "$folder"
}

start_hosts() {
  folder=$(mktemp -d)
  trap remove_all EXIT
  # Open MPI names its session folders by host and process number, which other runs may have, too.
  export JOBLIB_MPI_HOSTS=$folder/hosts TMPDIR=$folder/tmp
  mkdir "$TMPDIR"
  ip link set lo up
  "$hosts_here/make_hosts.sh" "$1" "$JOBLIB_MPI_HOSTS"

  local network=10.83.0.0/24
  if is_open_mpi_4; then
    launch=(--mca plm rsh --mca plm_rsh_agent "$hosts_here/host_agent.sh" --mca oob_tcp_if_include "$network")
  else
    launch=(--prtemca plm ssh --prtemca plm_ssh_agent "$hosts_here/host_agent.sh" --prtemca oob_tcp_if_include "$network")
  fi
  # Each host sees all cores of this machine, so ranks must not be bound to them, and must yield.
  launch+=(--mca btl_tcp_if_include "$network" --bind-to none --oversubscribe -x OMPI_MCA_mpi_yield_when_idle -x TMPDIR)
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
}

is_open_mpi_4() { [[ $(mpirun --version) == *"Open MPI) 4."* ]]; }

# hosts_with COUNT RANKS: prints the argument for mpirun's --host.
hosts_with() {
  local number list=""
  for ((number = 1; number <= $1; ++number)); do list+="${list:+,}n$number:$2"; done
  echo "$list"
}

# link_bytes COUNT: prints the bytes that each host has received and sent so far, one line "received sent" per host.
link_bytes() {
  local number bridge
  bridge=$(<"$JOBLIB_MPI_HOSTS/bridge")
  for ((number = 1; number <= $1; ++number)); do
    # The bridge sends what the host receives.
    awk -v name="$bridge.$number:" '$1 == name { print $10, $2 }' /proc/net/dev
  done
}

# start_job HOSTS PROGRAM...: starts the program with two ranks per host and its output in $folder/output; sets `job`.
start_job() {
  local hosts=$1
  shift
  : >"$folder/output"
  export JOBLIB_MPI_HEARTBEAT_SECONDS=${JOBLIB_MPI_HEARTBEAT_SECONDS:-10}
  # A shell makes background commands ignore Ctrl-C, which mpirun must receive.
  env --default-signal=INT timeout --foreground -k 5 500 mpirun "${launch[@]}" -x JOBLIB_MPI_HEARTBEAT_SECONDS \
    --host "$(hosts_with "$hosts" 2)" -n $((2 * hosts)) "$@" >>"$folder/output" 2>&1 &
  job=$!
}

# says TEXT: succeeds if the job has printed TEXT, a basic regular expression.
says() { grep -qae "$1" "$folder/output"; }

# wait_until SECONDS COMMAND...: polls until the command succeeds; fails after the time limit.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || { echo "waited in vain: $*"; return 1; }
    sleep 0.1
  done
}

job_has_ended() { ! kill -0 "$job" 2>/dev/null; }

# Waits for the job to end by itself, and sets `status` to mpirun's.
wait_for_end() {
  wait_until "$1" job_has_ended
  status=0
  wait "$job" || status=$?
  echo "mpirun ended with status $status"
}
