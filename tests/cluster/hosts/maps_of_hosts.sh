#!/usr/bin/env bash
# maps_of_hosts.sh PYTHON: checks how tasks on two hosts get memory maps of files that only one of the hosts may have.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/hosts.sh"

start_hosts 2
mkdir "$folder"/{shared,not_shared,copied}
# on_n2 COMMAND...: runs the command in n2's view of the file system.
on_n2() { nsenter --target "$(<"$JOBLIB_MPI_HOSTS/n2.pid")" --mount "$@"; }
on_n2 mount -t tmpfs tmpfs "$folder/not_shared"
on_n2 mount -t tmpfs tmpfs "$folder/copied"
on_n2 truncate -s 1600128 "$folder/copied/data.npy"
on_n2 truncate -s 96 "$folder/copied/out"
start_job 2 "$1" -m joblib_mpi "$here/maps_of_hosts.py" "$folder"
wait_for_end 150
[[ $status -eq 0 ]]

expect() {
  says "$1" || { echo "it did not say: $1"; failed=yes; }
}
failed=no
for use in "to read" "few bytes" "to write"; do
  expect "^shared, $use: right: memmap on n1, memmap on n2$"
done
for use in "to read" "few bytes"; do
  expect "^not_shared, $use: right: memmap on n1, ndarray on n2$"
  expect "^copied, $use: right: memmap on n1, ndarray on n2$"
done
refused="would write to the memory map of \"$folder/[a-z_]*/out\" (mode \"w+\"), but rank [23] on n2 must not use the file: "
expect "^not_shared, to write: .*${refused}it cannot be opened there: No such file"
expect "^copied, to write: .*${refused}another file is there"
if on_n2 grep -q '[^\x00]' "$folder/copied/out"; then
  echo "n2 has written to its own file"
  failed=yes
fi
[[ $failed == no ]]
