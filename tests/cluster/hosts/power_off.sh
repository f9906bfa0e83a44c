#!/usr/bin/env bash
# power_off.sh FOLDER HOST: disconnects a host of make_hosts.sh from the network and kills all its processes at once.
set -euo pipefail
folder=$1
host=$2
bridge=$(<"$folder/bridge")
ip link set "$bridge.${host#n}" down
kill -KILL "$(<"$folder/$host.pid")"
