#!/usr/bin/env bash
# The container of mpi_launch/apptainer.def without Apptainer: what its sections say is done in the Debian system in which
# this runs, as root, and then a script is started as in the container.
#
#   .ci/debian.sh trixie .ci/container.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

definition=$PWD/mpi_launch/apptainer.def
# section NAME: its lines.
section() { awk -v "name=%$1" '/^%/ { inside = $1 == name; next } inside' "$definition"; }

read -r source folder <<<"$(section files)"
[[ $source == . && -n $folder ]] || { echo "not what %files is known to say: $source $folder" >&2; exit 1; }
rm -rf "$folder"
cp --recursive . "$folder"
section post | sh -e

script=$PWD/examples/python/one_dataset.py
cd /tmp
eval "$(section environment)"
sh -e <(section test)
section runscript >run.sh
mpirun --allow-run-as-root --oversubscribe -n 3 sh -e run.sh "$script" 2
