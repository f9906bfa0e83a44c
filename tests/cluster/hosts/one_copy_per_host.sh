#!/usr/bin/env bash
# one_copy_per_host.sh HOSTS MEGABYTES PROGRAM [GBIT]: scatters an array to two ranks on each of HOSTS hosts, which share
# it, and checks that the array crosses each host's link once.
#
# With GBIT, the second host's link is limited to that many Gbit/s, and tasks that do not need the array must run on all
# hosts before it has arrived.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/hosts.sh"

hosts=$1
bytes=$(($2 * 1000000))
program=$3
gbit=${4:-}
start_hosts "$hosts"
[[ -z $gbit ]] || "$here/host_link.sh" "$JOBLIB_MPI_HOSTS" n2 rate "${gbit}gbit"
mapfile -t before < <(link_bytes "$hosts")
started=$(date +%s%3N)
start_job "$hosts" "$program" "$2"
wait_until 150 says "$hosts hosts have run tasks that do not need it"
mapfile -t midway < <(link_bytes "$hosts")
wait_for_end 150
[[ $status -eq 0 ]]
milliseconds=$(($(date +%s%3N) - started))
mapfile -t after < <(link_bytes "$hosts")

for ((host = 0; host < hosts; ++host)); do
  read -r received_before sent_before <<<"${before[host]}"
  read -r received_midway _ <<<"${midway[host]}"
  read -r received_after sent_after <<<"${after[host]}"
  received=$((100 * (received_after - received_before) / bytes))
  sent=$((100 * (sent_after - sent_before) / bytes))
  echo "n$((host + 1)): received $received % of the array, sent $sent %"
  # The first host, that of rank 0, sends the array; others receive it. Headers and acknowledgements add some percent.
  if ((host == 0)); then least=0 most=10; else least=100 most=110; fi
  ((received >= least && received <= most && sent <= 110)) || failed=yes
  if [[ -n $gbit ]] && ((host == 1)); then
    percent=$((100 * (received_midway - received_before) / bytes))
    echo "n2: received $percent % when the other tasks had run; the job took $milliseconds ms"
    ((percent < 90 && milliseconds >= bytes * 8 / 1000000 / gbit)) || failed=yes
  fi
done
[[ ${failed:-no} == no ]]
