#!/usr/bin/env bash
# on_two_hosts.sh RANKS COMMAND...: runs the command under mpirun on two hosts that exist until it ends, each second rank on the
# second one. They are namespaces of this machine (tests/cluster/hosts), so their messages take TCP and they share its cores.
# Needs root.
set -euo pipefail
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tests/cluster/hosts/hosts.sh"
start_hosts 2
mpirun "${launch[@]}" --map-by node --host "$(hosts_with 2 "$1")" -n "$1" "${@:2}"
