#!/usr/bin/env bash
# host_link.sh FOLDER HOST down | up | rate RATE: cuts or restores the network link of a host of make_hosts.sh, or
# limits it to RATE (such as 1gbit) in both directions.
set -euo pipefail
folder=$1
host=$2
port=$(<"$folder/bridge").${host#n}

case $3 in
  down | up) ip link set "$port" "$3" ;;
  rate)
    limit=(root tbf rate "$4" burst 256kb latency 50ms)
    tc qdisc replace dev "$port" "${limit[@]}"
    nsenter --target "$(<"$folder/$host.pid")" --net tc qdisc replace dev eth0 "${limit[@]}"
    ;;
  *) echo "host_link.sh: unknown action \"$3\"; known: down, up, rate" >&2; exit 2 ;;
esac
