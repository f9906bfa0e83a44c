#!/usr/bin/env bash
# power_off.sh FOLDER HOST: takes a host of make_hosts.sh off the network and ends all of its processes at once.
set -euo pipefail
folder=$1
host=$2
bridge=$(<"$folder/bridge")
ip link set "$bridge.${host#n}" down
kill -KILL "$(<"$folder/$host.pid")"
