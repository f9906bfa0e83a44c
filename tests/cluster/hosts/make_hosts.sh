#!/usr/bin/env bash
# make_hosts.sh COUNT FOLDER: makes hosts n1, n2, ... on this machine, with their state in FOLDER, which
# exist until remove_hosts.sh.
#
# A host is a process in separate network, hostname, mount, PID and IPC namespaces, with an address on a bridge and a
# private /dev/shm. Killing this process (power_off.sh) ends everything on the host at once and removes its address.
# The rest of the file system is shared, as on a cluster. The hosts reach this machine at 10.83.0.254.
#
# Needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN), iproute2 and util-linux.
set -euo pipefail

count=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bridge=jmpi$RANDOM
# In a chroot, / is not a mount point whose propagation could be changed.
propagation=private
mountpoint --quiet / || propagation=unchanged

trap '"$here/remove_hosts.sh" "$folder"' ERR
echo "$bridge" >"$folder/bridge"
{
  echo "127.0.0.1 localhost"
  echo "10.83.0.254 $(hostname)"
  for ((number = 1; number <= count; ++number)); do echo "10.83.0.$number n$number"; done
} >"$folder/names"
ip link add "$bridge" type bridge
ip address add 10.83.0.254/24 dev "$bridge"
ip link set "$bridge" up

for ((number = 1; number <= count; ++number)); do
  name=n$number
  mkfifo "$folder/$name.ready"
  # The hosts run in a separate session, so that a terminal's Ctrl-C does not reach them.
  setsid unshare --net --uts --mount --pid --ipc --fork --kill-child --mount-proc \
    --propagation "$propagation" "$here/host_init.sh" "$name" "$folder" </dev/null >"$folder/$name.log" 2>&1 &
  outside=$!
  read -r -t 60 _ <"$folder/$name.ready" || { cat "$folder/$name.log" >&2; false; }
  rm "$folder/$name.ready"
  pgrep --parent "$outside" >"$folder/$name.pid"
  pid=$(<"$folder/$name.pid")
  ip link add "$bridge.$number" type veth peer name eth0 netns "$pid"
  ip link set "$bridge.$number" master "$bridge" up
  nsenter --target "$pid" --net sh -c \
    "ip link set lo up && ip address add 10.83.0.$number/24 dev eth0 && ip link set eth0 up"
done
