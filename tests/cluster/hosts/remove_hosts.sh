#!/usr/bin/env bash
# remove_hosts.sh FOLDER: ends the hosts that make_hosts.sh made and everything that runs on them. May be repeated.
set -euo pipefail
folder=$1
[[ -e $folder/bridge ]] || exit 0
for file in "$folder"/n*.pid; do
  [[ -e $file ]] || continue
  pid=$(<"$file")
  # By now the number may belong to another process.
  # Otherwise its interface would stay until the host's last process has ended.
  name=${file##*/}
  ip link delete "$(<"$folder/bridge").${name//[^0-9]/}" 2>/dev/null || true
  if grep -qsaF host_init.sh "/proc/$pid/cmdline"; then kill -KILL "$pid"; fi
done
ip link delete "$(<"$folder/bridge")" || true
rm -rf --one-file-system "$folder"
