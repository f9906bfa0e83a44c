#!/usr/bin/env bash
# one_copy_per_host.sh HOSTS MEGABYTES PROGRAM: scatters an array to two ranks on each of HOSTS hosts, which share it, and
# counts what crosses each host's link: the array once.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/hosts.sh"

hosts=$1
bytes=$(($2 * 1000000))
start_hosts "$hosts"
mapfile -t before < <(link_bytes "$hosts")
timeout -k 5 100 mpirun "${launch[@]}" --host "$(hosts_with "$hosts" 2)" -n $((2 * hosts)) "$3" "$2"
mapfile -t after < <(link_bytes "$hosts")

status=0
for ((host = 0; host < hosts; ++host)); do
  read -r received_before sent_before <<<"${before[host]}"
  read -r received_after sent_after <<<"${after[host]}"
  received=$((100 * (received_after - received_before) / bytes))
  sent=$((100 * (sent_after - sent_before) / bytes))
  echo "n$((host + 1)): received $received % of the array, sent $sent %"
  # The first host, rank 0's, has the array, the others get it. Headers and acknowledgements take some percent.
  if ((host == 0)); then least=0 most=10; else least=100 most=110; fi
  ((received >= least && received <= most && sent <= 110)) || status=1
done
exit "$status"
