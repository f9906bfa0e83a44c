#!/usr/bin/env bash
# folders_of_hosts.sh PYTHON: checks what Python users are told about spill folders and checkpoints that differ between
# hosts.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/hosts.sh"

start_hosts 2
mkdir "$folder"/{shared,not_shared,locked_there,locked_here}
# on HOST COMMAND...: runs the command in the host's view of the file system.
on() { nsenter --target "$(<"$JOBLIB_MPI_HOSTS/$1.pid")" --mount "${@:2}"; }
lock() {
  on "$1" mount --bind "$2" "$2"
  on "$1" mount -o remount,bind,ro "$2"
}
on n2 mount -t tmpfs tmpfs "$folder/not_shared"
lock n2 "$folder/locked_there"
lock n1 "$folder/locked_here"
start_job 2 "$1" -m joblib_mpi "$here/folders_of_hosts.py" "$folder"
wait_for_end 150
[[ $status -eq 0 ]]

expect() {
  says "$1" || { echo "it did not say: $1"; failed=yes; }
}
failed=no
expect "^nothing large: right"
expect "^nothing large: \[\]"
expect "^shared: right"
expect "^shared: 1 folder"
warns="joblib_mpi: rank [23] on n2 sends large results through memory: "
told="on rank [23] (n2): its result of 4000[0-9]* bytes could not be stored: "
expect "${warns}the spill folder \"$folder/not_shared/.*\" that rank 0 has created does not exist on n2"
expect "^not_shared, room: right"
expect "^not_shared, no room: SpillError: .*${told}the spill folder \"$folder/not_shared/.*set spill_dir .* to a folder that all nodes share"
expect "^locked_there, room: right"
expect "^locked_there, no room: SpillError: .*${told}.*\"$folder/locked_there/.*Read-only file system"
for room in room "no room"; do
  expect "^locked_here, $room: SpillError: no folder for large results can be created in \"$folder/locked_here\": Read-only file system; set spill_dir"
done
# Only rank 0 writes checkpoints, so other hosts may see another folder.
expect "^not_shared, checkpoint: right"
expect "^not_shared, resumed: right"
expect "^locked_there, checkpoint: right"
expect "^locked_here, checkpoint: CheckpointError: .*$folder/locked_here.*Read-only file system"
[[ $failed == no ]]
