#!/usr/bin/env bash
# The first process of a host that make_hosts.sh makes: sets up the host's private parts, then waits until it is killed.
set -euo pipefail
name=$1
folder=$2
hostname "$name"
mount --bind "$folder/names" /etc/hosts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
echo ready >"$folder/$name.ready"
# Orphans on the host become children of this process; bash reaps them while it waits.
while true; do
  sleep infinity &
  wait "$!" || true
done
